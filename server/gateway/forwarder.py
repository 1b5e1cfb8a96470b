"""Forwards one model call with the real key; the response is returned unchanged and metered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from llm_agent_builder.errors import BackendUnavailableError, StoreError
from llm_agent_builder.requests.facts import RequestFacts
from server.budgets.ledger import NOTHING, BudgetError, Reservation
from server.budgets.run_budget import RunBudget
from server.gateway.call import Call, RefusedError
from server.gateway.metering import set_cost, today
from server.gateway.recorder import Recorder
from server.gateway.replayer import MismatchError, Replayer, replayed_chunks
from server.gateway.request_headers import upstream_headers
from server.gateway.request_reader import OpenRequests, RequestReader, require_granted
from server.gateway.response_relay import BROKE_OFF, Answer, ResponseRelay, is_stream
from server.gateway.settlement import settle
from server.gateway.timeouts import Deadlines, Timeouts
from server.gateway.turns import Turns
from server.gateway.write_ahead import BufferTotal
from server.net.upstreams import Policy, Pools, Translation, Upstream

_ROUTE_HEADER = "x-inference-provider"
"""The header in which Hugging Face's router names the partner that answered.

Its reference doesn't mention it; its own chat-ui reads it (src/lib/server/endpoints/openai).
"""
_LARGE = 512 * 1024
_TRANSLATED_MAX_BYTES = 4 * 1024 * 1024
"""Limit on a local model's response that is translated; normal ones have about 1,000 bytes."""
_TINY_PIECES = (
    "the chunks of the request's body are too small; send it with a Content-Length, or in larger "
    "chunks"
)
_UNCHECKED = (
    "the daily budget can't be checked, because the server's database can't be written; try again "
    "later. The server's log and /healthz show the reason"
)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class CallContext:
    """The shared state of all calls of one run."""

    policy: Policy
    budget: RunBudget
    on_limit: Callable[[BudgetError], None]
    recorder: Recorder | None = None
    replayer: Replayer | None = None
    on_mismatch: Callable[[str], None] = lambda difference: None
    """Called with the reason when the recording has no response to a call."""
    open_requests: OpenRequests = field(default_factory=OpenRequests)


class Forwarder:
    """Forwards calls to upstreams."""

    def __init__(self, pools: Pools, timeouts: Timeouts, reader: RequestReader) -> None:
        self._pools = pools
        self._deadlines = Deadlines(timeouts)
        self._turns = Turns()
        self._buffered = BufferTotal()
        self._reader = reader

    def release(self, context: CallContext, call: Call) -> None:
        """Stop counting the body of a call that has ended."""
        self._reader.release(context.open_requests, call)

    async def forward(
        self, context: CallContext, request: web.BaseRequest, call: Call
    ) -> web.StreamResponse:
        """Forward one call, and relay its response.

        Raises:
            RefusedError: there is no response to relay.

        """
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self._receive_body(context, request, call)
        facts = await self._reader.read(context.open_requests, request, call, body)
        if context.replayer is not None:
            require_granted(context.open_requests, request, facts)
            return await self._replay(context, context.replayer, request, call, body)
        upstream = await _choose_upstream(context, call)
        asked = body  # recorded as the agent sent it, because a replay compares it
        body, translation = _translate(upstream, request.rel_url.raw_path, body)
        day = today()
        reservation = await _reserve(context, facts, call, upstream, day)
        try:
            require_granted(context.open_requests, request, facts)
        except RefusedError:
            reservation.settle(NOTHING)
            raise
        relay = ResponseRelay(
            request,
            call,
            self._deadlines,
            self._turns,
            reservation,
            context.on_limit,
            self._buffered,
        )
        if context.recorder is not None:
            path = request.rel_url.raw_path_qs
            relay.recording = context.recorder.start(call.provider, request.method, path, asked)
        try:
            return await self._send(request, call, upstream, body, relay, translation)
        finally:
            set_cost(call, day, free=upstream.is_free, standard=facts.standard_price)
            settle(reservation, call, day, free=upstream.is_free)

    async def _receive_body(
        self, context: CallContext, request: web.BaseRequest, call: Call
    ) -> bytes:
        """Return the whole body. A client that stops sending gets an error."""
        try:
            return await self._receive_in_time(context, request, call)
        except web.RequestPayloadError as error:
            raise RefusedError(400, "invalid_request_error", _TINY_PIECES) from error

    async def _receive_in_time(
        self, context: CallContext, request: web.BaseRequest, call: Call
    ) -> bytes:
        if request.content.is_eof():
            return await self._reader.receive(context.open_requests, request, call)
        limit = self._deadlines.timeouts.body
        try:
            async with self._deadlines.at(asyncio.get_running_loop().time() + limit):
                return await self._reader.receive(context.open_requests, request, call)
        except TimeoutError as error:
            message = f"the request's body did not arrive within {limit:g} s"
            raise RefusedError(408, "invalid_request_error", message) from error

    async def _replay(
        self,
        context: CallContext,
        replayer: Replayer,
        request: web.BaseRequest,
        call: Call,
        body: bytes,
    ) -> web.StreamResponse:
        call.backend = "replay"
        try:
            recorded = await replayer.answer(request.method, request.rel_url.raw_path_qs, body)
        except MismatchError as error:
            context.on_mismatch(str(error))
            raise RefusedError(400, "replay_mismatch", f"replay: {error}") from error
        call.status = recorded.status
        answer = Answer(recorded.status, CIMultiDict(recorded.headers), replayed_chunks(recorded))
        return await ResponseRelay(request, call, self._deadlines, self._turns).stream(answer)

    async def _send(
        self,
        request: web.BaseRequest,
        call: Call,
        upstream: Upstream,
        body: bytes,
        relay: ResponseRelay,
        translation: Translation | None,
    ) -> web.StreamResponse:
        headers = upstream_headers(request, upstream.key, len(body))
        if relay.wants_plain_text or translation:
            headers["Accept-Encoding"] = "identity"
        pool = await self._pools.take(upstream)
        try:
            path = translation.path if translation else request.rel_url.raw_path_qs
            asking = pool.session.request(
                request.method,
                upstream.base_url + path,
                data=body if len(body) <= _LARGE else _in_pieces(body),
                headers=headers,
                allow_redirects=False,
            )
            async with await self._answer_to(asking, call, upstream) as answer:
                call.route = answer.headers.get(_ROUTE_HEADER)
                call.status = answer.status
                async with self._deadlines.for_first_byte():  # of the body
                    found = await _read(answer, translation)
                return await relay.stream(found)
        except asyncio.CancelledError:  # the usage reported until now is incomplete
            call.error = call.error or "client_disconnected"
            raise
        finally:
            await pool.release()

    async def _answer_to(
        self, asking: Awaitable[aiohttp.ClientResponse], call: Call, upstream: Upstream
    ) -> aiohttp.ClientResponse:
        """Send the call, and wait for the response's headers."""
        try:
            async with self._deadlines.for_first_byte():
                call.sent = True
                answer = await asking
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _no_answer(error, call, upstream) from error
        if not 200 <= answer.status <= 599:
            answer.close()
            raise RefusedError(
                502, "api_error", "the upstream answered with an invalid HTTP status"
            )
        return answer


async def _read(answer: aiohttp.ClientResponse, translation: Translation | None) -> Answer:
    """Return a response for the relay, either as it arrives or translated.

    Raises:
        RefusedError: the response to be translated broke off.

    """
    if translation is None:
        pieces = answer.content.iter_any()
        whole = _whole_body(answer)
        return Answer(answer.status, answer.headers, pieces, whole, answer.close)
    try:
        body = translation.back(await _whole_small_body(answer))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RefusedError(502, "api_error", BROKE_OFF) from error
    headers = CIMultiDict(answer.headers)
    headers["Content-Length"] = str(len(body))
    return Answer(answer.status, headers, answer.content.iter_any(), body)


async def _whole_small_body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _TRANSLATED_MAX_BYTES:
            raise RefusedError(502, "api_error", "the local model's answer is too long")
    return bytes(body)


def _whole_body(answer: aiohttp.ClientResponse) -> bytes | None:
    """Return the body if it arrived with the headers, so that both are sent together."""
    if not answer.content.is_eof() or "Content-Length" not in answer.headers:
        return None
    return None if is_stream(answer.headers) else answer.content.read_nowait() or None


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Yield a large body in pieces, so that other work gets a turn in between."""
    for start in range(0, len(body), _LARGE):
        yield body[start : start + _LARGE]


def _no_answer(error: Exception, call: Call, upstream: Upstream) -> RefusedError:
    """Return the error for an upstream that doesn't answer."""
    # Not str(error): it may contain the URL of a proxy with its password.
    name = type(error).__name__
    _log.warning("no answer from the %s backend: %s", upstream.backend, name)
    local = upstream.backend == "local"
    where = "the local model" if local else URL(upstream.base_url).host
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        call.sent = False
    if isinstance(error, TimeoutError):
        waited = "connect" if not call.sent else "answer"
        return RefusedError(504, "timeout_error", f"{where} did not {waited} in time")
    return RefusedError(502, "api_error", f"no answer from {where} ({name})")


async def _choose_upstream(context: CallContext, call: Call) -> Upstream:
    try:
        upstream = await context.policy(call.provider)
    except BackendUnavailableError as error:
        raise RefusedError(403, "permission_error", str(error)) from error
    call.backend, call.response_model = upstream.backend, upstream.model
    call.server_address = URL(upstream.base_url).host
    return upstream


def _translate(upstream: Upstream, path: str, body: bytes) -> tuple[bytes, Translation | None]:
    """Return a body as its upstream accepts it. Raises RefusedError if it is too large."""
    if upstream.max_bytes is not None and len(body) > upstream.max_bytes:
        message = f"the built-in model reads at most {upstream.max_bytes:,} bytes"
        raise RefusedError(413, "request_too_large", message)
    translation = None if upstream.translate is None else upstream.translate(path, body)
    if translation is not None:
        return translation.body, translation
    return body if upstream.prepare is None else upstream.prepare(body), None


async def _reserve(
    context: CallContext, facts: RequestFacts, call: Call, upstream: Upstream, day: date
) -> Reservation:
    if not call.is_chat:
        facts = RequestFacts(model=facts.model, max_tokens=0, is_paid=False)
    try:
        return await context.budget.reserve(call.provider, facts, day, free=upstream.is_free)
    except BudgetError as error:
        context.on_limit(error)
        raise RefusedError(402, "billing_error", str(error)) from error
    except StoreError as error:
        _log.error("a call was refused, because its daily budget can't be checked: %s", error)
        raise RefusedError(503, "api_error", _UNCHECKED) from error
