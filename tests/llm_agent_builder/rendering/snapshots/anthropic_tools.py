# /// script
# requires-python = ">=3.10"
# dependencies = ["anthropic>=2.12,<3"]
# ///
"""An agent. With ANTHROPIC_API_KEY set: uv run bookkeeper.py --task "..." (or with pip and python)."""

from __future__ import annotations

import argparse
import ast
import math
import operator
import os
import sys
from collections.abc import Callable
from itertools import islice
from typing import Any

import anthropic
from anthropic import beta_tool
from anthropic.lib.tools import BetaFunctionTool

NAME = "Bookkeeper"
MODEL = "claude-sonnet-5-5"
MAX_TOKENS = 4096
MAX_TURNS = 10
SYSTEM_PROMPT = """\
You are a bookkeeper's assistant.

Be exact. When something is missing, say "missing"."""
EXAMPLE_TASK = "Read the invoice in invoice.txt."


class StoppedEarly(Exception):
    """The model stopped early; has the reason and the partial answer."""


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


TOOLS: list[BetaFunctionTool[Any]] = [beta_tool(calculator)]


class Bookkeeper:
    """Answers tasks. The client finds the key and the base URL in the environment."""

    def __init__(self, client: anthropic.Anthropic | None = None) -> None:
        self.client = client or anthropic.Anthropic()

    def run(self, task: str) -> str:
        """Return the answer to `task`."""
        runner = self.client.beta.messages.tool_runner(
            model=MODEL,
            max_tokens=MAX_TOKENS,
            system=SYSTEM_PROMPT,
            messages=[{"role": "user", "content": task}],
            tools=TOOLS,
            thread=False,
        )
        answer = ""
        # The tools of the last turn don't run: no model would read their results.
        for message in islice(runner, MAX_TURNS):
            texts = [part.text for part in message.content if part.type == "text"]
            answer += "".join(texts)
            if message.stop_reason in ("end_turn", "stop_sequence"):
                return answer
            if message.stop_reason not in ("tool_use", "pause_turn"):
                raise StoppedEarly(message.stop_reason, answer)
            if message.stop_reason == "tool_use":
                answer = ""
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
        reason = " ".join(str(error).split()) or "no reason given"
        raise SystemExit(f"{NAME}: {type(error).__name__}: {reason}") from error


if __name__ == "__main__":
    main()
