# /// script
# requires-python = ">=3.10"
# dependencies = ["huggingface_hub[mcp]>=2.4,<3"]
# ///
"""An agent. With HUGGINGFACEHUB_API_TOKEN set: uv run bookkeeper.py --task "..." (or with pip and python)."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import math
import operator
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from anyio import sleep_forever
from anyio.abc import TaskStatus
from anyio.from_thread import start_blocking_portal
from huggingface_hub import ChatCompletionStreamOutput, InferenceClient, MCPClient
from huggingface_hub.errors import HfHubHTTPError

NAME = "Bookkeeper"
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
BASE_URL = os.environ.get("HF_BASE_URL") or "https://router.huggingface.co/v1"
ACCESS_TOKEN = os.environ.get("HUGGINGFACEHUB_API_TOKEN") or os.environ.get("HF_TOKEN")
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


class Tool(NamedTuple):
    """A function that the model can call, and its description for the model."""

    function: Callable[..., str]
    definition: Any


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type hint."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind is Literal:
        return {"enum": list(inner)}
    if kind is list:
        return {"type": "array", "items": schema_of(inner[0])}
    if kind is dict:
        return {"type": "object", "additionalProperties": schema_of(inner[1])}
    if inner:  # members of a union
        return {"anyOf": [schema_of(each) for each in inner]}
    names = {str: "string", int: "integer", float: "number", bool: "boolean"}
    return {"type": names.get(hint, "null")}


def as_tool(function: Callable[..., str]) -> Tool:
    """Describe a function to the model, by its type hints and its docstring."""
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    schema = {
        "type": "object",
        "properties": {each.name: schema_of(hints[each.name]) for each in parameters},
        "required": [each.name for each in parameters if each.default is each.empty],
    }
    definition = {
        "name": function.__name__,
        "description": inspect.getdoc(function),
        "parameters": schema,
    }
    return Tool(function, {"type": "function", "function": definition})


def join_call(calls: dict[int, Any], part: Any) -> None:
    """Add a streamed part of a tool call to the earlier parts."""
    function = {"name": "", "arguments": ""}
    new = {"id": part.id, "type": "function", "function": function}
    call = calls.setdefault(part.index, new)
    call["function"]["name"] += part.function.name or ""
    call["function"]["arguments"] += part.function.arguments or ""


def use_tool(tools: list[Tool], call: Any) -> dict[str, Any]:
    """Return a tool's result as a message; a failure is reported there and on standard error."""
    name = call["function"]["name"]
    functions = {tool.definition["function"]["name"]: tool.function for tool in tools}
    try:
        result = functions[name](**json.loads(call["function"]["arguments"] or "{}"))
    except Exception as error:  # noqa: BLE001 - reported to the model
        result = f"{type(error).__name__}: {error}"
        print(f"{NAME}: tool {name} failed: {result}", file=sys.stderr)
    return {"role": "tool", "tool_call_id": call["id"], "content": result}


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


TOOLS = [as_tool(calculator), as_tool(current_time)]


async def connect(*, task_status: TaskStatus[MCPClient]) -> None:
    """Connect to the MCP servers, and stay connected until cancelled."""
    async with MCPClient(base_url=BASE_URL) as client:
        for server in MCP_SERVERS:
            if "url" in server:
                await client.add_mcp_server("http", url=server["url"])
            else:
                command, *args = server["command"]
                env = {key: os.environ.get(key, "") for key in server["env"]}
                await client.add_mcp_server(
                    "stdio", command=command, args=args, env=env
                )
        task_status.started(client)
        await sleep_forever()


@contextmanager
def mcp_tools() -> Iterator[list[Tool]]:
    """Connect to the MCP servers within the block; yield all tools."""
    with start_blocking_portal() as portal:
        connection, client = portal.start_task(connect)

        def use(tool: Any, /, **arguments: Any) -> str:
            name = tool["function"]["name"]
            result = portal.call(client.sessions[name].call_tool, name, arguments)
            parts = [getattr(part, "text", f"[{part.type}]") for part in result.content]
            text = "\n".join(parts)
            if result.isError:
                raise RuntimeError(text)
            return text

        tools = [Tool(partial(use, tool), tool) for tool in client.available_tools]
        try:
            yield [*TOOLS, *tools]
        finally:
            connection.cancel()


class Bookkeeper:
    """Answers tasks. Without a client of yours it makes one from the environment."""

    def __init__(self, client: InferenceClient | None = None) -> None:
        self.client = client or InferenceClient(
            base_url=BASE_URL,
            api_key=ACCESS_TOKEN,
            timeout=TIMEOUT_S,
        )
        self.tools: list[Tool] = TOOLS
        self.usage: Counter[str] = Counter()

    def run(self, task: str, on_text: Callable[[str], object] | None = None) -> str:
        """Return the answer to `task`, handing each piece to `on_text` as it comes."""
        messages: list[Any] = [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": task},
        ]
        with mcp_tools() as self.tools:
            return self.reply(messages, on_text)

    def reply(
        self,
        messages: list[Any],
        on_text: Callable[[str], object] | None = None,
    ) -> str:
        """Return the answer to the last of `messages`, and add it to them."""
        self.usage.clear()
        calls: list[Any] = []
        answer = ""
        for _ in range(MAX_TURNS):
            messages += [use_tool(self.tools, call) for call in calls]
            parts: dict[int, Any] = {}
            answer = finish_reason = ""
            usage = None
            for chunk in self.complete(messages):
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    text = choice.delta.content or ""
                    answer += text
                    if text and on_text:
                        on_text(text)
                    for part in choice.delta.tool_calls or []:
                        join_call(parts, part)
                    finish_reason = choice.finish_reason or finish_reason
            calls = list(parts.values())
            self.usage["calls"] += 1
            if usage:
                self.usage["input_tokens"] += usage.prompt_tokens
                self.usage["output_tokens"] += usage.completion_tokens
            if not finish_reason:
                raise ConnectionError("the answer was cut off before its end")
            if finish_reason in ("length", "content_filter"):
                raise StoppedEarly(finish_reason, answer)
            if not calls:
                messages.append({"role": "assistant", "content": answer})
                return answer
            if self.usage["input_tokens"] + self.usage["output_tokens"] >= TOKEN_BUDGET:
                raise StoppedEarly("token_budget", answer)
            if answer and on_text:
                on_text("\n")
            said = {"role": "assistant", "content": answer, "tool_calls": calls}
            messages.append(said)
        raise StoppedEarly("max_turns", answer)

    def complete(self, messages: list[Any]) -> Iterable[ChatCompletionStreamOutput]:
        """Call the model; while its server is busy, up to RETRIES times more."""
        attempt = 0
        while True:
            try:
                return self.client.chat_completion(
                    messages,
                    model=MODEL,
                    max_tokens=MAX_TOKENS,
                    tools=[tool.definition for tool in self.tools],
                    stream=True,
                    # Token counts come with a stream only when they are asked for.
                    extra_body={"stream_options": {"include_usage": True}},
                )
            except HfHubHTTPError as error:
                busy = error.response.status_code in (408, 429, 500, 502, 503, 504)
                if not busy or attempt == RETRIES:
                    raise
                wait = error.response.headers.get("Retry-After", "")
                time.sleep(min(int(wait), 60) if wait.isdecimal() else 2**attempt)
                attempt += 1


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


def show(text: str) -> None:
    """Print a piece of an answer at once."""
    print(text, end="", flush=True)


def explain(error: BaseException) -> str:
    """Return an error as one line."""
    while causes := getattr(error, "exceptions", None):  # of an exception group
        error = causes[0]
    reason = " ".join(str(error).split()) or "no reason given"
    return f"{NAME}: {type(error).__name__}: {reason}"


def tell(agent: Bookkeeper, ask: Callable[[], str], as_json: bool = False) -> int:
    """Print what `ask` returns, or why there is nothing; return the exit code."""
    reason: str | None = None
    try:
        answer = ask()
    except StoppedEarly as stop:
        reason, answer = stop.args
    except Exception as error:  # noqa: BLE001 - a conversation goes on
        print(explain(error), file=sys.stderr)
        return 1
    if as_json:
        data = {"answer": answer, "stopped_early": reason, "usage": agent.usage}
        print(json.dumps(data))
    else:
        print()
    used = ", ".join(f"{what}: {count}" for what, count in agent.usage.items())
    print(f"{NAME}: {used}", file=sys.stderr)
    if reason:
        print(f"{NAME}: stopped early: {reason}", file=sys.stderr)
    return 3 if reason else 0


def chat(agent: Bookkeeper) -> None:
    """Chat until Ctrl-D or Ctrl-C; a failed turn is dropped from the conversation."""
    messages: list[Any] = [{"role": "system", "content": SYSTEM_PROMPT}]
    with mcp_tools() as agent.tools, suppress(EOFError, KeyboardInterrupt):
        while True:
            text = input("> " if sys.stdin.isatty() else "")
            if not text.strip():
                continue
            known = len(messages)
            messages.append({"role": "user", "content": text})
            if tell(agent, lambda: agent.reply(messages, show)):
                del messages[known:]


def main() -> None:
    """Answer one task on standard output, or chat."""
    try:
        asked = parse_arguments()
        if not ACCESS_TOKEN and not os.environ.get("HF_BASE_URL"):
            sys.exit(f"{NAME}: set HUGGINGFACEHUB_API_TOKEN to your token")
        agent = Bookkeeper()
        if asked.chat:
            chat(agent)
        else:
            on_text = None if asked.json else show
            sys.exit(tell(agent, lambda: agent.run(asked.task, on_text), asked.json))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        raise SystemExit(explain(error)) from error


if __name__ == "__main__":
    main()
