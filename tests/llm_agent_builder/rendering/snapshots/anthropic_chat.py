# /// script
# requires-python = ">=3.10"
# dependencies = ["anthropic>=2.12,<3"]
# ///
"""An agent. With ANTHROPIC_API_KEY set: uv run bookkeeper.py --task "..." (or with pip and python)."""

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import anthropic
from anthropic.types import MessageParam

NAME = "Bookkeeper"
MODEL = "claude-sonnet-5-5"
MAX_TOKENS = 32000
THINKING: Final = "adaptive"
SYSTEM_PROMPT = """\
You are a bookkeeper's assistant.

Be exact. When something is missing, say "missing"."""
EXAMPLE_TASK = "Read the invoice in invoice.txt."


class StoppedEarly(Exception):
    """The model stopped early; has the reason and the partial answer."""


class Bookkeeper:
    """Answers tasks. The client finds the key and the base URL in the environment."""

    def __init__(self, client: anthropic.Anthropic | None = None) -> None:
        self.client = client or anthropic.Anthropic()

    def run(self, task: str, on_text: Callable[[str], object] | None = None) -> str:
        """Return the answer to `task`, handing each piece to `on_text` as it comes."""
        return self.reply([{"role": "user", "content": task}], on_text)

    def reply(
        self,
        messages: list[MessageParam],
        on_text: Callable[[str], object] | None = None,
    ) -> str:
        """Return the answer to the last of `messages`, and add it to them."""
        with self.client.messages.stream(
            model=MODEL,
            max_tokens=MAX_TOKENS,
            system=SYSTEM_PROMPT,
            messages=messages,
            thinking={"type": THINKING},
        ) as stream:
            for text in stream.text_stream:
                if on_text:
                    on_text(text)
            message = stream.get_final_message()
        answer = "".join(part.text for part in message.content if part.type == "text")
        if message.stop_reason is None:
            raise ConnectionError("the answer was cut off before its end")
        if message.stop_reason not in ("end_turn", "stop_sequence"):
            raise StoppedEarly(message.stop_reason, answer)
        messages.append(message.to_param())
        return answer


def parse_arguments() -> argparse.Namespace:
    """Return the task: from --task, else standard input, else the example."""
    parser = argparse.ArgumentParser(description="Run this agent on one task.")
    parser.add_argument("--task", help="default: standard input, then the example task")
    parser.add_argument("--chat", action="store_true", help="converse until Ctrl-D")
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
    reason = " ".join(str(error).split()) or "no reason given"
    return f"{NAME}: {type(error).__name__}: {reason}"


def tell(ask: Callable[[], str]) -> int:
    """Print what `ask` returns, or why there is nothing; return the exit code."""
    reason = None
    try:
        ask()
    except StoppedEarly as stop:
        reason, _ = stop.args
    except Exception as error:  # noqa: BLE001 - a conversation goes on
        print(explain(error), file=sys.stderr)
        return 1
    print()
    if reason:
        print(f"{NAME}: stopped early: {reason}", file=sys.stderr)
    return 3 if reason else 0


def chat(agent: Bookkeeper) -> None:
    """Chat until Ctrl-D or Ctrl-C; a failed turn is dropped from the conversation."""
    messages: list[MessageParam] = []
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            text = input("> " if sys.stdin.isatty() else "")
            if not text.strip():
                continue
            known = len(messages)
            messages.append({"role": "user", "content": text})
            if tell(lambda: agent.reply(messages, show)):
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
            sys.exit(tell(lambda: agent.run(asked.task, show)))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        raise SystemExit(explain(error)) from error


if __name__ == "__main__":
    main()
