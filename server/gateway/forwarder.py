"""The passage of one model call: out with the real key, back byte for byte, read on the way."""

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
from server.gateway.request_reader import Intake, RequestReader, require_granted
from server.gateway.response_relay import BROKE_OFF, Answer, ResponseRelay, is_stream
from server.gateway.settlement import settle
from server.gateway.timeouts import Timeouts, Waits
from server.gateway.turns import Turns
from server.gateway.write_ahead import Ahead
from server.net.upstreams import Policy, Pools, Translation, Upstream

_ROUTE_HEADER = "x-inference-provider"
"""By which Hugging Face's router names the partner that answered.

Its reference doesn't say so; its own chat-ui reads it (src/lib/server/endpoints/openai).
"""
_LARGE = 512 * 1024
_MOST_TRANSLATED = 4 * 1024 * 1024
"""Bytes of a local model's answer that are put in other words; it writes at most some 1,000."""
_TINY_PIECES = (
    "the request's body came in chunks of too few bytes each; send it with a Content-Length, or in "
    "larger chunks"
)
_UNCHECKED = (
    "the daily budget can't be checked, because the server's database can't be written; try again "
    "later, or ask whoever runs the server: its log and /healthz say why"
)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class CallContext:
    """What one run's calls go through. The counters are of the calls under way."""

    policy: Policy
    budget: RunBudget
    on_limit: Callable[[BudgetError], None]
    recorder: Recorder | None = None
    replayer: Replayer | None = None
    on_mismatch: Callable[[str], None] = lambda difference: None
    """Hears of a call that the recording has no answer to."""
    intake: Intake = field(default_factory=Intake)


class Forwarder:
    """Passes calls on to upstreams."""

    def __init__(self, pools: Pools, timeouts: Timeouts, reader: RequestReader) -> None:
        self._pools = pools
        self._waits = Waits(timeouts)
        self._turns = Turns()
        self._ahead = Ahead()
        self._reader = reader

    def give_back(self, context: CallContext, call: Call) -> None:
        """Let go of a call's body, when the call has ended."""
        self._reader.give_back(context.intake, call)

    async def forward(
        self, context: CallContext, request: web.BaseRequest, call: Call
    ) -> web.StreamResponse:
        """Pass one call on and its answer back.

        Raises:
            RefusedError: there is no answer to pass back.

        """
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self._take_body(context, request, call)
        facts = await self._reader.read(context.intake, request, call, body)
        if context.replayer is not None:
            require_granted(context.intake, request, facts)
            return await self._replay(context, context.replayer, request, call, body)
        upstream = await _route(context, call)
        asked = body  # what the agent sent is what it will send again
        body, translation = _in_its_words(upstream, request.rel_url.raw_path, body)
        day = today()
        reservation = await _reserve(context, facts, call, upstream, day)
        try:
            require_granted(context.intake, request, facts)
        except RefusedError:
            reservation.settle(NOTHING)
            raise
        back = ResponseRelay(
            request, call, self._waits, self._turns, reservation, context.on_limit, self._ahead
        )
        if context.recorder is not None:
            path = request.rel_url.raw_path_qs
            back.recording = context.recorder.start(call.provider, request.method, path, asked)
        try:
            return await self._pass_on(request, call, upstream, body, back, translation)
        finally:
            set_cost(call, day, free=upstream.is_free, standard=facts.standard_price)
            settle(reservation, call, day, free=upstream.is_free)

    async def _take_body(self, context: CallContext, request: web.BaseRequest, call: Call) -> bytes:
        """Return the whole body; a client that stops sending it is not waited for."""
        try:
            return await self._take_in_time(context, request, call)
        except web.RequestPayloadError as error:
            raise RefusedError(400, "invalid_request_error", _TINY_PIECES) from error

    async def _take_in_time(
        self, context: CallContext, request: web.BaseRequest, call: Call
    ) -> bytes:
        if request.content.is_eof():
            return await self._reader.take(context.intake, request, call)
        most = self._waits.timeouts.body
        try:
            async with self._waits.until(asyncio.get_running_loop().time() + most):
                return await self._reader.take(context.intake, request, call)
        except TimeoutError as error:
            message = f"the request's body did not come within {most:g} s"
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
        return await ResponseRelay(request, call, self._waits, self._turns).stream(answer)

    async def _pass_on(
        self,
        request: web.BaseRequest,
        call: Call,
        upstream: Upstream,
        body: bytes,
        back: ResponseRelay,
        translation: Translation | None,
    ) -> web.StreamResponse:
        headers = upstream_headers(request, upstream.key, len(body))
        if back.wants_plain_text or translation:
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
                async with self._waits.for_first_byte():  # of what goes back
                    found = await _read(answer, translation)
                return await back.stream(found)
        except asyncio.CancelledError:  # what the answer has said of its usage is not all
            call.error = call.error or "client_disconnected"
            raise
        finally:
            await pool.give_back()

    async def _answer_to(
        self, asking: Awaitable[aiohttp.ClientResponse], call: Call, upstream: Upstream
    ) -> aiohttp.ClientResponse:
        """Send the call and wait for the answer to begin."""
        try:
            async with self._waits.for_first_byte():
                call.sent = True
                answer = await asking
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _no_answer(error, call, upstream) from error
        if not 200 <= answer.status <= 599:
            answer.close()
            raise RefusedError(502, "api_error", "a status that no API answers")
        return answer


async def _read(answer: aiohttp.ClientResponse, translation: Translation | None) -> Answer:
    """Return an answer as it is to go back: as it comes, unless it has to be put in other words.

    Raises:
        RefusedError: it broke off before it could be.

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
        if len(body) > _MOST_TRANSLATED:
            raise RefusedError(502, "api_error", "the local model's answer is too long")
    return bytes(body)


def _whole_body(answer: aiohttp.ClientResponse) -> bytes | None:
    """Return the body where it came with the headers: then it can go on with them, too."""
    if not answer.content.is_eof() or "Content-Length" not in answer.headers:
        return None
    return None if is_stream(answer.headers) else answer.content.read_nowait() or None


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Yield a large body bit by bit: others are to have a turn in between."""
    for start in range(0, len(body), _LARGE):
        yield body[start : start + _LARGE]


def _no_answer(error: Exception, call: Call, upstream: Upstream) -> RefusedError:
    """Return the refusal for an upstream that doesn't answer."""
    # Not str(error): it may hold the URL of a proxy with its password.
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


async def _route(context: CallContext, call: Call) -> Upstream:
    try:
        upstream = await context.policy(call.provider)
    except BackendUnavailableError as error:
        raise RefusedError(403, "permission_error", str(error)) from error
    call.backend, call.response_model = upstream.backend, upstream.model
    call.server_address = URL(upstream.base_url).host
    return upstream


def _in_its_words(upstream: Upstream, path: str, body: bytes) -> tuple[bytes, Translation | None]:
    """Return a body as its upstream takes it. Raises RefusedError where it is too large."""
    if upstream.most_bytes is not None and len(body) > upstream.most_bytes:
        message = f"the built-in model reads at most {upstream.most_bytes:,} bytes"
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
        return await context.budget.hold(call.provider, facts, day, free=upstream.is_free)
    except BudgetError as error:
        context.on_limit(error)
        raise RefusedError(402, "billing_error", str(error)) from error
    except StoreError as error:
        _log.error("a call was refused, because its daily budget can't be checked: %s", error)
        raise RefusedError(503, "api_error", _UNCHECKED) from error
