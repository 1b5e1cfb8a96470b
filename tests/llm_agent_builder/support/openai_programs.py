"""Programs of OpenAI's Agents SDK, as people write them and as its Agent Builder exports them."""

from __future__ import annotations

EXPORTED = '''\
from agents import function_tool, WebSearchTool, HostedMCPTool, RunContextWrapper, Agent
from agents import ModelSettings, TResponseInputItem, Runner, RunConfig, trace
import random
from openai.types.shared.reasoning import Reasoning
from pydantic import BaseModel

UNITS = {"c": 1}

def in_units(value: float) -> dict:
  """Convert."""
  return {"value": value}

# Tool definitions
@function_tool
async def get_weather(ctx: RunContextWrapper[None], place: str, unit: str = "c"):
  """Tell the weather."""
  if unit in UNITS:
    text = """two
  lines"""
    return {
      "degrees": in_units(random.random()), "text": text
    }
  return "none"

@function_tool
def book_table(people: int):
  pass

web_search_preview = WebSearchTool(search_context_size="medium")
mcp = HostedMCPTool(tool_config={
  "type": "mcp",
  "server_label": "my docs",
  "server_url": "https://mcp.example.com/mcp",
  "require_approval": "never"
})

class ReplySchema__Item(BaseModel):
  name: str

class ReplySchema(BaseModel):
  items: list[ReplySchema__Item]
  certain: bool

class GuideContext:
  def __init__(self, state_city: str):
    self.state_city = state_city
def guide_instructions(run_context: RunContextWrapper[GuideContext], _agent: Agent[GuideContext]):
  state_city = run_context.context.state_city
  return f"""You guide people through {state_city}.
Be "kind"."""
sorter = Agent(
  name="Sorter",
  instructions="Sort requests.",
  model="gpt-4.1-mini"
)

guide = Agent(
  name="City guide",
  instructions=guide_instructions,
  model="gpt-5.2",
  tools=[
    get_weather,
    book_table,
    web_search_preview,
    mcp
  ],
  output_type=ReplySchema,
  model_settings=ModelSettings(
    temperature=1,
    max_tokens=2048,
    store=True,
    reasoning=Reasoning(
      effort="low",
      summary="auto"
    )
  )
)

class WorkflowInput(BaseModel):
  input_as_text: str

# Main code entrypoint
async def run_workflow(workflow_input: WorkflowInput):
  with trace("New agent"):
    workflow = workflow_input.model_dump()
    conversation_history: list[TResponseInputItem] = []
    guide_result_temp = await Runner.run(
      guide,
      input=[
        *conversation_history
      ],
      run_config=RunConfig(trace_metadata={"__trace_source__": "agent-builder"})
    )
    return {"output_text": guide_result_temp.final_output.json()}
'''

WRITTEN = '''\
"""A support desk."""
from __future__ import annotations

import asyncio
import os
from textwrap import dedent

import agents
from agents import Agent as A, Runner
from agents.extensions.handoff_prompt import RECOMMENDED_PROMPT_PREFIX
from agents.mcp import MCPServerStdio, MCPServerSse

ROLE = "a support desk"
client = object()


@agents.function_tool(name_override="find_order", description_override="Find an order.")
def lookup(order: str) -> str:
    return f"order {order}"


def plain(text: str) -> str:
    """Say it."""
    return text


wrapped = agents.function_tool(plain)
billing = A(name="Billing", instructions="Bill.")
triage = agents.Agent[None](
    name="Triage  desk",
    instructions=dedent(
        f"""
        {RECOMMENDED_PROMPT_PREFIX}
        You are {ROLE}.
        """
    ).strip(),
    handoffs=[billing],
    tools=[lookup, wrapped, billing.as_tool("bill", "Bill.")],
    input_guardrails=[],
    model=os.environ["MODEL"],
)


async def main() -> None:
    env = {"A_KEY": os.environ["A_KEY"]}
    params = {"command": "npx", "args": ["-y", "server", "/data"], "env": env}
    async with MCPServerStdio(name="File server", params=params) as files, MCPServerSse() as sse:
        agent = A(name="Reader", instructions="Read.", mcp_servers=[files, sse])
        print(await Runner.run(agent, "What is in the folder?", max_turns=4))


if __name__ == "__main__":
    print(Runner.run_sync(triage, "Where is order 7?").final_output)
    asyncio.run(main())
'''


def program(agent: str = "", above: str = "", run: str = "") -> str:
    """Return a small program with one agent, whose keywords end in `agent`."""
    return (
        "from agents import Agent, AgentOutputSchema, ModelSettings, Runner, function_tool\n"
        "from agents import RunContextWrapper, run_demo_loop\n"
        f"import textwrap\n\n{above}\nagent = Agent(name='Helper', {agent})\n{run}\n"
    )
