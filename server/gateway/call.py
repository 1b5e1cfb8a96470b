"""One model call: what is known of it, the event it becomes, and how it is refused."""

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

ModelCall = dict[str, Any]

ROUTES: Mapping[tuple[str, str], tuple[ProviderEnum | None, str]] = {
    **{("POST", provider.api_path): (provider.id, "chat") for provider in PROVIDERS.values()},
    **{
        ("POST", provider.count_path): (provider.id, "count_tokens")
        for provider in PROVIDERS.values()
        if provider.count_path is not None
    },
    ("GET", "/v1/models"): (None, "list_models"),
}
"""The requests that are passed on, each with its provider and OpenTelemetry's name of the
operation; None: every provider has it, and a header tells whose it is."""

_GIVEN_UP = frozenset({408, 460, 499})
"""4xx by which a proxy gives a request up that a model may be working on."""
_OVERLOADED = frozenset({503, 529})
"""5xx by which providers refuse a request before they begin with it."""


def _refuses(status: int) -> bool:
    """Return whether a status says that no model has worked on a request, as redirects do, too.

    500 doesn't, nor do 502, 504 and 52x, which proxies answer when what they wait for takes too
    long or breaks off.
    """
    if status in _OVERLOADED:
        return True
    return 300 <= status < 500 and status not in _GIVEN_UP


class RefusedError(Exception):
    """A call that the gateway answers itself, in the provider's own form."""

    def __init__(
        self, status: int, kind: str, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after
        """Seconds after which it may be tried again; None: nothing is said of that."""


@dataclass(slots=True)
class Call:
    """What is known of one call so far. Times are of the monotonic clock, in seconds."""

    provider: ProviderEnum
    operation: str
    started: float = field(default_factory=time.monotonic)
    started_ns: int = field(default_factory=time.time_ns)
    """The same on the wall clock, for traces."""
    trace_parent: str | None = None
    """The W3C `traceparent` that the SDK sent."""
    request_model: str | None = None
    response_model: str | None = None
    """What answers, where that isn't the provider; else what the answer says."""
    max_tokens: int | None = None
    backend: str | None = None
    server_address: str | None = None
    route: str | None = None
    """Which of Hugging Face's partners answered."""
    status: int | None = None
    first_chunk: float | None = None
    first_token: float | None = None
    body_bytes: int = 0
    sent: bool = False
    """Whether the request has begun to go out."""
    seen: AnswerFacts = field(default_factory=AnswerFacts)
    cost_usd: Decimal | None = None
    unpriced: bool = False
    """Whether it may have cost money, and it isn't known how much."""
    refused: bool = False
    """Whether the gateway answered it itself, so that no model was asked."""
    price_table: str | None = None
    """Which table the cost was taken from, as in "genai-prices 0.2.3 (2026-11-09)"."""
    error: str | None = None

    @property
    def is_chat(self) -> bool:
        """Whether this is a call that is paid for."""
        return self.operation == "chat"

    @property
    def used_nothing(self) -> bool:
        """Whether it is known to have used nothing, by what the upstream has answered so far."""
        refused = self.status is not None and _refuses(self.status)
        return not self.is_chat or not self.sent or (refused and not self.seen.says_usage)

    def event(self) -> ModelCall:
        """Return the call under OpenTelemetry's GenAI attribute names; times in seconds.

        Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
        """
        seen, usage = self.seen, self.seen.usage
        return {
            "gen_ai.operation.name": self.operation,
            "gen_ai.provider.name": self.provider.value,
            "gen_ai.request.model": self.request_model,
            "gen_ai.request.max_tokens": self.max_tokens,
            "gen_ai.response.model": self.response_model or seen.model,
            "gen_ai.response.id": seen.id,
            "gen_ai.response.finish_reasons": seen.finish_reasons or None,
            "gen_ai.usage.input_tokens": usage and usage.input_tokens,
            "gen_ai.usage.output_tokens": usage and usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage and usage.cached_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage and usage.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage and usage.reasoning_tokens,
            "http.response.status_code": self.status,
            "server.address": self.server_address,
            "error.type": self.error or seen.error,
            "backend": self.backend,
            "time_to_first_chunk": self.first_chunk,
            "time_to_first_token": self.first_token,
            "duration": time.monotonic() - self.started,
            "price_table": self.price_table,
            "unpriced": self.unpriced,
            "refused": self.refused,
            "cost_usd": None if self.cost_usd is None else float(self.cost_usd),
        }


def provider_of(request: web.BaseRequest) -> ProviderEnum:
    """Return whose protocol a request speaks, also when its route is not one of ours."""
    named, _ = ROUTES.get((request.method, request.rel_url.raw_path), (None, ""))
    marked = (id_ for header, id_ in _MARKERS.items() if header in request.headers)
    return named or next(marked, _OTHER)


_MARKERS = {each.marker_header: each.id for each in PROVIDERS.values() if each.marker_header}
_OTHER = next(each.id for each in PROVIDERS.values() if each.marker_header is None)


def error_body(provider: ProviderEnum, kind: str, message: str) -> dict[str, Any]:
    """Return an error as the provider would write it, so that its SDK raises its own exception."""
    return ERROR_FORMS[PROVIDERS[provider].protocol].body(kind, message)


def error_event(provider: ProviderEnum, kind: str, message: str) -> bytes:
    """Return the event by which the provider ends a stream that fails."""
    return ERROR_FORMS[PROVIDERS[provider].protocol].event(kind, message).encode()


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """How a protocol writes an error."""

    body: Callable[[str, str], dict[str, Any]]
    """Returns the body of an answer, of the error's type and message."""
    event: Callable[[str, str], str]
    """Returns the event that ends a stream, likewise."""


def _messages_error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _messages_event(kind: str, message: str) -> str:
    return f"event: error\ndata: {json.dumps(_messages_error(kind, message))}\n\n"


def _chat_error(kind: str, message: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message, "code": kind}}


def _chat_event(kind: str, message: str) -> str:
    # huggingface_hub shows `error` as it is: text reads better than an object.
    return f"data: {json.dumps({'error': message, 'error_type': kind})}\n\n"


ERROR_FORMS: Mapping[Protocol, ErrorForm] = {
    Protocol.MESSAGES: ErrorForm(_messages_error, _messages_event),
    Protocol.CHAT: ErrorForm(_chat_error, _chat_event),
}


def refuse(provider: ProviderEnum, error: RefusedError) -> web.Response:
    """Return the answer to a call that goes no further."""
    # The Anthropic SDK would try some statuses again; a budget is not refilled by that.
    headers = {"x-should-retry": "false"} if error.status == 402 else {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    body = error_body(provider, error.kind, str(error))
    return web.json_response(body, status=error.status, headers=headers)
