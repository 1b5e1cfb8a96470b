"""A scripted upstream: an HTTP server on loopback for behaviour that real providers rarely show."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """One received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What to answer. With `chunks`, they are sent one by one, `pause` seconds apart."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    pause: float = 0.0
    cut: bool = False
    """Break the connection off after the last chunk, in the middle of the answer."""


@dataclass
class Upstream:
    """A running scripted upstream."""

    url: str
    received: list[Received] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)
    """When each chunk was sent, by `time.monotonic`."""
    broken_pipes: list[float] = field(default_factory=list)
    """When the disconnection of the client was detected."""


def message(text: str, stop_reason: str = "end_turn") -> bytes:
    """Return an Anthropic message."""
    return json.dumps(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "scripted",
            "content": [{"type": "text", "text": text}],
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": {"input_tokens": 3, "output_tokens": 5},
        }
    ).encode()


def message_events(*texts: str) -> list[bytes]:
    """Return an Anthropic message as SSE, one chunk a text."""

    def event(kind: str, **data: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()

    whole = json.loads(message(""))
    start = {**whole, "content": [], "stop_reason": None}
    block = {"type": "text", "text": ""}
    deltas = [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
        for text in texts
    ]
    end = event("content_block_stop", index=0)
    end += event(
        "message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": 5},
    )
    end += event("message_stop")
    first = event("message_start", message=start)
    return [first + event("content_block_start", index=0, content_block=block), *deltas, end]


Script = Callable[[Received], Answer]


class _Handler(BaseHTTPRequestHandler):
    """Answers with the script of its server."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def handle_any(self) -> None:
        """Answer one request."""
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(self.command, self.path, headers, self.rfile.read(length))
        self.server.state.received.append(request)
        answer = self.server.script(request)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunks:
            self.send_chunks(answer)
        else:
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

    def send_chunks(self, answer: Answer) -> None:
        """Send the chunks one by one, and record the times."""
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for chunk in answer.chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.server.state.sent_at.append(time.monotonic())
                time.sleep(answer.pause)
            if not answer.cut:
                self.wfile.write(b"0\r\n\r\n")
                return
        except OSError:
            self.server.state.broken_pipes.append(time.monotonic())
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_DELETE = do_CONNECT = handle_any  # noqa: N815


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.state = Upstream("")


@contextmanager
def scripted(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Upstream]:
    """Run an upstream that answers each request as `script` says."""
    with _Server(script) as httpd:
        scheme = "http"
        if tls is not None:
            httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
            scheme = "https"
        httpd.state.url = f"{scheme}://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield httpd.state
        finally:
            httpd.shutdown()
            thread.join()
