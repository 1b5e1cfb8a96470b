"""Tokens: what one model call or one run used.

The readers take the provider's own JSON, already parsed. Sources:
https://platform.claude.com/docs/en/api/messages (usage) and
https://huggingface.co/docs/inference-providers/tasks/chat-completion (usage, OpenAI's shape).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of tokens. `input_tokens` includes `cached_tokens` (read from the prompt cache)."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return the sum, count by count."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
        )


def _count(usage: Mapping[str, object], key: str) -> int:
    value = usage.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def from_anthropic(usage: Mapping[str, object]) -> Usage:
    """Read the `usage` object of an Anthropic message.

    Anthropic counts cache reads and writes beside `input_tokens`; here they are included.
    """
    cached = _count(usage, "cache_read_input_tokens")
    written = _count(usage, "cache_creation_input_tokens")
    return Usage(
        input_tokens=_count(usage, "input_tokens") + cached + written,
        output_tokens=_count(usage, "output_tokens"),
        cached_tokens=cached,
    )


def from_chat_completion(usage: Mapping[str, object]) -> Usage:
    """Read the `usage` object of an OpenAI-shaped chat completion."""
    details = usage.get("prompt_tokens_details")
    return Usage(
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        cached_tokens=_count(details, "cached_tokens") if isinstance(details, Mapping) else 0,
    )
