# /// script
# requires-python = ">=3.10"
# dependencies = ["huggingface_hub>=2.4,<3"]
# ///
"""An agent. On your own server: uv run bookkeeper.py --task "..." (or with pip and python)."""

import argparse
import os
import sys
import time
from typing import Any

from huggingface_hub import ChatCompletionOutput, InferenceClient
from huggingface_hub.errors import HfHubHTTPError

NAME = "Bookkeeper"
MODEL = "llama3.2"
BASE_URL = os.environ.get("HF_BASE_URL") or "http://localhost:11434/v1"
# Without any key the SDK would send the server this machine's Hugging Face token.
ACCESS_TOKEN = os.environ.get("HF_API_KEY") or "none"
MAX_TOKENS = 4096
RETRIES = 2
SYSTEM_PROMPT = """\
You are a bookkeeper's assistant.

Be exact. When something is missing, say "missing"."""
EXAMPLE_TASK = "Read the invoice in invoice.txt."


class StoppedEarly(Exception):
    """The model stopped early; has the reason and the partial answer."""


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
        choice = self.complete(messages).choices[0]
        answer, finish_reason = choice.message.content or "", choice.finish_reason
        if not finish_reason:
            raise ConnectionError("the answer was cut off before its end")
        if finish_reason in ("length", "content_filter"):
            raise StoppedEarly(finish_reason, answer)
        return answer

    def complete(self, messages: list[Any]) -> ChatCompletionOutput:
        """Call the model; while its server is busy, up to RETRIES times more."""
        attempt = 0
        while True:
            try:
                return self.client.chat_completion(
                    messages, model=MODEL, max_tokens=MAX_TOKENS
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
