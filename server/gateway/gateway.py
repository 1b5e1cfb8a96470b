"""The gateway: a run's only way to the network.

Each run gets a listener and a run token of its own. A request with that token to one of a few exact
routes is forwarded to a fixed upstream with the real key; the response streams back byte for byte
and is metered on the way. The run never sees the key, and each call becomes an event.
"""

from __future__ import annotations

import asyncio
import gc
import hmac
import logging
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from llm_agent_builder.errors import MachineryError
from llm_agent_builder.metering.prices import price_table
from llm_agent_builder.providers import PROVIDERS
from server.budgets.ledger import BudgetError, Caps, Ledger
from server.budgets.run_budget import RunBudget
from server.gateway.call import Call, RefusedError, provider_of, refuse
from server.gateway.cassette import CASSETTE_MAX_BYTES, Cassette
from server.gateway.egress_proxy import (
    CONNECT,
    HEAD_BYTES,
    Egress,
    proxy_environment,
    refusal_of,
)
from server.gateway.forwarder import CallContext, Forwarder
from server.gateway.metering import today
from server.gateway.model_call import ModelCall
from server.gateway.recorder import Recorder
from server.gateway.replayer import Replayer
from server.gateway.request_reader import MAX_BODIES, MAX_BODY, RequestReader
from server.gateway.routes import ROUTES
from server.gateway.run_trace import NoTrace, RunTrace
from server.gateway.timeouts import Timeouts
from server.net.listeners import listen_without_delay
from server.net.paced_parsing import Pace, PacedServer
from server.net.split_server import SplitServer
from server.net.upstreams import Policy, Pools, Upstream, tls_context
from server.secret import Secret

__all__ = [
    "MAX_BODIES",
    "MAX_BODY",
    "MAX_CALLS",
    "MAX_CONNECTIONS",
    "RECORDING_FULL",
    "Gateway",
    "Grant",
    "ModelCall",
    "Policy",
    "Upstream",
    "preload_prices",
    "tls_context",
]

MAX_CONNECTIONS = 64
"""Open connections of one run; further ones are closed."""
MAX_CALLS = 2000
"""Calls of one run; further ones get status 429, in the provider's error format."""
MAX_REFUSED = 2000
"""Refused requests of one run; after that, the listener closes every connection."""
MAX_EVENTS = 20
"""Distinct events that are reported for the refusals of one run."""
_CLOSE_S = 3.0
"""How long closing waits for open calls; they are cancelled after 0.1 s."""

_log = logging.getLogger(__name__)


async def preload_prices() -> None:
    """Load the table of prices before the first call, and exempt it from garbage collection.

    A full collection would otherwise walk through it, and delay every call by 40 ms.
    """
    await asyncio.to_thread(price_table, today())
    gc.freeze()


# aiohttp logs the bad line of a malformed request, which may contain the run token.
_http_log = logging.getLogger(f"{__name__}.http")
_http_log.setLevel(logging.CRITICAL + 1)

RECORDING_FULL = (
    f"recording ({CASSETTE_MAX_BYTES // 2**20} MiB): the model calls exceed the size limit of a "
    "recording, so none of them is recorded; the run continues"
)

OnEvent = Callable[[str, Mapping[str, str]], None]
"""Receives events other than calls: "limit" (`kind`, `message`, and `cap` of a budget), "denied"
(`kind`, `message`), and "mismatch" (`message`) for a call that the recording doesn't contain."""


def _ignore(kind: str, data: Mapping[str, str]) -> None:
    """Drop an event."""


@dataclass(slots=True)
class Grant:
    """One run's access to the gateway: its token, its listener, and the variables for its SDKs."""

    token: Secret
    context: CallContext
    on_call: Callable[[ModelCall], None]
    on_event: OnEvent = _ignore
    egress: Egress = field(default_factory=Egress)
    trace: RunTrace = field(default_factory=NoTrace)
    port: int = 0
    calls: int = 0
    refused: int = 0
    _reported: set[str] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _connections: SplitServer | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment variables by which SDKs find this gateway."""
        variables: dict[str, str] = {}
        for provider in PROVIDERS.values():
            base = f"http://127.0.0.1:{self.port}{provider.base_url_suffix}"
            variables[provider.base_url_variable] = base
            for name in (*provider.key_variables, provider.own_key_variable):
                if name is not None:
                    variables[name] = self.token.reveal()
        if self.egress.granted:
            variables |= proxy_environment(self.port, self.token)
        return variables | self.trace.environment()

    def connect(self) -> asyncio.BaseProtocol:
        """Return the protocol for a new connection; beyond the limit, one that closes it."""
        assert self._connections is not None
        if self.open_connections >= MAX_CONNECTIONS or self.refused >= MAX_REFUSED:
            return _Closed()
        return self._connections()

    @property
    def open_connections(self) -> int:
        """The run's open connections, tunnels included."""
        return len(self._connections) if self._connections is not None else 0

    def report(self, event: str, data: Mapping[str, str]) -> None:
        """Report each event once, up to a limit: a run can cause any number of them."""
        data = {name: self.masked(text) for name, text in data.items()}
        if data["message"] not in self._reported and len(self._reported) < MAX_EVENTS:
            self._reported.add(data["message"])
            self.on_event(event, data)

    def masked(self, text: str) -> str:
        """Return text without the run's token, so that it can be stored and shown."""
        return text.replace(self.token.reveal(), "(the run's token)")

    def report_denied(self, message: str) -> None:
        """Report that the run was denied access to the network, and why."""
        self.report("denied", {"kind": "network", "message": message})

    async def close(self) -> None:
        """Close the listener and end every open call; the token is invalid from then on."""
        if self._server is not None:
            self._server.close()
        if self._connections is not None:
            closing = asyncio.ensure_future(self._connections.shutdown(0.1))
            await asyncio.wait({closing}, timeout=_CLOSE_S)
        # This object is part of reference cycles; the run and its output should be freed earlier.
        self.on_call, self.on_event = (lambda call: None), _ignore

    def recorded(self) -> str | None:
        """Return the cassette of the calls so far as JSON, or None if they are not recorded."""
        recorder = self.context.recorder
        return recorder.cassette() if recorder is not None else None


class _Closed(asyncio.Protocol):
    """Closes a connection as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _presented_token(request: web.BaseRequest) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


@dataclass(slots=True)
class Gateway:
    """Opens a `Grant` for each run, in the server's event loop, between `start` and `close`."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    timeouts: Timeouts = field(default_factory=Timeouts)
    reader: RequestReader = field(default_factory=RequestReader)
    pace: Pace = field(default_factory=Pace)
    _pools: Pools | None = None
    _forwarder: Forwarder | None = None

    async def start(self) -> None:
        """Read the certificates, and prepare the connections to upstreams.

        Raises:
            MachineryError: a bundle of certificates can't be read.

        """
        self._pools = Pools(self.environ, self.timeouts.connect, self.pace)
        self._pools.start()
        self._forwarder = Forwarder(self._pools, self.timeouts, self.reader)

    async def close(self) -> None:
        """Close the connections to upstreams."""
        if self._pools is not None:
            await self._pools.close()

    async def open(
        self,
        policy: Policy,
        on_call: Callable[[ModelCall], None],
        *,
        listener: socket.socket | None = None,
        on_event: OnEvent = _ignore,
        budget: RunBudget | None = None,
        record: Callable[[], list[str]] | None = None,
        replay: Cassette | None = None,
        egress: Egress | None = None,
        trace: RunTrace | None = None,
        provider_tools: bool = False,
    ) -> Grant:
        """Open the gateway for one run; `on_call` receives each finished call.

        The run's connections arrive at `listener`, which the grant then owns; without one, at a
        free port on loopback. With `record`, the calls are recorded; it returns the keys that must
        not be in the cassette. `replay` is a cassette that answers the calls. `provider_tools`
        allows the provider to reach addresses and use its own tools for this run.

        Raises:
            MachineryError: no port is free.

        """
        # Hugging Face's SDK goes to its router only with a key that looks like one of its own.
        token = Secret(f"hf_run_{secrets.token_urlsafe(24)}")

        def on_limit(error: BudgetError) -> None:
            grant.report("limit", {"kind": "budget", "cap": error.cap, "message": str(error)})

        def on_full() -> None:
            grant.on_event("limit", {"kind": "recording", "message": RECORDING_FULL})

        context = CallContext(policy, budget or RunBudget(Ledger("run", Caps())), on_limit)
        if record is not None:
            context.recorder = Recorder(lambda: [token.reveal(), *record()], on_full)
        if replay is not None:
            context.replayer = Replayer(replay, token.reveal)
            context.on_mismatch = lambda message: grant.report("mismatch", {"message": message})
        context.open_requests.allows_provider_tools = provider_tools
        grant = Grant(token, context, on_call, on_event, egress or Egress(), trace or NoTrace())
        context.open_requests.on_denied = grant.report_denied
        try:
            await self._listen(grant, listener)
        except BaseException:
            if grant._server is not None:
                grant._server.close()
            elif listener is not None:
                listener.close()
            raise
        return grant

    async def _listen(self, grant: Grant, listener: socket.socket | None) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            if grant.refused >= MAX_REFUSED and request.transport is not None:
                request.transport.abort()
                return web.Response()
            return await self._handle(grant, request)

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if grant.refused < MAX_REFUSED:
                passed = await grant.egress.serve(reader, writer, grant.token, grant.report_denied)
                grant.refused += not passed

        requests = PacedServer(
            self.pace,
            handle,
            handler_cancellation=True,
            access_log=None,
            logger=_http_log,
            keepalive_timeout=75,
            auto_decompress=False,
        )
        grant._connections = SplitServer(requests, CONNECT, tunnel, HEAD_BYTES)
        try:
            listener = listener or listen_without_delay("127.0.0.1", 0)
            grant.port = listener.getsockname()[1]
            loop = asyncio.get_running_loop()
            grant._server = await loop.create_server(
                grant.connect, sock=listener, start_serving=False
            )
            await grant._server.start_serving()
        except OSError as error:
            raise MachineryError(f"can't open a port for the gateway: {error.strerror}") from error

    async def _handle(self, grant: Grant, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "CONNECT" or "Proxy-Authorization" in request.headers:
            grant.refused += 1
            return _refuse_proxy(grant, request)
        provider = provider_of(request)
        try:
            _check(grant, request)
        except RefusedError as refusal:
            grant.refused += 1
            return refuse(provider, refusal)
        _, operation = ROUTES[request.method, request.rel_url.raw_path]
        call = Call(provider, operation, trace_parent=request.headers.get("traceparent"))
        return await self._make_call(grant, request, call)

    async def _make_call(
        self, grant: Grant, request: web.BaseRequest, call: Call
    ) -> web.StreamResponse:
        assert self._forwarder is not None
        try:
            return await self._forwarder.forward(grant.context, request, call)
        except RefusedError as refusal:
            call.error, call.status = refusal.kind, refusal.status
            call.refused = refusal.status not in _NO_ANSWER
            return refuse(call.provider, refusal)
        except asyncio.CancelledError:
            call.error = call.error or "client_disconnected"
            raise
        except Exception:
            call.error = "gateway_failed"
            _log.exception("a call failed in the gateway")
            raise
        finally:
            self._forwarder.release(grant.context, call)
            finished = call.finished()
            grant.on_call(finished)
            grant.trace.call(call, finished)


def _refuse_proxy(grant: Grant, request: web.BaseRequest) -> web.Response:
    """Refuse a request to the proxy that is none for a tunnel, or that comes too late for one."""
    headers = request.headers
    authorization = headers.get("Proxy-Authorization", "")
    refusal = refusal_of(request.method, headers.get("Host", ""), authorization, grant.token)
    if refusal.is_denied:
        grant.report_denied(str(refusal))
    return web.Response(status=refusal.status, text=f"{refusal}\n", headers=refusal.headers)


_NO_ANSWER = {502, 504}
"""The gateway's statuses for a model that didn't answer; all others are refusals."""


def _check(grant: Grant, request: web.BaseRequest) -> None:
    """Raise RefusedError unless this is a call with the run's token to a known route."""
    presented = _presented_token(request).encode("utf-8", "replace")
    if not hmac.compare_digest(presented, grant.token.reveal().encode()):
        raise RefusedError(401, "authentication_error", "wrong run token")
    if (request.method, request.rel_url.raw_path) not in ROUTES:
        asked = f"{request.method} {request.rel_url.raw_path[:200]}"
        message = f"the sandbox can only reach the model API: {asked} is not part of it"
        grant.report_denied(message)
        raise RefusedError(403, "permission_error", message)
    grant.calls += 1
    if grant.calls > MAX_CALLS:
        raise RefusedError(429, "rate_limit_error", f"a run may make at most {MAX_CALLS} calls")
