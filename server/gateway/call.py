"""One model call in progress: the facts about it so far, and the response that refuses it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import web

from llm_agent_builder.metering.answer_readers import AnswerFacts
from llm_agent_builder.providers import PROVIDERS, Protocol, ProviderEnum
from server.gateway.model_call import ModelCall
from server.gateway.routes import ROUTES

_ABANDONED = frozenset({408, 460, 499})
"""4xx with which a proxy abandons a request that a model may be working on."""
_OVERLOADED = frozenset({503, 529})
"""5xx with which providers refuse a request before a model starts on it."""


def _refuses(status: int) -> bool:
    """Return whether a status, or a redirect, means that no model has worked on the request.

    500, 502, 504 and 52x don't: proxies send them if their upstream takes too long or disconnects.
    """
    if status in _OVERLOADED:
        return True
    return 300 <= status < 500 and status not in _ABANDONED


class RefusedError(Exception):
    """A call that the gateway answers itself, in the provider's format."""

    def __init__(
        self, status: int, kind: str, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after
        """Seconds after which the client may retry; None: no `Retry-After` header."""


@dataclass(slots=True)
class Call:
    """The facts about one call so far. Times are seconds of the monotonic clock."""

    provider: ProviderEnum
    operation: str
    started: float = field(default_factory=time.monotonic)
    started_ns: int = field(default_factory=time.time_ns)
    """The same instant on the wall clock, for traces."""
    trace_parent: str | None = None
    """The W3C `traceparent` that the SDK sent."""
    request_model: str | None = None
    response_model: str | None = None
    """The model that answers instead of the provider's; None: the response names the model."""
    max_tokens: int | None = None
    backend: str | None = None
    server_address: str | None = None
    route: str | None = None
    """The inference partner of Hugging Face that answered."""
    status: int | None = None
    first_chunk: float | None = None
    first_token: float | None = None
    body_bytes: int = 0
    sent: bool = False
    """Whether sending the request has begun."""
    seen: AnswerFacts = field(default_factory=AnswerFacts)
    cost_usd: Decimal | None = None
    unpriced: bool = False
    """Whether the call may have cost an unknown amount of money."""
    refused: bool = False
    """Whether the gateway refused the call without sending it to a model."""
    price_table: str | None = None
    """The price table for the cost, such as "genai-prices 0.2.3 (2026-11-09)"."""
    error: str | None = None

    @property
    def is_chat(self) -> bool:
        """Whether the provider charges for this kind of call."""
        return self.operation == "chat"

    @property
    def used_nothing(self) -> bool:
        """Whether the upstream's response so far proves that the call has used no tokens."""
        refused = self.status is not None and _refuses(self.status)
        return not self.is_chat or not self.sent or (refused and not self.seen.says_usage)

    def finished(self) -> ModelCall:
        """Return the ended call as a record."""
        seen = self.seen
        return ModelCall(
            operation=self.operation,
            provider=self.provider.value,
            request_model=self.request_model,
            max_tokens=self.max_tokens,
            response_model=self.response_model or seen.model,
            response_id=seen.id,
            finish_reasons=seen.finish_reasons or None,
            usage=seen.usage,
            status=self.status,
            server_address=self.server_address,
            error=self.error or seen.error,
            backend=self.backend,
            time_to_first_chunk=self.first_chunk,
            time_to_first_token=self.first_token,
            duration=time.monotonic() - self.started,
            price_table=self.price_table,
            unpriced=self.unpriced,
            refused=self.refused,
            cost_usd=None if self.cost_usd is None else float(self.cost_usd),
        )


def provider_of(request: web.BaseRequest) -> ProviderEnum:
    """Return the provider whose protocol a request uses, even if its route is unknown."""
    named, _ = ROUTES.get((request.method, request.rel_url.raw_path), (None, ""))
    marked = (id_ for header, id_ in _MARKERS.items() if header in request.headers)
    return named or next(marked, _OTHER)


_MARKERS = {each.marker_header: each.id for each in PROVIDERS.values() if each.marker_header}
_OTHER = next(each.id for each in PROVIDERS.values() if each.marker_header is None)


def error_body(provider: ProviderEnum, kind: str, message: str) -> dict[str, Any]:
    """Return an error in the provider's format, so that its SDK raises its own exception."""
    return ERROR_FORMATS[PROVIDERS[provider].protocol].body(kind, message)


def error_event(provider: ProviderEnum, kind: str, message: str) -> bytes:
    """Return the event with which the provider ends a failed stream."""
    return ERROR_FORMATS[PROVIDERS[provider].protocol].event(kind, message).encode()


@dataclass(frozen=True, slots=True)
class ErrorFormat:
    """The format of errors in a protocol."""

    body: Callable[[str, str], dict[str, Any]]
    """Returns the response body for an error's type and message."""
    event: Callable[[str, str], str]
    """Returns the event that ends a stream, for an error's type and message."""


def _messages_error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _messages_event(kind: str, message: str) -> str:
    return f"event: error\ndata: {json.dumps(_messages_error(kind, message))}\n\n"


def _chat_error(kind: str, message: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message, "code": kind}}


def _chat_event(kind: str, message: str) -> str:
    # huggingface_hub shows `error` unchanged, so text is more readable than an object.
    return f"data: {json.dumps({'error': message, 'error_type': kind})}\n\n"


ERROR_FORMATS: Mapping[Protocol, ErrorFormat] = {
    Protocol.MESSAGES: ErrorFormat(_messages_error, _messages_event),
    Protocol.CHAT: ErrorFormat(_chat_error, _chat_event),
}


def refuse(provider: ProviderEnum, error: RefusedError) -> web.Response:
    """Return the response that refuses a call."""
    # The Anthropic SDK would retry the call, which can't succeed once a budget is used up.
    headers = {"x-should-retry": "false"} if error.status == 402 else {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    body = error_body(provider, error.kind, str(error))
    return web.json_response(body, status=error.status, headers=headers)
