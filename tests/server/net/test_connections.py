"""More connections and more buffered bytes than a real server with low limits allows."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpx
import pytest

from server.net.connections import Connections
from tests.server.api.test_slow_clients import asking_for, connected, open_connections
from tests.support.api_client import events_of, start
from tests.support.serving import Serving, start_server, wait_until

_ESTABLISHED = 1
"""TCP_ESTABLISHED of include/net/tcp_states.h."""
_MOST = 60
_MOST_BYTES = 2**20
_BEFORE = f"""
from server.net.http_deadlines import DeadlineProtocol
DeadlineProtocol.all_connections.max_connections = {_MOST}
DeadlineProtocol.all_connections.max_bytes = {_MOST_BYTES}
"""
_POST = (
    b"POST /api/generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 60000\r\n\r\n"
)
_HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
_ASKED = asking_for("/healthz")
_LARGE = {
    "heads": _HEAD + b"x" * 30_000,
    "bodies": _POST + b"[" * 59_000,
    "bodies that nobody reads": _POST.replace(b"POST", b"GET") + b"[" * 59_000,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    running = start_server(tmp_path_factory.mktemp("server"), before=_BEFORE)
    yield running
    running.stop()


@contextlib.contextmanager
def many(server: Serving, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that send the same bytes; some may be closed meanwhile."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            clients.append(stack.enter_context(connected(server, first=first)))
            if first == _ASKED:
                assert clients[-1].recv(12) == b"HTTP/1.1 200"
        yield clients


def is_open(client: socket.socket) -> bool:
    """Return whether neither side has ended a connection, by its state in the kernel."""
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED


def is_healthy(server: Serving) -> bool:
    with server.client() as client:
        try:
            return client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False


@pytest.mark.matrix
@pytest.mark.parametrize(
    "first",
    [b"", _HEAD, _POST + b"[", _ASKED],
    ids=["nothing", "half a head", "half a body", "idle"],
)
def test_oldest_connections_that_wait_are_ended_for_new_ones(server: Serving, first: bytes) -> None:
    with many(server, 3 * _MOST, first) as clients:
        assert is_healthy(server)
        wait_until(lambda: open_connections(server) <= _MOST + 1)
        wait_until(lambda: sum(map(is_open, clients)) <= _MOST)
        assert not any(map(is_open, clients[:_MOST]))
        assert all(map(is_open, clients[-_MOST // 2 :]))
        assert is_healthy(server)


def test_connections_that_do_not_read_their_answers_are_ended_for_new_ones(server: Serving) -> None:
    with many(server, 3 * _MOST, asking_for("/openapi.json") * 40) as clients:
        wait_until(lambda: sum(map(is_open, clients)) <= _MOST)
        wait_until(lambda: is_healthy(server))  # not while all are being answered


@pytest.mark.parametrize("kind", ["heads", "bodies", "bodies that nobody reads"])
def test_unfinished_requests_share_an_amount_of_bytes(server: Serving, kind: str) -> None:
    first = _LARGE[kind]
    with connected(server) as idle, many(server, _MOST - 5, first) as clients:
        assert is_healthy(server)
        wait_until(lambda: sum(map(is_open, clients)) * len(first) <= _MOST_BYTES)
        assert not is_open(clients[0])
        assert is_open(clients[-1])
        assert is_open(idle)
        with contextlib.suppress(OSError):
            clients[-1].sendall(b"\r\n\r\n" if kind == "heads" else b"[" * 1000)
        clients[-1].settimeout(20)
        assert clients[-1].recv(9) == b"HTTP/1.1 "


def test_events_are_read_to_their_end_while_others_crowd_in(server: Serving) -> None:
    with server.client() as client:
        run = start(client, "input_ = __import__('time').sleep(3)\nprint('late')")
        with client.stream("GET", f"/api/runs/{run}/events") as answer:
            pieces = answer.iter_text()
            text = next(pieces)
            for first in (b"", _HEAD, _LARGE["heads"], _LARGE["bodies"]):
                with many(server, 2 * _MOST, first):
                    assert is_healthy(server)
            text += "".join(pieces)
    assert [kind for _, kind, _ in events_of(text)][-1] == "exit"


def test_head_of_many_lines_is_refused(server: Serving) -> None:
    for lines, status in ((200, b"HTTP/1.1 200"), (2000, b"HTTP/1.1 400")):
        head = asking_for("/healthz")[:-2] + b"a: b\r\n" * lines + b"\r\n"
        with connected(server, first=head) as client:
            assert client.recv(12) == status


def test_large_bodies_one_after_another_on_one_connection_are_taken(server: Serving) -> None:
    with server.client() as client:
        for _ in range(5):
            answer = client.post("/api/read", json={"code": "x" * 2**20})
            assert answer.status_code == 422


@dataclass(eq=False)
class Client:
    """A connection without a server."""

    held: int = 0
    ended: bool = field(default=False, init=False)

    def buffered_bytes(self) -> int:
        return self.held

    def end(self) -> None:
        self.ended = True


def ended(clients: Sequence[Client]) -> list[bool]:
    return [client.ended for client in clients]


def test_new_connection_is_refused_where_all_others_are_being_answered() -> None:
    connections = Connections()
    connections.max_connections = 2
    clients = [Client() for _ in range(3)]
    for client in clients:
        connections.update(client, waits=client is clients[2])
    assert ended(clients) == [False, False, True]


def test_waiting_request_counts_until_it_is_answered() -> None:
    connections = Connections()
    connections.max_connections = 2
    first, second, third, fourth = clients = [Client() for _ in range(4)]
    connections.update(first, waits=True)
    connections.update(second, waits=True)
    connections.update(first, waits=True)
    connections.update(third, waits=True)
    assert ended(clients) == [True, False, False, False]
    connections.update(second, waits=False)
    connections.update(second, waits=True)
    connections.update(fourth, waits=True)
    assert ended(clients) == [True, False, True, False]


def test_data_read_meanwhile_no_longer_counts() -> None:
    connections = Connections()
    connections.max_bytes = 100
    clients = [Client(60), Client(), Client(60)]
    for client in clients[:2]:
        connections.update(client, waits=True)
    clients[0].held = 10
    connections.update(clients[2], waits=True)
    assert ended(clients) == [False, False, False]
    clients[1].held = 60
    connections.update(clients[1], waits=True)
    assert ended(clients) == [False, True, False]  # the first one buffers little
