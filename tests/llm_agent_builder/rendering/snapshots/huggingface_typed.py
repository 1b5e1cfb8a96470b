# /// script
# requires-python = ">=3.10"
# dependencies = ["huggingface_hub>=2.4,<3", "pydantic>=2.12,<3"]
# ///
"""An agent. With HUGGINGFACEHUB_API_TOKEN set: uv run bookkeeper.py --task "..." (or with pip and python)."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any, Literal

from huggingface_hub import ChatCompletionOutput, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from pydantic import BaseModel, Field, ValidationError

NAME = "Bookkeeper"
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
BASE_URL = os.environ.get("HF_BASE_URL") or "https://router.huggingface.co/v1"
ACCESS_TOKEN = os.environ.get("HUGGINGFACEHUB_API_TOKEN") or os.environ.get("HF_TOKEN")
MAX_TOKENS = 4096
RETRIES = 2
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


ANSWER_SCHEMA = Invoice.model_json_schema()
# Not every server enforces the schema, so the prompt has it, too.
INSTRUCTIONS = f"{SYSTEM_PROMPT}\n\nJSON Schema of answers: {json.dumps(ANSWER_SCHEMA)}"


class Bookkeeper:
    """Answers tasks. Without a client of yours it makes one from the environment."""

    def __init__(self, client: InferenceClient | None = None) -> None:
        self.client = client or InferenceClient(base_url=BASE_URL, api_key=ACCESS_TOKEN)

    def run(self, task: str) -> Invoice:
        """Return the answer to `task`."""
        messages: list[Any] = [
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": task},
        ]
        return self.reply(messages)

    def reply(self, messages: list[Any]) -> Invoice:
        """Return the answer to the last of `messages`, and add it to them."""
        answer = self.ask(messages)
        try:
            return Invoice.model_validate_json(answer)
        except ValidationError as error:
            problem = f"That is not what was asked for: {error}\nAnswer again."
        messages.append({"role": "user", "content": problem})
        return Invoice.model_validate_json(self.ask(messages))

    def ask(self, messages: list[Any]) -> str:
        """Return the model's reply to the last of `messages`, and add it to them."""
        choice = self.complete(messages).choices[0]
        answer, finish_reason = choice.message.content or "", choice.finish_reason
        if not finish_reason:
            raise ConnectionError("the answer was cut off before its end")
        if finish_reason in ("length", "content_filter"):
            raise StoppedEarly(finish_reason, answer)
        messages.append({"role": "assistant", "content": answer})
        return answer

    def complete(self, messages: list[Any]) -> ChatCompletionOutput:
        """Call the model; while its server is busy, up to RETRIES times more."""
        response_format = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": ANSWER_SCHEMA},
        }
        attempt = 0
        while True:
            try:
                return self.client.chat_completion(
                    messages,
                    model=MODEL,
                    max_tokens=MAX_TOKENS,
                    extra_body={"response_format": response_format},
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
