"""Hosts beyond the model API that a run was granted: a CONNECT proxy on the run's own listener.

A tunnel is a connection that begins with CONNECT; plain asyncio streams serve it from its first
byte (see `net/split_server.py`). The proxy resolves names itself, connects to the address that it
has checked, and only to public addresses: a granted name that points to this machine or its network
can't be reached.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

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
HEAD_BYTES = 32 * 1024
"""Of a request for a tunnel, the empty line at its end included."""
CONNECT = b"CONNECT "
"""The first bytes of such a request."""
_PIECE = 256 * 1024
"""As much as one read of a socket returns: smaller pieces cost half of the throughput."""
_AUTHORIZATION = re.compile(rb"\r\nproxy-authorization:([^\r\n]*)", re.IGNORECASE)
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
    """A refused request to the proxy. `str()` is for people."""

    def __init__(self, status: int, message: str, *, is_denied: bool = True) -> None:
        """`is_denied` is False if the run gets no event: nobody has asked for a host."""
        super().__init__(message)
        self.status = status
        self.is_denied = is_denied

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response."""
        return {"Proxy-Authenticate": 'Basic realm="run"'} if self.status == 407 else {}

    def response(self) -> bytes:
        """Return the response, after which the connection is to be closed."""
        text = f"{self}\n".encode()
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}", "Connection: close"]
        lines += ["Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(text)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + text


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

    async def serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        token: Secret,
        report: Report,
    ) -> bool:
        """Serve a connection that begins with CONNECT; return whether the proxy let it pass.

        `report` is called with the reason if it did not, or if it ended the tunnel later. The
        caller closes the connection.
        """
        try:
            target = await self._read_target(reader, token)
            host_reader, host_writer = await self._connect(target)
        except NotGrantedError as error:
            if error.is_denied:
                report(str(error))
            writer.write(error.response())
            return False
        try:
            with suppress(OSError, TimeoutError):  # a side has closed, or both are idle
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await self._relay(reader, writer, host_reader, host_writer)
        except NotGrantedError as error:
            report(str(error))
            writer.transport.abort()  # at once, even if the run doesn't read
        finally:
            self.tunnels -= 1
            host_writer.transport.abort()
        return True

    async def _read_target(self, reader: asyncio.StreamReader, token: Secret) -> str:
        """Return the target of a request for a tunnel, whose token is correct."""
        try:
            async with asyncio.timeout(self.idle_s):
                head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            head = b""
        parts = head.partition(b"\r\n")[0].split(b" ", 3)
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
            raise NotGrantedError(400, "not a request for a tunnel", is_denied=False)
        found = _AUTHORIZATION.search(head)
        if not _has_token(found[1].decode("latin-1") if found else "", token):
            raise _wrong_token()
        return parts[1].decode("latin-1")

    async def _connect(self, text: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self._require_granted(text)
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

    def _require_granted(self, text: str) -> str:
        try:
            target = destination(text)
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
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host_reader: asyncio.StreamReader,
        host_writer: asyncio.StreamWriter,
    ) -> None:
        """Copy bytes in both directions until the host closes; the run may close its half earlier.

        Raises:
            NotGrantedError: the run has moved as many bytes as it may.
            TimeoutError: the tunnel is idle.
            OSError: a side has closed.

        """
        async with asyncio.timeout(self.idle_s) as idle:
            up = asyncio.create_task(self._move(reader, host_writer, idle))
            down = asyncio.create_task(self._move(host_reader, writer, idle))
            try:
                await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
                if up.done():
                    up.result()
                    host_writer.write_eof()
                await down
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)

    async def _move(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: asyncio.Timeout
    ) -> None:
        clock = asyncio.get_running_loop().time
        while piece := await reader.read(_PIECE):
            self._count(len(piece))
            writer.write(piece)
            await writer.drain()
            if not idle.expired():
                idle.reschedule(clock() + self.idle_s)

    def _count(self, size: int) -> None:
        """Count bytes; raise NotGrantedError when there are too many."""
        self.moved += size
        if self.moved > self.max_bytes or (self.moved == self.max_bytes and not size):
            most = f"{self.max_bytes:,} bytes"
            raise NotGrantedError(403, f"a run may move {most} over connections of its own")


def _has_token(authorization: str, token: Secret) -> bool:
    """Return whether a Proxy-Authorization header has the run's token as its password."""
    scheme, _, encoded = authorization.strip().partition(" ")
    try:
        _, _, password = base64.b64decode(encoded, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    matches = hmac.compare_digest(password, token.reveal().encode())
    return scheme.lower() == "basic" and matches


def _wrong_token() -> NotGrantedError:
    return NotGrantedError(407, "this is not the run's token", is_denied=False)


def refusal_of(method: str, host: str, authorization: str, token: Secret) -> NotGrantedError:
    """Return why the proxy refuses a request on a connection that did not begin with CONNECT."""
    if not _has_token(authorization, token):
        return _wrong_token()
    if method == "CONNECT":
        return NotGrantedError(400, "a tunnel needs a new connection")
    where = f"{method} http://{host[:200]}"
    return NotGrantedError(403, f"plain http is not passed on, only https: {where}")


def proxy_environment(port: int, token: Secret) -> dict[str, str]:
    """Return the environment variables by which a program finds the proxy."""
    url = f"http://run:{token.reveal()}@127.0.0.1:{port}"
    local = "127.0.0.1,localhost"
    variables = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": local}
    return variables | {name.lower(): value for name, value in variables.items()}
