"""Granted hosts: a tunnel to exactly these, at public addresses only, for the run that has them."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.gateway.egress_proxy import HEAD_BYTES, Egress, is_own, is_public
from server.gateway.gateway import Grant
from server.settings import destination
from tests.support.api_client import events_of, execute, fields
from tests.support.gateway_client import Seen, eventually, through
from tests.support.serving import ServerFactory, call
from tests.support.upstream import Answer, scripted

PLACE = "service.example:443"
NOWHERE = "http://127.0.0.1:9"


def credentials(token: str) -> str:
    return "Basic " + base64.b64encode(f"run:{token}".encode()).decode()


async def connect(
    grant: Grant, place: str, *, token: str | None = None, behind: bytes = b""
) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask the proxy for a tunnel, with bytes behind; return its status line and the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", grant.port)
    proof = credentials(grant.token.reveal() if token is None else token)
    head = f"CONNECT {place} HTTP/1.1\r\nHost: granted:443\r\nProxy-Authorization: {proof}\r\n\r\n"
    writer.write(head.encode() + behind)
    answer = await reader.readuntil(b"\r\n\r\n")
    return answer.decode().partition("\r\n")[0], reader, writer


def resolving_to(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolve(host: str, port: int) -> list[str]:
        assert (host, port) == ("service.example", 443)
        return list(addresses)

    return resolve


def try_place(place: str, egress: Egress, token: str | None = None) -> Seen:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> str:
        status, reader, writer = await connect(grant, place, token=token)
        rest = b"" if " 200 " in status else await reader.read(500)
        writer.close()
        return status + rest.decode()

    return through(NOWHERE, client, egress=egress)


def test_bytes_go_both_ways_through_a_granted_tunnel() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data.upper())
            await writer.drain()
        writer.close()

    async def client(session: aiohttp.ClientSession, grant: Grant) -> Any:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        grant.egress.granted = {f"service.example:{port}"}
        async with server:
            status, reader, writer = await connect(grant, f"service.example:{port}")
            large = b"a" * 3_000_000
            writer.write(b"hello ")
            first = await reader.readexactly(6)
            writer.write(large)
            back = await reader.readexactly(len(large))
            writer.close()
        return status, first, back == large.upper(), grant.egress.tunnels

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    egress = Egress(resolve=here, may_reach=lambda address: True)
    seen = through(NOWHERE, client, egress=egress)
    assert seen.result[:3] == ("HTTP/1.1 200 Connection established", b"HELLO ", True)
    assert seen.events == []
    assert egress.moved > 6_000_000
    assert egress.tunnels == 0


@pytest.mark.parametrize("place", ["other.example:443", "service.example:80", "127.0.0.1:443"])
def test_place_that_was_not_granted_is_refused_and_told(place: str) -> None:
    seen = try_place(place, Egress({PLACE}, resolve=resolving_to("93.184.216.34")))
    assert " 403 " in seen.result
    [(kind, data)] = seen.events
    assert (kind, data["kind"]) == ("denied", "network")
    assert data["message"].startswith("the sandbox has no network")
    assert data["message"] in seen.result


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.8", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1"),
        *("::ffff:127.0.0.1", "::ffff:93.184.216.34", "64:ff9b::7f00:1", "2002:7f00:1::"),
        *("2001:0:7f00:1::", "fd00:ec2::254", "ff02::1", "::127.0.0.1"),
        # Metadata servers, and what Python's tables lack.
        *("168.63.129.16", "192.0.0.192", "192.0.0.8", "100.100.100.200", "192.88.99.1"),
        *("198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "239.1.2.3"),
        *("fec0::1", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "5f00::1", "3fff::1", "3ffe::1"),
        *("100::1", "100:0:0:1::1", "2001:1::1", "2001:2::1", "2001:10::1", "2001:20::1"),
        *("2001:30::1", "2001:db8::1", "fc00::1", "4000::1", "0100::", "2606:2800:220:1::1%eth0"),
        *("not an address", "127.1", "0x7f.0.0.1"),
    ],
)
def test_granted_name_that_leads_to_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)
    # One public address beside it doesn't help.
    seen = try_place(PLACE, Egress({PLACE}, resolve=resolving_to("93.184.216.34", address)))
    assert " 403 " in seen.result
    assert "an address of this machine or its network" in seen.events[0][1]["message"]


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_address_may_be_reached(address: str) -> None:
    assert is_public(address)


def test_address_of_this_machine_leads_nowhere_though_it_be_public() -> None:
    assert is_own("127.0.0.1")
    assert is_own("::1") or not socket.has_ipv6
    assert not is_own("93.184.216.34")


def test_name_is_asked_for_once_and_the_address_looked_at_is_the_one_connected_to() -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    egress = Egress({"service.example:9"}, resolve=resolve, may_reach=lambda a: a == "127.0.0.1")
    seen = try_place("service.example:9", egress)
    assert " 502 " in seen.result  # nothing listens there
    assert asked == ["service.example"]


def test_wrong_token_gets_no_tunnel() -> None:
    seen = try_place(PLACE, Egress({PLACE}, resolve=resolving_to("93.184.216.34")), token="wrong")
    assert " 407 " in seen.result


def test_plain_http_is_not_passed_on() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, str]:
        proof = {"Proxy-Authorization": credentials(grant.token.reveal())}
        proxy = f"http://127.0.0.1:{grant.port}"
        url = "http://service.example:443/x"
        async with session.get(url, proxy=proxy, headers=proof) as answer:
            return answer.status, await answer.text()

    seen = through(NOWHERE, client, egress=Egress({PLACE}))
    assert seen.result[0] == 403
    assert "plain http is not passed on" in seen.events[0][1]["message"]


def test_tunnels_of_one_run_are_bounded() -> None:
    async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[str]:
        server = await asyncio.start_server(idle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        place = f"service.example:{port}"
        grant.egress.granted = {place}
        async with server:
            opened = [await connect(grant, place) for _ in range(10)]
            for _, _, writer in opened:
                writer.close()
        return [status.split()[1] for status, _, _ in opened]

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    seen = through(NOWHERE, client, egress=Egress(resolve=here, may_reach=lambda address: True))
    assert seen.result == ["200"] * 8 + ["429"] * 2


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


def through_tunnel(place: Handler, client: Client, **bounds: Any) -> Seen:
    """Have `client` speak to `place`, a server on this machine, through a granted tunnel."""

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def work(session: aiohttp.ClientSession, grant: Grant) -> Any:
        async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with closing(writer), suppress(asyncio.CancelledError):
                await place(reader, writer)

        server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
        name = f"service.example:{server.sockets[0].getsockname()[1]}"
        grant.egress.granted = {name}
        async with server:
            status, reader, writer = await connect(grant, name)
            with closing(writer):
                assert " 200 " in status
                async with asyncio.timeout(20):  # a tunnel that hangs has 60 s
                    result = await client(reader, writer)
            await eventually(lambda: not grant.egress.tunnels)
        return result

    egress = Egress(resolve=here, may_reach=lambda address: True, **bounds)
    return through(NOWHERE, work, egress=egress)


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()


async def never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)  # it is cancelled with the event loop


async def until_ended(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        await reader.read()


@pytest.mark.parametrize(
    ("place", "client"), [(swallow, flood), (flood, until_ended), (flood, flood)]
)
def test_tunnel_over_the_cap_ends_at_once_with_a_denied_event(
    place: Handler, client: Client
) -> None:
    seen = through_tunnel(place, client, max_bytes=1_000_000)
    [(kind, data)] = seen.events
    assert (kind, data["kind"]) == ("denied", "network")
    assert data["message"] == "a run may move 1,000,000 bytes over connections of its own"


@pytest.mark.parametrize(
    ("place", "client"), [(never_read, flood), (never_read, until_ended), (swallow, until_ended)]
)
def test_tunnel_in_which_nothing_moves_is_closed(place: Handler, client: Client) -> None:
    assert through_tunnel(place, client, idle_s=0.3).events == []


def test_run_that_has_moved_all_it_may_gets_no_further_tunnel() -> None:
    egress = Egress({PLACE}, resolve=resolving_to("93.184.216.34"), max_bytes=0)
    seen = try_place(PLACE, egress)
    assert " 403 " in seen.result
    assert "a run may move 0 bytes" in seen.events[0][1]["message"]


def test_answer_to_a_client_that_has_ended_its_half_is_passed_on() -> None:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = await reader.read()
        writer.write(b"%d bytes" % len(whole))

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"x" * 1_000_000)
        writer.write_eof()
        return await reader.read()

    assert through_tunnel(count, client).result == b"1000000 bytes"


@pytest.mark.parametrize(
    "sent",
    [
        *(b"CONNECT a.example:443\r\n\r\n", b"CONNECT a b HTTP/1.1\r\n\r\n"),
        *(b"CONNECT a.example:443 HTTP/2\r\n\r\n", b"CONNECT a.example:443 HTTP/1.1\r\n"),
        b"CONNECT a.example:443 HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES + b"\r\n\r\n",
        b"CONNECT a.example:443 HTTP/1.1\r\nX: " + b"x" * 8 * HEAD_BYTES,
    ],
)
def test_malformed_late_or_long_request_is_refused_without_an_event(sent: bytes) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[bytes, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", grant.port)
        answer = b""
        with closing(writer), suppress(ConnectionError):  # it may not read all before it closes
            async with asyncio.timeout(20):
                writer.write(sent)
                while piece := await reader.read(1000):
                    answer += piece
        await eventually(lambda: not grant.open_connections)
        return answer[:13], grant.refused

    seen = through(NOWHERE, client, egress=Egress({PLACE}, idle_s=0.3))
    assert seen.result[0] == b"HTTP/1.1 400 " or (len(sent) > HEAD_BYTES and not seen.result[0])
    assert seen.result[1] == 1
    assert seen.events == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("A.Example:443", "a.example:443"),
        (" [::1]:80 ", "[::1]:80"),
        ("::1:80", "[::1]:80"),
        ("[0:0::1]:80", "[::1]:80"),
    ],
)
def test_destination_is_one_host_and_one_port(text: str, place: str) -> None:
    assert destination(text) == place


@pytest.mark.parametrize(
    "text", ["a", "a:", ":443", "*.example:443", "a:0", "a:65536", "a b:1", "http://a:1", "a:4x"]
)
def test_what_is_no_destination_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        destination(text)


# ---------------------------------------------------------------- the whole product

SHOW_PROXY = "import os\nprint([name for name in sorted(os.environ) if 'PROXY' in name])\n"


def test_run_is_granted_no_more_than_the_owner_allows(serve: ServerFactory) -> None:
    server = serve(AGENT_BUILDER_EGRESS_ALLOW="a.example:443, B.example:8443")
    with server.client() as client:
        none = execute(client, SHOW_PROXY)
        some = execute(client, SHOW_PROXY, egress=["A.example:443"])
        for wrong in ("c.example:443", "a.example:444", "nonsense"):
            body = {"code": "", "task": "x", "egress": [wrong]}
            assert fields(client.post("/api/execute", json=body)), wrong
    assert none["stdout"] == "[]\n"
    assert some["stdout"] == "['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY']\n"


def test_granted_place_of_this_machine_is_a_denied_event_and_is_not_reached(
    serve: ServerFactory,
) -> None:
    with scripted(lambda _: Answer()) as upstream:
        place = upstream.url.removeprefix("http://").replace("127.0.0.1", "127.0.0.2")
        server = serve(AGENT_BUILDER_EGRESS_ALLOW=place)
        code = f"import urllib.request\nurllib.request.urlopen('https://{place}')\n"
        with server.client() as client:
            answer = execute(client, code, egress=[place])
            told = events_of(client.get(f"/api/runs/{answer['run_id']}/events").text)
    [denied] = [data for _, kind, data in told if kind == "denied" and "127.0.0.2" in str(data)]
    assert (answer["status"], denied["kind"]) == ("error", "network")
    assert "an address of this machine or its network" in denied["message"]
    assert upstream.received == []


@pytest.mark.matrix
def test_command_line_grants_what_its_user_names(tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text(SHOW_PROXY)
    granted = call(tmp_path, "run", "show.py", "--task", "x", "--allow-host", "a.example:443")
    assert "HTTPS_PROXY" in granted.stdout, granted.stderr
