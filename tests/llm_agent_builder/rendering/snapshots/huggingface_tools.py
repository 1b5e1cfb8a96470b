# /// script
# requires-python = ">=3.10"
# dependencies = ["huggingface_hub>=2.4,<3"]
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
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from huggingface_hub import ChatCompletionOutput, InferenceClient
from huggingface_hub.errors import HfHubHTTPError

NAME = "Bookkeeper"
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
BASE_URL = os.environ.get("HF_BASE_URL") or "https://router.huggingface.co/v1"
ACCESS_TOKEN = os.environ.get("HUGGINGFACEHUB_API_TOKEN") or os.environ.get("HF_TOKEN")
MAX_TOKENS = 4096
MAX_TURNS = 10
RETRIES = 2
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


TOOLS = [as_tool(calculator)]


class Bookkeeper:
    """Answers tasks. Without a client of yours it makes one from the environment."""

    def __init__(self, client: InferenceClient | None = None) -> None:
        self.client = client or InferenceClient(base_url=BASE_URL, api_key=ACCESS_TOKEN)

    def run(self, task: str) -> str:
        """Return the answer to `task`."""
        messages: list[Any] = [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": task},
        ]
        calls: list[Any] = []
        answer = ""
        for _ in range(MAX_TURNS):
            messages += [use_tool(TOOLS, call) for call in calls]
            choice = self.complete(messages).choices[0]
            answer, finish_reason = choice.message.content or "", choice.finish_reason
            calls = choice.message.tool_calls or []
            if not finish_reason:
                raise ConnectionError("the answer was cut off before its end")
            if finish_reason in ("length", "content_filter"):
                raise StoppedEarly(finish_reason, answer)
            if not calls:
                return answer
            said = {"role": "assistant", "content": answer, "tool_calls": calls}
            messages.append(said)
        raise StoppedEarly("max_turns", answer)

    def complete(self, messages: list[Any]) -> ChatCompletionOutput:
        """Call the model; while its server is busy, up to RETRIES times more."""
        attempt = 0
        while True:
            try:
                return self.client.chat_completion(
                    messages,
                    model=MODEL,
                    max_tokens=MAX_TOKENS,
                    tools=[tool.definition for tool in TOOLS],
                )
            except HfHubHTTPError as error:
                busy = error.response.status_code in (408, 429, 500, 502, 503, 504)
                if not busy or attempt == RETRIES:
                    raise
                wait = error.response.headers.get("Retry-After", "")
                time.sleep(min(int(wait), 60) if wait.isdecimal() else 2**attempt)
                attempt += 1


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
        if not ACCESS_TOKEN and not os.environ.get("HF_BASE_URL"):
            sys.exit(f"{NAME}: set HUGGINGFACEHUB_API_TOKEN to your token")
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
        reason = " ".join(str(error).split()) or "no reason given"
        raise SystemExit(f"{NAME}: {type(error).__name__}: {reason}") from error


if __name__ == "__main__":
    main()
