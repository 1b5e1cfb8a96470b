"""The gateway: a run's only way out, to a model and nowhere else.

Each run gets a loopback listener and a run token of its own. What comes in with that token, by one
of a few exact routes, goes out to a fixed upstream with the real key put in; the answer streams
back byte for byte. The run never sees the key, and each call becomes an event.

First form: no metering yet, so `usage` and cost are unknown (None), never zero.
"""

from __future__ import annotations

import asyncio
import hmac
import io
import json
import logging
import os
import secrets
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from llm_agent_builder.errors import BackendUnavailableError, MachineryError
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from server.listening import listen_without_delay
from server.settings import Secret

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request; Anthropic's own bound for a message."""
_TIMEOUT = aiohttp.ClientTimeout(total=900, sock_connect=10, sock_read=300)
_ROUTES: dict[tuple[str, str], ProviderEnum | None] = {
    **{("POST", provider.api_path): provider.id for provider in PROVIDERS.values()},
    ("POST", "/v1/messages/count_tokens"): ProviderEnum.ANTHROPIC,
    ("GET", "/v1/models"): None,  # both have it; told apart by Anthropic's version header
}
# What one run may ask of the gateway at once; beyond it is 429, in the provider's own form.
MAX_CONNECTIONS = 64
MAX_CALLS = 2000
MAX_BODIES = 2 * MAX_BODY
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}
_HOP_BY_HOP |= {"te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}
_CLIENT_ONLY = _HOP_BY_HOP | {"host", "authorization", "x-api-key", "cookie", "content-length"}
_CLIENT_ONLY |= {"expect", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
_SERVER_ONLY = _HOP_BY_HOP | {"set-cookie"}

_log = logging.getLogger(__name__)
# aiohttp logs a malformed request with the line in question: it may hold the run token.
_http_log = logging.getLogger(f"{__name__}.http")
_http_log.setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a call goes: `backend` is "provider" or "local"."""

    backend: str
    base_url: str
    key: Secret
    prepare: Callable[[bytes], bytes] | None = None
    """Changes the request's body; only the local model needs that."""
    model: str | None = None
    """What answers, where it isn't the model that is asked for."""


Policy = Callable[[ProviderEnum], Awaitable[Upstream]]
"""Decides where a run's calls to a provider go; raises BackendUnavailableError to refuse."""
ModelCall = dict[str, Any]


@dataclass(slots=True)
class Grant:
    """One run's way out: what its environment needs, and the end of it."""

    token: Secret
    policy: Policy
    on_call: Callable[[ModelCall], None]
    port: int = 0
    calls: int = 0
    body_bytes: int = 0
    """Of the requests that are under way."""
    _server: asyncio.Server | None = None
    _handler: web.Server | None = None

    def environment(self) -> dict[str, str]:
        """Return the variables that point the SDKs here."""
        variables: dict[str, str] = {}
        for provider in PROVIDERS.values():
            base = f"http://127.0.0.1:{self.port}{provider.base_url_suffix}"
            variables[provider.base_url_variable] = base
            for name in provider.key_variables:
                variables[name] = self.token.reveal()
        return variables

    def connect(self) -> asyncio.BaseProtocol:
        """Return the protocol for one more connection; one too many is closed at once."""
        assert self._handler is not None
        if len(self._handler.connections) >= MAX_CONNECTIONS:
            return _Closed()
        return self._handler()

    async def close(self) -> None:
        """End the listener, the token and every call under way."""
        if self._server is not None:
            self._server.close()
        if self._handler is not None:
            await self._handler.shutdown(0.1)


class _Closed(asyncio.Protocol):
    """Ends a connection as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class _RefusedError(Exception):
    """A call that the gateway answers itself."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclass(slots=True)
class _Call:
    """What is known of one call so far."""

    provider: ProviderEnum
    started: float
    request_model: str | None = None
    response_model: str | None = None
    backend: str | None = None
    status: int | None = None
    first_chunk: float | None = None
    body_bytes: int = 0
    error: str | None = None

    def event(self) -> ModelCall:
        """Return the call under OpenTelemetry's GenAI attribute names; times in seconds."""
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self.provider.value,
            "gen_ai.request.model": self.request_model,
            "gen_ai.response.model": self.response_model,
            "gen_ai.response.finish_reasons": None,
            "gen_ai.usage.input_tokens": None,
            "gen_ai.usage.output_tokens": None,
            "http.response.status_code": self.status,
            "error.type": self.error,
            "backend": self.backend,
            "time_to_first_chunk": self.first_chunk,
            "duration": time.monotonic() - self.started,
            "cost_usd": None,
        }


def error_body(provider: ProviderEnum, kind: str, message: str) -> dict[str, Any]:
    """Return an error as the provider would write it, so that its SDK raises its own exception."""
    if provider is ProviderEnum.ANTHROPIC:
        return {"type": "error", "error": {"type": kind, "message": message}}
    return {"error": {"type": kind, "message": message, "code": kind}}


def _refuse(provider: ProviderEnum, status: int, kind: str, message: str) -> web.Response:
    return web.json_response(error_body(provider, kind, message), status=status)


def _presented_token(request: web.BaseRequest) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


def _provider_of(request: web.BaseRequest) -> ProviderEnum:
    """Return whose protocol a request speaks, also when its route is not one of ours."""
    named = _ROUTES.get((request.method, request.rel_url.raw_path))
    is_anthropic = "anthropic-version" in request.headers
    return named or (ProviderEnum.ANTHROPIC if is_anthropic else ProviderEnum.HUGGINGFACE)


def _upstream_headers(request: web.BaseRequest, key: Secret) -> CIMultiDict[str]:
    """Drop the client's authentication and put the real key in, in the form the SDK used."""
    named = {name.strip().lower() for name in request.headers.get("Connection", "").split(",")}
    dropped = _CLIENT_ONLY | named
    headers = CIMultiDict(
        (name, value) for name, value in request.headers.items() if name.lower() not in dropped
    )
    if "x-api-key" in request.headers:
        headers["x-api-key"] = key.reveal()
    else:
        headers["Authorization"] = f"Bearer {key.reveal()}"
    return headers


def _answer_headers(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _SERVER_ONLY
    )


def _model_of(body: bytes) -> str | None:
    try:
        model = json.loads(body).get("model")
    except (ValueError, AttributeError, RecursionError):
        return None
    return model[:200] if isinstance(model, str) else None


def tls_context(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return a context that trusts the system's certificates and a bundle of the user's.

    OpenSSL itself reads SSL_CERT_FILE; REQUESTS_CA_BUNDLE is what other tools call it.

    Raises:
        MachineryError: the bundle can't be read.

    """
    context = ssl.create_default_context()
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        bundle = environ.get(name)
        if bundle and os.path.isfile(bundle):
            try:
                context.load_verify_locations(bundle)
            except (OSError, ssl.SSLError) as error:
                raise MachineryError(f"{name}: can't read {bundle}") from error
    return context


@dataclass(slots=True)
class Gateway:
    """Opens ways out for runs. Lives in the server's event loop, between `start` and `close`."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _sessions: dict[str, aiohttp.ClientSession] = field(default_factory=dict)

    async def start(self) -> None:
        """Make the connection pools: providers behind the proxy settings, the local model never."""
        options: dict[str, Any] = {
            "timeout": _TIMEOUT,
            "auto_decompress": False,
            "cookie_jar": aiohttp.DummyCookieJar(),
            "skip_auto_headers": ("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        }
        connector = aiohttp.TCPConnector(ssl=tls_context(self.environ), limit=512)
        self._sessions["provider"] = aiohttp.ClientSession(
            connector=connector, trust_env=True, **options
        )
        self._sessions["local"] = aiohttp.ClientSession(**options)

    async def close(self) -> None:
        """Close the connection pools."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def open(
        self,
        policy: Policy,
        on_call: Callable[[ModelCall], None],
        *,
        listener: socket.socket | None = None,
    ) -> Grant:
        """Open a way out for one run; `on_call` hears of each finished call.

        `listener` is where the run's connections arrive, which the grant then owns; without one, a
        port on loopback.

        Raises:
            MachineryError: no port could be had.

        """
        grant = Grant(Secret(secrets.token_urlsafe(24)), policy, on_call)

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(grant, request)

        grant._handler = web.Server(
            handle,
            handler_cancellation=True,
            access_log=None,
            logger=_http_log,
            keepalive_timeout=75,
            auto_decompress=False,
        )
        try:
            listener = listener or listen_without_delay("127.0.0.1", 0)
            grant.port = listener.getsockname()[1]
            loop = asyncio.get_running_loop()
            grant._server = await loop.create_server(grant.connect, sock=listener)
        except OSError as error:
            raise MachineryError(f"can't open a port for the gateway: {error.strerror}") from error
        return grant

    async def _handle(self, grant: Grant, request: web.BaseRequest) -> web.StreamResponse:
        provider = _provider_of(request)
        presented = _presented_token(request).encode("utf-8", "replace")
        if not hmac.compare_digest(presented, grant.token.reveal().encode()):
            return _refuse(provider, 401, "authentication_error", "this is not the run's token")
        if (request.method, request.rel_url.raw_path) not in _ROUTES:
            return _refuse(
                provider,
                403,
                "permission_error",
                f"the sandbox reaches the model API only: {request.method} "
                f"{request.rel_url.raw_path[:200]} is not part of it",
            )
        grant.calls += 1
        if grant.calls > MAX_CALLS:
            return _refuse(provider, 429, "rate_limit_error", f"a run may make {MAX_CALLS} calls")
        call = _Call(provider, time.monotonic())
        try:
            return await self._forward(grant, request, call)
        except _RefusedError as refusal:
            call.error, call.status = refusal.kind, refusal.status
            return _refuse(provider, refusal.status, refusal.kind, str(refusal))
        except asyncio.CancelledError:
            call.error = call.error or "client_disconnected"
            raise
        except Exception:
            call.error = "gateway_failed"
            _log.exception("a call failed in the gateway")
            raise
        finally:
            grant.body_bytes -= call.body_bytes
            grant.on_call(call.event())

    async def _forward(
        self, grant: Grant, request: web.BaseRequest, call: _Call
    ) -> web.StreamResponse:
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _read_body(grant, request, call)
        call.request_model = _model_of(body)
        try:
            upstream = await grant.policy(call.provider)
        except BackendUnavailableError as error:
            raise _RefusedError(403, "permission_error", str(error)) from error
        call.backend, call.response_model = upstream.backend, upstream.model
        if upstream.prepare is not None:
            body = upstream.prepare(body)
        try:
            async with self._sessions[upstream.backend].request(
                request.method,
                upstream.base_url + request.rel_url.raw_path_qs,
                data=io.BytesIO(body) if body else None,  # sent in pieces, whatever its size
                headers=_upstream_headers(request, upstream.key),
                allow_redirects=False,
            ) as answer:
                if not 200 <= answer.status <= 599:
                    raise aiohttp.ClientPayloadError("a status that no API answers")
                call.status = answer.status
                return await _stream_back(request, answer, call)
        except (aiohttp.ClientError, TimeoutError) as error:
            # Not str(error): it may hold the URL of a proxy with its password.
            name = type(error).__name__
            _log.warning("no answer from the %s backend: %s", upstream.backend, name)
            local = upstream.backend == "local"
            where = "the local model" if local else URL(upstream.base_url).host
            raise _RefusedError(502, "api_error", f"no answer from {where} ({name})") from error


async def _read_body(grant: Grant, request: web.BaseRequest, call: _Call) -> bytes:
    """Return the whole body.

    Raises:
        _RefusedError: it is too large, or together with the run's other requests it is.

    """
    pieces = []
    async for piece in request.content.iter_any():
        call.body_bytes += len(piece)
        grant.body_bytes += len(piece)
        if call.body_bytes > MAX_BODY:
            raise _RefusedError(413, "request_too_large", f"more than {MAX_BODY:,} bytes")
        if grant.body_bytes > MAX_BODIES:
            message = f"more than {MAX_BODIES:,} bytes in requests at once"
            raise _RefusedError(429, "rate_limit_error", message)
        pieces.append(piece)
    return b"".join(pieces)


async def _stream_back(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, call: _Call
) -> web.StreamResponse:
    """Pass the answer on as it comes. If it breaks off, break off too: the SDK must notice."""
    response = web.StreamResponse(status=answer.status, headers=_answer_headers(answer.headers))
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            if call.first_chunk is None:
                call.first_chunk = time.monotonic() - call.started
            await response.write(chunk)
        await response.write_eof()
    except (aiohttp.ClientError, TimeoutError) as error:
        call.error = f"cut: {type(error).__name__}"
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        call.error = "client_disconnected"
    return response
