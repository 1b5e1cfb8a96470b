# /// script
# requires-python = ">=3.10"
# dependencies = ["anthropic[mcp]>=2.12,<3", "mcp>=1.24,<2"]
# ///
"""An agent. With ANTHROPIC_API_KEY set: uv run bookkeeper.py --task "..." (or with pip and python)."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import islice
from typing import Any

import anthropic
from anthropic import beta_tool
from anthropic.lib.tools import BetaAsyncFunctionTool, BetaFunctionTool
from anthropic.lib.tools.mcp import async_mcp_tool
from anthropic.types.beta import BetaMessageParam
from anyio import sleep_forever
from anyio.abc import TaskStatus
from anyio.from_thread import start_blocking_portal
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

NAME = "Bookkeeper"
MODEL = "claude-sonnet-5-5"
MAX_TOKENS = 4096
MAX_TURNS = 10
MCP_SERVERS: list[dict[str, Any]] = [
    {
        "name": "files",
        "command": ["uvx", "mcp-server-files", "."],
        "env": ["FILES_TOKEN"],
    },
]
SYSTEM_PROMPT = """\
You are a bookkeeper's assistant.

Be exact. When something is missing, say "missing"."""
EXAMPLE_TASK = "Read the invoice in invoice.txt."


class StoppedEarly(Exception):
    """The model stopped early; has the reason and the partial answer."""


async def connect(*, task_status: TaskStatus[list[BetaAsyncFunctionTool[Any]]]) -> None:
    """Connect to the MCP servers, list their tools, and stay connected until cancelled."""
    tools: list[BetaAsyncFunctionTool[Any]] = []
    async with AsyncExitStack() as stack:
        for server in MCP_SERVERS:
            command, *args = server["command"]
            env = {key: os.environ.get(key, "") for key in server["env"]}
            program = StdioServerParameters(command=command, args=args, env=env)
            read, write = await stack.enter_async_context(stdio_client(program))
            session = await stack.enter_async_context(ClientSession(read, write))
            await session.initialize()
            listed = await session.list_tools()
            tools += [async_mcp_tool(tool, session) for tool in listed.tools]
            while listed.nextCursor:
                listed = await session.list_tools(cursor=listed.nextCursor)
                tools += [async_mcp_tool(tool, session) for tool in listed.tools]
        task_status.started(tools)
        await sleep_forever()


@contextmanager
def mcp_tools() -> Iterator[list[BetaFunctionTool[Any]]]:
    """Connect to the MCP servers within the block; yield their tools."""
    with start_blocking_portal() as portal:
        connection, tools = portal.start_task(connect)

        def in_this_thread(tool: BetaAsyncFunctionTool[Any]) -> BetaFunctionTool[Any]:
            def call(**arguments: Any) -> Any:
                return portal.call(tool.call, arguments)

            return beta_tool(
                call,
                name=tool.name,
                description=tool.description,
                input_schema=tool.input_schema,
            )

        try:
            yield [in_this_thread(tool) for tool in tools]
        finally:
            connection.cancel()


class Bookkeeper:
    """Answers tasks. The client finds the key and the base URL in the environment."""

    def __init__(self, client: anthropic.Anthropic | None = None) -> None:
        self.client = client or anthropic.Anthropic()
        self.tools: list[BetaFunctionTool[Any]] = []

    def run(self, task: str) -> str:
        """Return the answer to `task`."""
        with mcp_tools() as self.tools:
            return self.reply([{"role": "user", "content": task}])

    def reply(self, messages: list[BetaMessageParam]) -> str:
        """Return the answer to the last of `messages`, and add it to them."""
        runner = self.client.beta.messages.tool_runner(
            model=MODEL,
            max_tokens=MAX_TOKENS,
            system=SYSTEM_PROMPT,
            messages=messages,
            tools=self.tools,
            thread=False,
        )
        answer = ""
        # The tools of the last turn don't run: no model would read their results.
        for message in islice(runner, MAX_TURNS):
            texts = [part.text for part in message.content if part.type == "text"]
            answer += "".join(texts)
            messages.append(message.to_param())
            if message.stop_reason in ("end_turn", "stop_sequence"):
                return answer
            if message.stop_reason not in ("tool_use", "pause_turn"):
                raise StoppedEarly(message.stop_reason, answer)
            if message.stop_reason == "tool_use":
                answer = ""
                if results := runner.generate_tool_call_response():
                    messages.append(results)
        raise StoppedEarly("max_turns", answer)


def main() -> None:
    """Answer one task: from --task, else standard input, else the example."""
    parser = argparse.ArgumentParser(description="Run this agent on one task.")
    parser.add_argument("--task", help="default: standard input, then the example task")
    task = parser.parse_args().task
    try:
        if task is None and sys.stdin and not sys.stdin.isatty():
            task = sys.stdin.read().strip() or None
        task = EXAMPLE_TASK if task is None else task
        if not task.strip():
            parser.error("the task is empty")
        if not os.environ.get("ANTHROPIC_API_KEY"):
            sys.exit(f"{NAME}: set ANTHROPIC_API_KEY to your key")
        agent = Bookkeeper()
        print(agent.run(task))
    except StoppedEarly as stop:
        reason, answer = stop.args
        print(answer)
        print(f"{NAME}: stopped early: {reason}", file=sys.stderr)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        while causes := getattr(error, "exceptions", None):  # of an exception group
            error = causes[0]
        reason = " ".join(str(error).split()) or "no reason given"
        raise SystemExit(f"{NAME}: {type(error).__name__}: {reason}") from error


if __name__ == "__main__":
    main()
