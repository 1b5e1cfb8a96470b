"""Places beyond the model API that one run was granted: a CONNECT proxy on the run's own listener.

The gateway resolves names itself, connects to the address it has looked at, and to public addresses
only: a granted name that points to this machine or its network leads nowhere.
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
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from server.settings import Secret, destination

MAX_TUNNELS = 8
MAX_BYTES = 256 * 1024 * 1024
"""Of one run's tunnels together, both ways."""
CONNECT_S = 10.0
IDLE_S = 60.0
_PIECE = 64 * 1024
# Addresses that stand for another: the one inside could be anything.
_WRAPPED = ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0/96", "::/96")
_NETWORKS = tuple(map(ipaddress.ip_network, _WRAPPED))

Resolve = Callable[[str, int], Awaitable[list[str]]]
Tell = Callable[[str], None]


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name. Raises OSError where there are none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Say whether an address is one of the internet's, not of this machine or its network."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    wrapped = any(parsed in network for network in _NETWORKS if network.version == parsed.version)
    return parsed.is_global and not parsed.is_multicast and not wrapped


class NotGrantedError(Exception):
    """A tunnel that isn't made. `str()` is for people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Egress:
    """What one run may reach beside the model API: `granted` holds "host:port"."""

    granted: Collection[str] = ()
    resolve: Resolve = resolve
    may_reach: Callable[[str], bool] = is_public
    """Whether an address may be connected to."""
    tunnels: int = 0
    moved: int = 0
    """Bytes so far."""

    async def handle(
        self, request: web.BaseRequest, token: Secret, tell: Tell
    ) -> web.StreamResponse:
        """Answer one request to the proxy; `tell` hears why one is refused."""
        if not has_token(request, token):
            headers = {"Proxy-Authenticate": 'Basic realm="run"'}
            return web.Response(status=407, text="this is not the run's token\n", headers=headers)
        try:
            reader, writer = await self._connect(request)
        except NotGrantedError as error:
            tell(str(error))
            return web.Response(status=error.status, text=f"{error}\n")
        try:
            await self._relay(request, reader, writer)
        except NotGrantedError as error:
            tell(str(error))
        finally:
            self.tunnels -= 1
            writer.transport.abort()
            if request.transport is not None:
                request.transport.close()
        return web.Response()

    async def _connect(
        self, request: web.BaseRequest
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = self._require_granted(request)
        host, _, port = place.rpartition(":")
        address = await self._address(host.strip("[]"), int(port))
        if self.tunnels >= MAX_TUNNELS:
            raise NotGrantedError(429, f"a run may have {MAX_TUNNELS} connections of its own")
        self.tunnels += 1
        try:
            async with asyncio.timeout(CONNECT_S):
                return await asyncio.open_connection(address, int(port))
        except (OSError, TimeoutError):
            self.tunnels -= 1
            raise NotGrantedError(502, f"{place} did not answer") from None
        except BaseException:
            self.tunnels -= 1
            raise

    def _require_granted(self, request: web.BaseRequest) -> str:
        if request.method != "CONNECT":
            where = f"{request.method} http://{request.headers.get('Host', '')[:200]}"
            raise NotGrantedError(403, f"plain http is not passed on, only https: {where}")
        try:
            place = destination(request.raw_path)  # the request line's, not the header's
        except ValueError:
            raise NotGrantedError(400, "not HOST:PORT") from None
        if place not in self.granted:
            why = "only the model API is reachable"
            if self.granted:
                why += f" and what this run was granted ({', '.join(sorted(self.granted))})"
            raise NotGrantedError(403, f"the sandbox has no network: {why}, not {place}")
        return place

    async def _address(self, host: str, port: int) -> str:
        """Return the address to connect to: looked at here, and not asked for again."""
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
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(IDLE_S) as deadline:

            async def move(
                pieces: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[None]]
            ) -> None:
                async for piece in pieces:
                    deadline.reschedule(clock() + IDLE_S)
                    self.moved += len(piece)
                    if self.moved > MAX_BYTES:
                        raise NotGrantedError(403, f"more than {MAX_BYTES:,} bytes of its own")
                    await write(piece)

            async def up(piece: bytes) -> None:
                writer.write(piece)
                await writer.drain()

            async def send() -> None:
                await move(sent.iter_any(), up)
                writer.write_eof()

            await request.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            sent = _take_over(request)
            sending = asyncio.create_task(send())
            try:
                with suppress(OSError):
                    await move(_pieces(reader), request.writer.write)
            finally:
                sending.cancel()
                error = (await asyncio.gather(sending, return_exceptions=True))[0]
            if isinstance(error, NotGrantedError):
                raise error


class _Tap:
    """Takes the bytes of a connection that has become a tunnel, as aiohttp hands them on."""

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self._stream = stream

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._stream.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self._stream.feed_eof()


def _take_over(request: web.BaseRequest) -> aiohttp.StreamReader:
    """Return what the client sends from here on."""
    loop = asyncio.get_running_loop()
    stream = aiohttp.StreamReader(request.protocol, _PIECE, loop=loop)
    parser: Any = _Tap(stream)
    request.protocol.set_parser(parser)
    return stream


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(_PIECE):
        yield piece


def has_token(request: web.BaseRequest, token: Secret) -> bool:
    """Say whether a request carries the run's token as its proxy password."""
    scheme, _, encoded = request.headers.get("Proxy-Authorization", "").partition(" ")
    try:
        _, _, password = base64.b64decode(encoded, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    matches = hmac.compare_digest(password, token.reveal().encode())
    return scheme.lower() == "basic" and matches


def proxy_environment(port: int, token: Secret) -> dict[str, str]:
    """Return the variables by which a program finds the proxy."""
    url = f"http://run:{token.reveal()}@127.0.0.1:{port}"
    here = "127.0.0.1,localhost"
    named = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": here}
    return named | {name.lower(): value for name, value in named.items()}
