"""Reads from a model call's request what determines its price, its size and its network access.

The whole request is checked strictly: unknown parts are recorded by path, and budgets that depend
on them refuse the call.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from llm_agent_builder.catalog.capabilities import may_think_unseen
from llm_agent_builder.json_input.strict import (
    SLICE,
    DuplicateKeys,
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
"""Upper limit of the instructions that a provider adds for tools, for each tool that it defines
itself, and for a typed answer."""
_FRAME_TOKENS = min(provider.frame_tokens for provider in PROVIDERS.values())
"""Tokens that every provider's chat template adds around the messages, at most."""
_PAYERS = (
    *("billing_policy", "bill_to", "billing", "user_profile_id", "workspace_id"),
    *("organization", "organization_id", "project", "api_key", "anthropic_api_key"),
)
"""Fields that can make another account pay; the first is from Anthropic's beta."""
_FOLDED_PAYERS = frozenset(map(fold, _PAYERS))
_SHOWN_LATE = {
    "tools": "it has tools, and tool input is streamed late",
    "functions": "it has functions, and their input is streamed late",
    "logit_bias": "it sets logit_bias, so some tokens may not be streamed",
}
"""Fields with which streams show less text than the model has written: tool input is sent only when
a value is complete, and special tokens, which a bias can cause, have no text. Source:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming"""
MOST_UNPACKED = 32 * 1024 * 1024
"""Limit of an uncompressed request in bytes."""


@dataclass(slots=True)
class RequestFacts:
    """The facts known about a request; `unbounded` says why its size has no known limit."""

    model: str | None = None
    stream: bool = False
    max_tokens: int | None = None
    """Limit of the answer's tokens; None if no field limits it on every server."""
    max_completion_tokens: int | None = None
    """The limit in OpenAI's newer field; many servers ignore it, so it isn't relied on."""
    answers: int = 1
    hides: str | None = None
    """Why a stream of any server may omit or delay written text; None if it doesn't."""
    thinks: str | None = None
    """Why a provider's stream may hide thinking; None if it can't. Users' own servers show it."""
    standard_price: bool = True
    unbounded: str | None = None
    unreadable: str | None = None
    """Why the request can't be read."""
    reaches: str | None = None
    """The part that makes the provider fetch a URL, or use its own files or tools."""
    payer: str | None = None
    """The field that chooses the account that pays."""
    is_paid: bool = True
    """Whether this kind of call costs money."""
    extra_tokens: int = 0
    """Input tokens besides the body's text: images, the provider's instructions, the template."""
    body_bytes: int = 0
    image_bytes: int = 0
    """The bytes of images in the body; their tokens are part of `extra_tokens`."""

    @property
    def most_input_tokens(self) -> int:
        """The upper limit of input tokens: each token is at least one byte of the body's text."""
        return self.body_bytes - self.image_bytes + _FRAME_TOKENS + self.extra_tokens

    @property
    def most_output_tokens(self) -> int | None:
        """The upper limit of output tokens, or None if the request sets none."""
        return None if self.max_tokens is None else self.max_tokens * self.answers

    def note_not_understood(self, why: str) -> None:
        """Record an unknown part: because of it, the table's price may not apply."""
        self.unbounded, self.standard_price = self.unbounded or why, False


Steps = Generator[None, None, RequestFacts]
"""Reads a request, and yields regularly so that the caller can run other work."""


def read_request(provider: ProviderEnum, body: bytes, encoding: str = "identity") -> Steps:
    """Return the facts about a request.

    Raises:
        TooComplexError: the request exceeds a limit of `json_input.strict`.

    """
    facts = RequestFacts(body_bytes=len(body))
    try:
        request = yield from _read(body, encoding)
    except UnreadableError as error:
        facts.unreadable = f"the body can't be read as JSON: {error}"
        facts.note_not_understood(facts.unreadable)
        return facts
    if encoding != "identity":
        facts.note_not_understood("a compressed body")
    walk = Walk()
    yield from walk.run(REQUESTS[PROVIDERS[provider].protocol], request)
    _take_fields(facts, provider, request)
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
        raise UnreadableError("its compression format is unknown") from error


def _unpacked(body: bytes) -> Iterator[bytes]:
    """Yield the uncompressed body in pieces. Both encoding names may mean either zlib or gzip."""
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


def _take_fields(facts: RequestFacts, provider: ProviderEnum, request: Any) -> None:
    """Read the request's top-level fields; values of a wrong type count as missing."""
    if not isinstance(request, dict):
        return
    pairs = request.pairs if isinstance(request, DuplicateKeys) else request.items()
    payers = (key for key, value in pairs if value is not None and fold(key) in _FOLDED_PAYERS)
    facts.payer = next(payers, None)
    facts.model = _text(request.get("model"))
    facts.stream = request.get("stream") is True
    limits = [_count(request.get(name)) for name in ("max_tokens", "max_completion_tokens")]
    facts.max_tokens = (limits[0] and max(limits)) or None
    facts.max_completion_tokens = limits[1] or None
    facts.answers = _count(request.get("n")) or 1
    tier = (request.get(name) for name in ("speed", "inference_geo", "service_tier"))
    facts.standard_price = facts.standard_price and is_standard(*tier)
    thinking = request.get("thinking")
    mode = _text(thinking.get("type")) if isinstance(thinking, dict) else None
    facts.hides = next((why for name, why in _SHOWN_LATE.items() if request.get(name)), None)
    if may_think_unseen(provider, facts.model or "", mode or _asks_to_think(request)):
        facts.thinks = "the model may think without showing it"
    if isinstance(thinking, dict) and _count(thinking.get("budget_tokens")) >= max(limits) > 0:
        # Between tool calls, Anthropic lets the thinking budget exceed max_tokens.
        facts.note_not_understood("thinking.budget_tokens is not below max_tokens")
    facts.extra_tokens += PROVIDERS[provider].frame_tokens - _FRAME_TOKENS


def _asks_to_think(request: dict[str, Any]) -> str | None:
    """Return the field of a chat request that turns thinking on, or None."""
    for name in ("reasoning", "chat_template_kwargs"):
        inner = request.get(name)
        for key, value in inner.items() if isinstance(inner, dict) else ():
            if value not in (None, False, "none"):
                return f"{name}.{key}"
    names = ("reasoning_effort", "enable_thinking")
    return next((name for name in names if request.get(name) not in (None, False, "none")), None)


def _text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) else None


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0
