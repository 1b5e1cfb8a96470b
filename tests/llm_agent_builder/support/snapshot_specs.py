"""The agents of the reviewed files in `snapshots/`.

After an intended change, regenerate them, and read the difference as the file's owner would:

    python -m tests.llm_agent_builder.support.snapshot_specs
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_agent_builder import PROVIDERS, AgentBuilder, ProviderEnum
from llm_agent_builder.spec.agent_spec import make_spec

FOLDER = Path(__file__).parents[1] / "rendering" / "snapshots"

INVOICE = '''from typing import Literal

from pydantic import BaseModel, Field


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
'''
FILES = {"name": "files", "command": ["uvx", "mcp-server-files", "."], "env": ["FILES_TOKEN"]}
WEB = {"name": "web", "url": "https://mcp.example.com/mcp"}
PROMPT = 'You are a bookkeeper\'s assistant.\n\nBe exact. When something is missing, say "missing".'
_ALL: dict[str, Any] = {
    "tools": [{"gallery": "calculator"}, {"gallery": "current_time"}],
    "chat": True,
    "usage": True,
    "timeout_s": 60,
    "token_budget": 50_000,
    "max_turns": 20,
    "retries": 4,
}

AGENTS: dict[str, dict[str, Any]] = {
    "anthropic_plain": {},
    "anthropic_streamed": {"stream": True},
    "anthropic_tools": {"tools": [{"gallery": "calculator"}]},
    "anthropic_typed": {"answer": INVOICE, "effort": "high"},
    "anthropic_chat": {"chat": True, "stream": True, "thinking": "adaptive", "max_tokens": 32_000},
    "anthropic_mcp": {"mcp_servers": [FILES]},
    "anthropic_full": {
        **_ALL,
        "answer": INVOICE,
        "cache_prompt": True,
        "mcp_servers": [FILES, WEB],
    },
    "huggingface_plain": {},
    "huggingface_streamed": {"stream": True, "stop_sequences": ["---", "THE END"]},
    "huggingface_tools": {"tools": [{"gallery": "calculator"}]},
    "huggingface_typed": {"answer": INVOICE},
    "huggingface_own_server": {"base_url": "http://localhost:11434/v1", "model": "llama3.2"},
    "huggingface_full": {**_ALL, "stream": True, "mcp_servers": [FILES, WEB]},
}


def source_of(name: str) -> str:
    """Return the file of one of the agents."""
    provider = ProviderEnum(name.partition("_")[0])
    values = {
        "name": "Bookkeeper",
        "prompt": PROMPT,
        "task": "Read the invoice in invoice.txt.",
        "provider": provider.value,
        "model": PROVIDERS[provider].default_model,
    }
    return AgentBuilder().build(make_spec({**values, **AGENTS[name]}))


def main() -> None:
    """Regenerate all of them."""
    for name in AGENTS:
        (FOLDER / f"{name}.py").write_text(source_of(name), "utf-8", newline="")


if __name__ == "__main__":
    main()
