"""Hosts beyond the model API that a run was granted: a CONNECT proxy on the run's own listener.

The proxy resolves names itself, connects to the address that it has checked, and only to public
addresses: a granted name that points to this machine or its network can't be reached.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from server.secret import Secret
from server.settings import destination

MAX_TUNNELS = 8
"""Of one run at once."""
MAX_BYTES = 256 * 1024 * 1024
"""Of all tunnels of one run together, in both directions."""
CONNECT_S = 10.0
"""To resolve a name, and to connect."""
IDLE_S = 60.0
"""Without a byte in either direction; then a tunnel is closed."""
_PIECE = 64 * 1024
_RESERVED = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
    "168.63.129.16/32",  # Azure's own server of each virtual machine, though its block is public
    *("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20"),
)
"""From IANA's special-purpose registries, of which Python 3.11 lacks some. Addresses of 2001::/23
and 2002::/16 contain an IPv4 address, which could be any."""
_RESERVED_NETWORKS = tuple(map(ipaddress.ip_network, _RESERVED))
_IPV6_UNICAST = ipaddress.ip_network("2000::/3")
"""All that IANA has assigned to the internet; the rest is local, translated or reserved."""

Resolve = Callable[[str, int], Awaitable[list[str]]]
Report = Callable[[str], None]


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name. Raises OSError where there are none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Return whether an address is a public one; False for text that is no address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if parsed.version == 6 and (parsed.scope_id or parsed not in _IPV6_UNICAST):
        return False
    reserved = any(parsed in each for each in _RESERVED_NETWORKS if each.version == parsed.version)
    return parsed.is_global and not reserved


def is_own(address: str) -> bool:
    """Return whether an address is this machine's own.

    Connecting a UDP socket sends nothing, and shows the source address of the route: for an own
    address it is the same.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0]) == address
    except OSError:
        return False  # there is no route: connecting will fail


def is_reachable(address: str) -> bool:
    """Return whether runs may connect to an address: public, and not this machine's."""
    return is_public(address) and not is_own(address)


class NotGrantedError(Exception):
    """A refused tunnel. `str()` is for people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Egress:
    """The proxy of one run; `granted` are its hosts as "host:port"."""

    granted: Collection[str] = ()
    resolve: Resolve = resolve
    may_reach: Callable[[str], bool] = is_reachable
    """Returns whether an address may be connected to."""
    max_bytes: int = MAX_BYTES
    idle_s: float = IDLE_S
    tunnels: int = field(default=0, init=False)
    moved: int = field(default=0, init=False)
    """Bytes so far, in both directions."""

    async def handle(
        self, request: web.BaseRequest, token: Secret, report: Report
    ) -> web.StreamResponse:
        """Answer one request to the proxy; `report` is called with the reason if it is refused."""
        if not has_token(request, token):
            headers = {"Proxy-Authenticate": 'Basic realm="run"'}
            return web.Response(status=407, text="this is not the run's token\n", headers=headers)
        try:
            reader, writer = await self._connect(request)
        except NotGrantedError as error:
            report(str(error))
            return web.Response(status=error.status, text=f"{error}\n")
        transport = request.transport
        try:
            with suppress(OSError, TimeoutError):  # a side has closed, or both are idle
                await self._relay(request, reader, writer)
        except NotGrantedError as error:
            report(str(error))
            if transport is not None:
                transport.abort()  # at once, even if the run doesn't read
        finally:
            self.tunnels -= 1
            writer.transport.abort()
            if transport is not None:
                transport.close()
        return web.Response()

    async def _connect(
        self, request: web.BaseRequest
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self._require_granted(request)
        host, _, port = target.rpartition(":")
        address = await self._address(host.strip("[]"), int(port))
        if self.tunnels >= MAX_TUNNELS:
            raise NotGrantedError(429, f"a run may have {MAX_TUNNELS} connections of its own")
        self._count(0)
        self.tunnels += 1
        try:
            async with asyncio.timeout(CONNECT_S):
                return await asyncio.open_connection(address, int(port))
        except (OSError, TimeoutError):
            self.tunnels -= 1
            raise NotGrantedError(502, f"{target} did not answer") from None
        except BaseException:
            self.tunnels -= 1
            raise

    def _require_granted(self, request: web.BaseRequest) -> str:
        if request.method != "CONNECT":
            where = f"{request.method} http://{request.headers.get('Host', '')[:200]}"
            raise NotGrantedError(403, f"plain http is not passed on, only https: {where}")
        try:
            target = destination(request.raw_path)  # not from the Host header
        except ValueError:
            raise NotGrantedError(400, "not HOST:PORT") from None
        if target not in self.granted:
            why = "only the model API is reachable"
            if self.granted:
                why += f" and what this run was granted ({', '.join(sorted(self.granted))})"
            raise NotGrantedError(403, f"the sandbox has no network: {why}, not {target}")
        return target

    async def _address(self, host: str, port: int) -> str:
        """Return a checked address of a host. It is resolved once, and this address is used."""
        try:
            async with asyncio.timeout(CONNECT_S):
                found = await self.resolve(host, port)
        except (OSError, TimeoutError, UnicodeError):
            found = []
        if not found:
            raise NotGrantedError(502, f"{host} has no address")
        for address in found:
            if not self.may_reach(address):
                message = f"{host} is {address}: an address of this machine or its network"
                raise NotGrantedError(403, message)
        return found[0]

    async def _relay(
        self,
        request: web.BaseRequest,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Copy bytes in both directions until the host closes; the run may close its half earlier.

        Raises:
            NotGrantedError: the run has moved as many bytes as it may.
            TimeoutError: the tunnel is idle.
            OSError: a side has closed.

        """
        await request.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        sent = _take_over(request)

        async def write_up(piece: bytes) -> None:
            writer.write(piece)
            await writer.drain()

        async with asyncio.timeout(self.idle_s) as idle:
            up = asyncio.create_task(self._move(sent.iter_any(), write_up, idle))
            down = asyncio.create_task(self._move(_pieces(reader), request.writer.write, idle))
            try:
                await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
                if up.done():
                    up.result()
                    writer.write_eof()
                await down
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)

    async def _move(
        self,
        pieces: AsyncIterator[bytes],
        write: Callable[[bytes], Awaitable[None]],
        idle: asyncio.Timeout,
    ) -> None:
        clock = asyncio.get_running_loop().time
        async for piece in pieces:
            self._count(len(piece))
            await write(piece)
            if not idle.expired():
                idle.reschedule(clock() + self.idle_s)

    def _count(self, size: int) -> None:
        """Count bytes; raise NotGrantedError when there are too many."""
        self.moved += size
        if self.moved > self.max_bytes or (self.moved == self.max_bytes and not size):
            most = f"{self.max_bytes:,} bytes"
            raise NotGrantedError(403, f"a run may move {most} over connections of its own")


class _Tap:
    """The parser that aiohttp passes a connection's bytes to once it is a tunnel."""

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self._stream = stream

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._stream.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self._stream.feed_eof()


class _HalfOpen(asyncio.Protocol):
    """Replaces aiohttp's protocol, which closes a connection when its client closes its half."""

    def __init__(self, inner: Any, sent: aiohttp.StreamReader) -> None:
        self._inner = inner
        self._sent = sent

    def eof_received(self) -> bool:
        self._sent.feed_eof()
        return True  # the other direction stays open

    def data_received(self, data: bytes) -> None:
        self._sent.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


def _take_over(request: web.BaseRequest) -> aiohttp.StreamReader:
    """Return a stream of all bytes that the client sends from now on."""
    loop = asyncio.get_running_loop()
    stream = aiohttp.StreamReader(request.protocol, _PIECE, loop=loop)
    parser: Any = _Tap(stream)
    request.protocol.set_parser(parser)
    if request.transport is not None:
        request.transport.set_protocol(_HalfOpen(request.protocol, stream))
    return stream


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(_PIECE):
        yield piece


def has_token(request: web.BaseRequest, token: Secret) -> bool:
    """Return whether a request has the run's token as its proxy password."""
    scheme, _, encoded = request.headers.get("Proxy-Authorization", "").partition(" ")
    try:
        _, _, password = base64.b64decode(encoded, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    matches = hmac.compare_digest(password, token.reveal().encode())
    return scheme.lower() == "basic" and matches


def proxy_environment(port: int, token: Secret) -> dict[str, str]:
    """Return the environment variables by which a program finds the proxy."""
    url = f"http://run:{token.reveal()}@127.0.0.1:{port}"
    local = "127.0.0.1,localhost"
    variables = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": local}
    return variables | {name.lower(): value for name, value in variables.items()}
