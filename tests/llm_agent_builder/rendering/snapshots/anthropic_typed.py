# /// script
# requires-python = ">=3.10"
# dependencies = ["anthropic>=2.12,<3"]
# ///
"""An agent. With ANTHROPIC_API_KEY set: uv run bookkeeper.py --task "..." (or with pip and python)."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final, Literal

import anthropic
from anthropic.types import MessageParam
from pydantic import BaseModel, Field, ValidationError

NAME = "Bookkeeper"
MODEL = "claude-sonnet-5-5"
MAX_TOKENS = 4096
EFFORT: Final = "high"
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


class Bookkeeper:
    """Answers tasks. The client finds the key and the base URL in the environment."""

    def __init__(self, client: anthropic.Anthropic | None = None) -> None:
        self.client = client or anthropic.Anthropic()

    def run(self, task: str) -> Invoice:
        """Return the answer to `task`."""
        return self.reply([{"role": "user", "content": task}])

    def reply(self, messages: list[MessageParam]) -> Invoice:
        """Return the answer to the last of `messages`, and add it to them."""
        answer = self.ask(messages)
        try:
            return Invoice.model_validate_json(answer)
        except ValidationError as error:
            problem = f"That is not what was asked for: {error}\nAnswer again."
        messages.append({"role": "user", "content": problem})
        return Invoice.model_validate_json(self.ask(messages))

    def ask(self, messages: list[MessageParam]) -> str:
        """Return the model's reply to the last of `messages`, and add it to them."""
        schema = anthropic.transform_schema(Invoice)
        message = self.client.messages.create(
            model=MODEL,
            max_tokens=MAX_TOKENS,
            system=SYSTEM_PROMPT,
            messages=messages,
            output_config={
                "effort": EFFORT,
                "format": {"type": "json_schema", "schema": schema},
            },
        )
        answer = "".join(part.text for part in message.content if part.type == "text")
        if message.stop_reason not in ("end_turn", "stop_sequence"):
            raise StoppedEarly(message.stop_reason, answer)
        messages.append(message.to_param())
        return answer


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
        print(agent.run(task).model_dump_json(indent=2))
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
