# /// script
# requires-python = ">=3.10"
# dependencies = ["anthropic>=2.12,<3"]
# ///
"""An agent. With ANTHROPIC_API_KEY set: uv run bookkeeper.py --task "..." (or with pip and python)."""

import argparse
import os
import sys

import anthropic

NAME = "Bookkeeper"
MODEL = "claude-sonnet-5-5"
MAX_TOKENS = 4096
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

    def run(self, task: str) -> str:
        """Return the answer to `task`."""
        message = self.client.messages.create(
            model=MODEL,
            max_tokens=MAX_TOKENS,
            system=SYSTEM_PROMPT,
            messages=[{"role": "user", "content": task}],
        )
        answer = "".join(part.text for part in message.content if part.type == "text")
        if message.stop_reason not in ("end_turn", "stop_sequence"):
            raise StoppedEarly(message.stop_reason, answer)
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
