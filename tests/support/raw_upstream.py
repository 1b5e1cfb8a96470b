"""A misbehaving upstream: its script writes the raw bytes of each response."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class RawUpstream:
    """A running upstream."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    """The head of each request."""
    gone: list[float] = field(default_factory=list)
    """The times when a write of a script failed because the peer had closed the connection."""


Wire = Callable[[socket.socket], None]


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(65536)):
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"]
    left = int(lengths[0]) - len(body) if lengths else 0
    chunked = b"transfer-encoding: chunked" in head.lower()
    while left > 0 or (chunked and not body.endswith(b"0\r\n\r\n")):
        if not (piece := connection.recv(65536)):
            return b""
        body, left = body + piece, left - len(piece)
    return head


@contextmanager
def raw_upstream(wire: Wire) -> Iterator[RawUpstream]:
    """Run an upstream that hands each connection to `wire` once its first request has come."""
    listener = socket.create_server(("127.0.0.1", 0))
    state = RawUpstream(f"http://127.0.0.1:{listener.getsockname()[1]}")
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                if head := _read_request(connection):
                    state.requests.append(head)
                    wire(connection)
            except OSError:
                state.gone.append(time.monotonic())

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield state
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        for thread in threads:  # one that went on would take the processor from all later tests
            thread.join(20)
            assert not thread.is_alive(), "a script of the upstream does not end"
