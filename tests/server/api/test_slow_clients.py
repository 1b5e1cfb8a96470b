"""Slow clients of a real server with short deadlines and few descriptors."""

from __future__ import annotations

import contextlib
import http.client
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.limits import MAX_DESCRIPTORS
from tests.support.api_client import events_of, execute, start
from tests.support.serving import Serving, start_server, wait_until

_HEAD_S = 1.0
_BODY_S = 1.5
_UNREAD_S = 2.0
_UNREAD_MAX = 32 * 2**20
_SOFT_LIMIT = 128
_BEFORE = f"""
import resource
resource.setrlimit(
    resource.RLIMIT_NOFILE, ({_SOFT_LIMIT}, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
)
from server.net.http_deadlines import DeadlineProtocol
DeadlineProtocol.head_s = {_HEAD_S}
DeadlineProtocol.body_s = {_BODY_S}
DeadlineProtocol.unread_s = {_UNREAD_S}
DeadlineProtocol.unread_max_bytes = {_UNREAD_MAX}
"""
_HALF_BODY = (
    b"POST /api/generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b'Content-Length: 1000\r\n\r\n{"name": '
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    running = start_server(tmp_path_factory.mktemp("server"), before=_BEFORE)
    yield running
    running.stop()


@contextlib.contextmanager
def connected(server: Serving, *, first: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", httpx.URL(server.base).port or 0), 20) as client:
        client.sendall(first)
        yield client


@contextlib.contextmanager
def kept_open(server: Serving) -> Iterator[http.client.HTTPConnection]:
    """Return a connection that doesn't reconnect after it was closed."""
    url = httpx.URL(server.base)
    with contextlib.closing(http.client.HTTPConnection(url.host, url.port, timeout=20)) as client:
        client.connect()
        client.auto_open = 0
        yield client


def is_served(client: http.client.HTTPConnection) -> bool:
    client.request("GET", "/healthz")
    answer = client.getresponse()
    answer.read()
    return answer.status == 200


def ends(client: socket.socket) -> bool:
    """Wait until the server closes the connection without a response; fail after 20 s."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def is_ended_after(client: socket.socket, piece: bytes) -> bool:
    """Send a piece, wait as long as the socket's own limit says for the other side's end."""
    try:
        client.sendall(piece)
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except (ConnectionResetError, BrokenPipeError):
        return True


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize("first", [b"", b"GET / HT", _HALF_BODY], ids=["nothing", "head", "body"])
def test_connection_that_sends_a_part_and_no_more_is_closed(server: Serving, first: bytes) -> None:
    with connected(server, first=first) as client:
        assert ends(client)


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nX: ", _HALF_BODY], ids=["head", "body"])
def test_sending_byte_by_byte_does_not_renew_the_deadline(server: Serving, first: bytes) -> None:
    with connected(server, first=first) as client:
        client.settimeout(0.05)
        # At most 10 s, which is many times the deadline.
        assert any(is_ended_after(client, b"x") for _ in range(200))


def test_half_a_head_after_an_answer_is_closed(server: Serving) -> None:
    with kept_open(server) as client:
        assert is_served(client)
        client.sock.sendall(b"GET / HT")
        assert ends(client.sock)


def test_connection_that_is_idle_between_requests_stays_open(server: Serving) -> None:
    with kept_open(server) as client:
        assert is_served(client)
        time.sleep(_HEAD_S + _BODY_S + 0.2)
        assert is_served(client)


def test_stream_longer_than_both_deadlines_is_complete(server: Serving) -> None:
    with server.client() as client:
        run = start(client, f"import time\ntime.sleep({_HEAD_S + _BODY_S + 1})\nprint('late')")
        events = events_of(client.get(f"/api/runs/{run}/events").text)
    assert [kind for _, kind, _ in events][-1] == "exit"


def test_response_that_takes_longer_than_both_deadlines_arrives(server: Serving) -> None:
    with server.client() as client:
        code = f"import time\ntime.sleep({_HEAD_S + _BODY_S + 0.5})\nprint('late')"
        assert execute(client, code)["stdout"] == "late\n"


def test_others_are_served_while_more_connections_wait_than_the_soft_limit_allows(
    server: Serving,
) -> None:
    with contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(connected(server, first=b"GET / HT"))
            for _ in range(2 * _SOFT_LIMIT)
        ]
        with server.client() as client:
            assert client.get("/healthz").status_code == 200
        assert all(ends(client) for client in slow)


def test_server_has_its_hard_limit_of_descriptors_and_runs_have_their_own(server: Serving) -> None:
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    assert soft == min(hard, MAX_DESCRIPTORS)
    with server.client() as client:
        code = "import resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE))"
        assert execute(client, code)["stdout"] == "(256, 256)\n"


_WRITES_MUCH = "import sys\nfor _ in range(8 * 1024): sys.stdout.write('x' * 1023 + '\\n')"


@pytest.fixture(scope="module")
def long_run(server: Serving) -> str:
    """Return a run with 8 MiB of output: more than the kernel buffers for a connection."""
    with server.client() as client:
        result = execute(client, _WRITES_MUCH, limits={"output_kib": 16_384})
    assert len(result["stdout"]) == 8 * 2**20
    run: str = result["run_id"]
    return run


def asking_for(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize("what", ["events", "large answer"])
def test_client_that_does_not_read_its_response_is_disconnected(
    server: Serving, long_run: str, what: str
) -> None:
    before = open_connections(server)
    path = f"/api/runs/{long_run}/events" if what == "events" else "/openapi.json"
    request = asking_for(path) * (1 if what == "events" else 400)
    with connected(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        with contextlib.suppress(OSError):
            client.sendall(request)
        wait_until(lambda: open_connections(server) <= before)


def test_reader_that_pauses_gets_all_events(server: Serving, long_run: str) -> None:
    with (
        server.client() as client,
        client.stream("GET", f"/api/runs/{long_run}/events") as answer,
    ):
        pieces = answer.iter_bytes()
        text = next(pieces)
        time.sleep(_UNREAD_S / 4)
        text += b"".join(pieces)
    events = events_of(text.decode())
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    written = "".join(data["text"] for _, kind, data in events if kind == "output")
    assert len(written) == 8 * 2**20
    assert events[-1][1] == "exit"


def open_connections(server: Serving) -> int:
    """Return how many connections the server has, from /proc."""
    port = f":{httpx.URL(server.base).port or 0:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(port) and line.split()[3] == "01" for line in lines)


def status_line(server: Serving, request: bytes) -> bytes:
    """Return the beginning of the response, or nothing if the server cut the connection first.

    A server that closes while a client still sends resets the connection, and the client may lose
    the response.
    """
    with connected(server) as client:
        client.settimeout(60)
        try:
            client.sendall(request)
            return client.recv(12)
        except (ConnectionResetError, BrokenPipeError):
            return b""


@pytest.mark.parametrize("size", [1, 3])
def test_body_in_tiny_pieces_is_refused(server: Serving, size: int) -> None:
    head = _HALF_BODY.partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"
    piece = b"%x\r\n%s\r\n" % (size, b"x" * size)
    assert status_line(server, head + piece * 100_000) in {b"HTTP/1.1 400", b""}


def test_head_that_is_large_is_refused(server: Serving) -> None:
    head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"a: b\r\n" * 40_000 + b"\r\n"
    assert status_line(server, head) in {b"HTTP/1.1 400", b""}


def test_slow_clients_leave_no_error_in_the_log(server: Serving) -> None:
    before = server.log
    with connected(server, first=_HALF_BODY) as client:
        assert ends(client)
    with server.client() as other:  # the server has then done what it does at the end of the first
        assert other.get("/healthz").status_code == 200
    assert "Traceback" not in server.log.removeprefix(before)


def unsent(client: socket.socket) -> int | None:
    """Return the bytes that the kernel buffers for a client of this machine; None: disconnected."""
    _, port = client.getsockname()
    for line in Path("/proc/net/tcp").read_text().splitlines():
        remote, state, queues = line.split()[2:5]
        if remote.endswith(f":{port:04X}") and state == "01":
            return int(queues.partition(":")[0], 16)
    return None


def test_kernel_buffers_little_of_an_unread_response(server: Serving) -> None:
    with server.client() as client:
        code = "import os\nfor _ in range(128): os.write(1, b'x' * 65536)"
        run = execute(client, code, limits={"output_kib": 16384})["run_id"]
    head = f"GET /api/runs/{run}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    held = [0]
    with connected(server, first=head.encode()) as reader:
        wait_until(lambda: unsent(reader))
        while (size := unsent(reader)) is not None:
            held.append(size)
    assert max(held) < 1024 * 1024
