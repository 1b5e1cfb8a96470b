"""What a model call asks for, as far as its price, its size and its reach depend on it.

Read off the whole request, strictly: what is not understood exactly is noted by its path, and is
refused where a budget needs to know.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from llm_agent_builder.catalog.capabilities import may_think_unseen
from llm_agent_builder.json_input.strict import (
    SLICE,
    Doubled,
    TooComplexError,
    UnreadableError,
    read_json,
    read_json_pieces,
)
from llm_agent_builder.metering.prices import is_standard
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.requests.checks import Walk, fold
from llm_agent_builder.requests.shapes import REQUESTS

__all__ = ["RequestFacts", "TooComplexError", "read_request"]

INSTRUCTIONS_TOKENS = 1024
"""More than a provider's own words take: on tools as such, on a tool that it defines itself, on a
typed answer."""
_FRAME_TOKENS = min(provider.frame_tokens for provider in PROVIDERS.values())
"""Every provider's chat template adds up to this many tokens around the messages."""
_PAYERS = (
    *("billing_policy", "bill_to", "billing", "user_profile_id", "workspace_id"),
    *("organization", "organization_id", "project", "api_key", "anthropic_api_key"),
)
"""Fields by which another account could pay; the first is of Anthropic's beta."""
_FOLDED_PAYERS = frozenset(map(fold, _PAYERS))
_SHOWN_LATE = {
    "tools": "it has tools, whose input is shown late",
    "functions": "it has functions, whose input is shown late",
    "logit_bias": "it sets logit_bias, so not every token may be shown",
}
"""What makes streams show less than is written: a tool's input comes when a value of it is whole,
and special tokens, which a bias can ask for, have no text. Source:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming"""
MOST_UNPACKED = 32 * 1024 * 1024
"""Bytes of a compressed request that are looked at."""


@dataclass(slots=True)
class RequestFacts:
    """What is known of a request; `unbounded` says why its size can't be."""

    model: str | None = None
    stream: bool = False
    max_tokens: int | None = None
    """Tokens that the answer may have; None: the request doesn't say so to every server."""
    max_completion_tokens: int | None = None
    """The same by OpenAI's newer name, which many servers ignore; so it limits nothing."""
    answers: int = 1
    hides: str | None = None
    """Why any server's stream may not show all that is written, or shows it late; None: it does."""
    thinks: str | None = None
    """Why a provider's stream may hide thinking; None: it can't. A server of one's own shows it."""
    standard_price: bool = True
    unbounded: str | None = None
    unreadable: str | None = None
    """Why it can't be known what the request says."""
    reaches: str | None = None
    """What in it has the provider reach an address, or use a file or a tool of its own."""
    payer: str | None = None
    """The field that chooses whose account pays."""
    is_paid: bool = True
    """Whether its kind of call costs money at all."""
    extra_tokens: int = 0
    """Input beside the body's text: images, the provider's own instructions, a template."""
    body_bytes: int = 0
    image_bytes: int = 0
    """Those of them that are images, whose tokens are in `extra_tokens`."""

    @property
    def most_input_tokens(self) -> int:
        """The most it can be: a token is at least a byte of the body's text."""
        return self.body_bytes - self.image_bytes + _FRAME_TOKENS + self.extra_tokens

    @property
    def most_output_tokens(self) -> int | None:
        """The most it can be, or None where the request sets none."""
        return None if self.max_tokens is None else self.max_tokens * self.answers

    def note_not_understood(self, why: str) -> None:
        """Note something by which the price isn't what the table says, for all that is known."""
        self.unbounded, self.standard_price = self.unbounded or why, False


Steps = Generator[None, None, RequestFacts]
"""Reads a request; pauses wherever a caller may do something else."""


def read_request(provider: ProviderEnum, body: bytes, encoding: str = "identity") -> Steps:
    """Return what is known of a request.

    Raises:
        TooComplexError: it exceeds a limit of `bounded_json`.

    """
    facts = RequestFacts(body_bytes=len(body))
    try:
        asked = yield from _read(body, encoding)
    except UnreadableError as error:
        facts.unreadable = f"the body can't be read as JSON: {error}"
        facts.note_not_understood(facts.unreadable)
        return facts
    if encoding != "identity":
        facts.note_not_understood("a compressed body")
    walk = Walk()
    yield from walk.run(REQUESTS[PROVIDERS[provider].protocol], asked)
    _take_fields(facts, provider, asked)
    facts.image_bytes = min(walk.image_bytes, len(body))
    facts.extra_tokens += walk.images * PROVIDERS[provider].image_tokens
    facts.extra_tokens += walk.instructions * INSTRUCTIONS_TOKENS
    facts.reaches = walk.reaches
    if walk.not_understood:
        facts.note_not_understood(walk.not_understood)
    facts.unbounded = facts.unbounded or walk.unbounded
    return facts


def _read(body: bytes, encoding: str) -> Generator[None, None, Any]:
    if encoding == "identity":
        return (yield from read_json(body))
    try:
        return (yield from read_json_pieces(_unpacked(body)))
    except TooComplexError:
        raise
    except (ValueError, zlib.error) as error:
        raise UnreadableError("it is compressed in a way that isn't known") from error


def _unpacked(body: bytes) -> Iterator[bytes]:
    """Yield the text of a compressed body, bit by bit. Either name may mean either format."""
    inflate, size = zlib.decompressobj(47), 0
    while not inflate.eof:
        piece = inflate.decompress(body, SLICE)
        size, body = size + len(piece), inflate.unconsumed_tail
        if size > MOST_UNPACKED:
            raise TooComplexError(f"it has more than {MOST_UNPACKED:,} bytes")
        if not piece and not body and not inflate.eof:
            raise UnreadableError("it ends too early")
        yield piece
    if inflate.unused_data:
        raise UnreadableError("something follows the compressed body")


def _take_fields(facts: RequestFacts, provider: ProviderEnum, asked: Any) -> None:
    """Take what the request says of itself; what is not of the right type counts as unsaid."""
    if not isinstance(asked, dict):
        return
    pairs = asked.pairs if isinstance(asked, Doubled) else asked.items()
    payers = (key for key, value in pairs if value is not None and fold(key) in _FOLDED_PAYERS)
    facts.payer = next(payers, None)
    facts.model = _text(asked.get("model"))
    facts.stream = asked.get("stream") is True
    limits = [_count(asked.get(name)) for name in ("max_tokens", "max_completion_tokens")]
    facts.max_tokens = (limits[0] and max(limits)) or None
    facts.max_completion_tokens = limits[1] or None
    facts.answers = _count(asked.get("n")) or 1
    tier = (asked.get(name) for name in ("speed", "inference_geo", "service_tier"))
    facts.standard_price = facts.standard_price and is_standard(*tier)
    thinking = asked.get("thinking")
    said = _text(thinking.get("type")) if isinstance(thinking, dict) else None
    facts.hides = next((why for name, why in _SHOWN_LATE.items() if asked.get(name)), None)
    if may_think_unseen(provider, facts.model or "", said or _asks_to_think(asked)):
        facts.thinks = "the model may think without showing it"
    if isinstance(thinking, dict) and _count(thinking.get("budget_tokens")) >= max(limits) > 0:
        # Between tools, Anthropic lets the budget of thinking go beyond max_tokens.
        facts.note_not_understood("thinking.budget_tokens is not below max_tokens")
    facts.extra_tokens += PROVIDERS[provider].frame_tokens - _FRAME_TOKENS


def _asks_to_think(asked: dict[str, Any]) -> str | None:
    """Return the field by which a chat asks a model to think, or None."""
    for name in ("reasoning", "chat_template_kwargs"):
        inner = asked.get(name)
        for key, value in inner.items() if isinstance(inner, dict) else ():
            if value not in (None, False, "none"):
                return f"{name}.{key}"
    names = ("reasoning_effort", "enable_thinking")
    return next((name for name in names if asked.get(name) not in (None, False, "none")), None)


def _text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) else None


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0
