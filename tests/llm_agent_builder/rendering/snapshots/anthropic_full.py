# /// script
# requires-python = ">=3.10"
# dependencies = ["anthropic[mcp]>=2.12,<3", "mcp>=1.24,<2"]
# ///
"""An agent. With ANTHROPIC_API_KEY set: uv run bookkeeper.py --task "..." (or with pip and python)."""

from __future__ import annotations

import argparse
import ast
import json
import math
import operator
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import datetime
from itertools import islice
from typing import Any, Literal
from zoneinfo import ZoneInfo

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
from mcp.client.streamable_http import streamable_http_client
from pydantic import BaseModel, Field, ValidationError

NAME = "Bookkeeper"
MODEL = "claude-sonnet-5-5"
MAX_TOKENS = 4096
MAX_TURNS = 20
TOKEN_BUDGET = 50000
TIMEOUT_S = 60
RETRIES = 4
MCP_SERVERS: list[dict[str, Any]] = [
    {
        "name": "files",
        "command": ["uvx", "mcp-server-files", "."],
        "env": ["FILES_TOKEN"],
    },
    {"name": "web", "url": "https://mcp.example.com/mcp"},
]
SYSTEM_PROMPT = """\
You are a bookkeeper's assistant.

Be exact. When something is missing, say "missing"."""
EXAMPLE_TASK = "Read the invoice in invoice.txt."


class StoppedEarly(Exception):
    """The model stopped early; has the reason and the partial answer."""


class Line(BaseModel):
    """One line of an invoice."""

    what: str
    amount: float = Field(description="Without tax.")


class Invoice(BaseModel):
    """An invoice, as read from its text."""

    number: str
    currency: Literal["EUR", "USD"]
    lines: list[Line]
    note: str | None = None


CALCULATOR_LONGEST = 200
CALCULATOR_DIGITS = 100


def _power(base: float, exponent: float) -> float:
    # Looked at before it is worked out: 9**9**9 has 370 million digits.
    if base and abs(exponent * math.log10(abs(base))) > CALCULATOR_DIGITS:
        raise ValueError("the numbers become too large or too small")
    if base < 0 and exponent != int(exponent):
        raise ValueError("no real number is that power of a negative number")
    return float(base**exponent) if exponent < 0 else base**exponent


def _value(node: ast.expr) -> float:
    operators: dict[type[ast.operator], Callable[[float, float], float]] = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.Pow: _power,
    }
    value: float
    match node:
        case ast.Constant(value=int() | float() as number):
            value = number
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            value = -_value(inner)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            value = _value(inner)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in operators:
            value = operators[type(sign)](_value(left), _value(right))
        case _:
            raise ValueError(f"{ast.unparse(node)}: not numbers with + - * / // % **")
    if not -(10**CALCULATOR_DIGITS) < value < 10**CALCULATOR_DIGITS:
        raise ValueError("the numbers become too large")
    return value


def calculator(expression: str) -> str:
    """Work out an arithmetic expression.

    Args:
        expression: Numbers, + - * / // % **, and parentheses: "2 * (3 + 4) ** 2".
    """
    if len(expression) > CALCULATOR_LONGEST:
        raise ValueError(f"longer than {CALCULATOR_LONGEST} characters")
    value = _value(ast.parse(expression.strip(), mode="eval").body)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def current_time(zone: str = "UTC") -> str:
    """Tell the date and the time of day.

    Args:
        zone: An IANA time zone, such as "Europe/Berlin".
    """
    if zone == "UTC":  # known even where the system has no list of zones
        return time.strftime("%A, %Y-%m-%d %H:%M:%S UTC", time.gmtime())
    try:
        now = datetime.now(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        message = f"no time zone {zone!r} is known here; ask for UTC, or Europe/Berlin"
        raise ValueError(message) from None
    return now.strftime("%A, %Y-%m-%d %H:%M:%S %Z (UTC%z)")


TOOLS: list[BetaFunctionTool[Any]] = [beta_tool(calculator), beta_tool(current_time)]


async def connect(*, task_status: TaskStatus[list[BetaAsyncFunctionTool[Any]]]) -> None:
    """Connect to the MCP servers, list their tools, and stay connected until cancelled."""
    tools: list[BetaAsyncFunctionTool[Any]] = []
    async with AsyncExitStack() as stack:
        for server in MCP_SERVERS:
            if "url" in server:
                streams = streamable_http_client(server["url"])
                read, write, _ = await stack.enter_async_context(streams)
            else:
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
    """Connect to the MCP servers within the block; yield all tools."""
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
            yield [*TOOLS, *map(in_this_thread, tools)]
        finally:
            connection.cancel()


class Bookkeeper:
    """Answers tasks. The client finds the key and the base URL in the environment."""

    def __init__(self, client: anthropic.Anthropic | None = None) -> None:
        self.client = client or anthropic.Anthropic(
            max_retries=RETRIES,
            timeout=TIMEOUT_S,
        )
        self.tools: list[BetaFunctionTool[Any]] = TOOLS
        self.usage: Counter[str] = Counter()

    def run(self, task: str) -> Invoice:
        """Return the answer to `task`."""
        with mcp_tools() as self.tools:
            return self.reply([{"role": "user", "content": task}])

    def reply(self, messages: list[BetaMessageParam]) -> Invoice:
        """Return the answer to the last of `messages`, and add it to them."""
        self.usage.clear()
        answer = self.ask(messages)
        try:
            return Invoice.model_validate_json(answer)
        except ValidationError as error:
            problem = f"That is not what was asked for: {error}\nAnswer again."
        messages.append({"role": "user", "content": problem})
        return Invoice.model_validate_json(self.ask(messages))

    def ask(self, messages: list[BetaMessageParam]) -> str:
        """Return the model's reply to the last of `messages`, and add it to them."""
        schema = anthropic.transform_schema(Invoice)
        runner = self.client.beta.messages.tool_runner(
            model=MODEL,
            max_tokens=MAX_TOKENS,
            system=SYSTEM_PROMPT,
            messages=messages,
            tools=self.tools,
            thread=False,
            output_config={"format": {"type": "json_schema", "schema": schema}},
            cache_control={"type": "ephemeral"},
        )
        answer = ""
        # The tools of the last turn don't run: no model would read their results.
        for message in islice(runner, MAX_TURNS):
            self.usage.update(
                calls=1,
                input_tokens=message.usage.input_tokens
                + (message.usage.cache_creation_input_tokens or 0)
                + (message.usage.cache_read_input_tokens or 0),
                output_tokens=message.usage.output_tokens,
            )
            texts = [part.text for part in message.content if part.type == "text"]
            answer += "".join(texts)
            messages.append(message.to_param())
            if message.stop_reason in ("end_turn", "stop_sequence"):
                return answer
            if message.stop_reason not in ("tool_use", "pause_turn"):
                raise StoppedEarly(message.stop_reason, answer)
            if self.usage["input_tokens"] + self.usage["output_tokens"] >= TOKEN_BUDGET:
                raise StoppedEarly("token_budget", answer)
            if message.stop_reason == "tool_use":
                answer = ""
                if results := runner.generate_tool_call_response():
                    messages.append(results)
        raise StoppedEarly("max_turns", answer)


def parse_arguments() -> argparse.Namespace:
    """Return the task: from --task, else standard input, else the example."""
    parser = argparse.ArgumentParser(description="Run this agent on one task.")
    parser.add_argument("--task", help="default: standard input, then the example task")
    parser.add_argument("--chat", action="store_true", help="converse until Ctrl-D")
    parser.add_argument("--json", action="store_true", help="answer and usage as JSON")
    asked = parser.parse_args()
    if asked.task is None and not asked.chat:
        piped = sys.stdin.read().strip() if sys.stdin and not sys.stdin.isatty() else ""
        asked.task = piped or EXAMPLE_TASK
    if asked.task is not None and not asked.task.strip():
        parser.error("the task is empty")
    return asked


def explain(error: BaseException) -> str:
    """Return an error as one line."""
    while causes := getattr(error, "exceptions", None):  # of an exception group
        error = causes[0]
    reason = " ".join(str(error).split()) or "no reason given"
    return f"{NAME}: {type(error).__name__}: {reason}"


def tell(agent: Bookkeeper, ask: Callable[[], Invoice], as_json: bool = False) -> int:
    """Print what `ask` returns, or why there is nothing; return the exit code."""
    reason: str | None = None
    try:
        answer = ask().model_dump(mode="json")
    except StoppedEarly as stop:
        reason, answer = stop.args
    except Exception as error:  # noqa: BLE001 - a conversation goes on
        print(explain(error), file=sys.stderr)
        return 1
    if as_json:
        data = {"answer": answer, "stopped_early": reason, "usage": agent.usage}
        print(json.dumps(data))
    else:
        whole = json.dumps(answer, indent=2, ensure_ascii=False)
        print(answer if reason else whole)
    used = ", ".join(f"{what}: {count}" for what, count in agent.usage.items())
    print(f"{NAME}: {used}", file=sys.stderr)
    if reason:
        print(f"{NAME}: stopped early: {reason}", file=sys.stderr)
    return 3 if reason else 0


def chat(agent: Bookkeeper) -> None:
    """Chat until Ctrl-D or Ctrl-C; a failed turn is dropped from the conversation."""
    messages: list[BetaMessageParam] = []
    with mcp_tools() as agent.tools, suppress(EOFError, KeyboardInterrupt):
        while True:
            text = input("> " if sys.stdin.isatty() else "")
            if not text.strip():
                continue
            known = len(messages)
            messages.append({"role": "user", "content": text})
            if tell(agent, lambda: agent.reply(messages)):
                del messages[known:]


def main() -> None:
    """Answer one task on standard output, or chat."""
    try:
        asked = parse_arguments()
        if not os.environ.get("ANTHROPIC_API_KEY"):
            sys.exit(f"{NAME}: set ANTHROPIC_API_KEY to your key")
        agent = Bookkeeper()
        if asked.chat:
            chat(agent)
        else:
            sys.exit(tell(agent, lambda: agent.run(asked.task), asked.json))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        raise SystemExit(explain(error)) from error


if __name__ == "__main__":
    main()
