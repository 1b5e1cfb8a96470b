"""Both providers on loopback, answering what a test scripted: plain, streamed, broken off.

Time is never measured against a clock of the test: a *gated* reply sends its next chunk only when
the test lets it, so "it came before the next one was sent" is a fact and not a race.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from llm_agent_builder import ProviderEnum

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Reply:
    """What the upstream answers to one request, sent chunk by chunk."""

    chunks: Sequence[bytes]
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    gated: bool = False
    """Wait for `let_go()` before each chunk but the first."""
    cut: bool = False
    """Drop the connection after the chunks, without the end that HTTP asks for."""


@dataclass(frozen=True)
class Received:
    """One request as the upstream saw it; names of headers in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class ScriptedUpstream:
    """An HTTP server on a free loopback port. It answers with `replies`, first in first out.

    Agents that share one have a path of their own before the provider's, `/NAME/v1/...`, and get
    `scripts[NAME]`.
    """

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.scripts: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self.received: list[Received] = []
        self.sent_at: list[float] = []
        """When each chunk was about to leave, by `time.monotonic()`."""
        self._gate = threading.Semaphore(0)
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        """The base URL, without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def let_go(self) -> None:
        """Let a gated reply send its next chunk."""
        self._gate.release()

    def pass_gate(self) -> bool:
        """Wait for `let_go()`; False when nobody called it for a long time."""
        return self._gate.acquire(timeout=_PATIENCE_S)

    def close(self) -> None:
        """Stop, and leave no thread and no socket behind."""
        for _ in range(100):  # releases all waiting threads
            self._gate.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close() joins them

    def __init__(self, upstream: ScriptedUpstream) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20  # an abandoned open connection ends too

    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the log is `received` and `sent_at`."""

    def do_POST(self) -> None:
        upstream = self.server.upstream
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        upstream.received.append(Received(self.path, headers, body))
        try:
            script = upstream.scripts.get(self.path.split("/")[1], upstream.replies)
            self._send(script.popleft(), upstream)
        except ConnectionError:  # the agent is gone, as some tests want it
            self.close_connection = True

    def _send(self, reply: Reply, upstream: ScriptedUpstream) -> None:
        self.send_response(reply.status)
        self.send_header("content-type", reply.content_type)
        self.send_header("transfer-encoding", "chunked")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for position, chunk in enumerate(reply.chunks):
            if reply.gated and position and not upstream.pass_gate():
                break
            upstream.sent_at.append(time.monotonic())  # first: the reader of the chunk looks here
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if reply.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")


def failure(status: int, message: str) -> Reply:
    """Return an error that suits both providers' shapes, and that no SDK retries."""
    error = {"type": "error", "error": {"type": "scripted_error", "message": message}}
    headers = {"x-should-retry": "false", "retry-after": "0"}
    return Reply((json.dumps(error).encode(),), status, headers=headers)


def answer(
    provider: ProviderEnum,
    pieces: Sequence[str],
    *,
    stream: bool,
    stop: str | None = None,
    gated: bool = False,
    cut: bool = False,
) -> Reply:
    """Return an answer of `provider` made of `pieces`, one chunk each when streamed.

    `stop` is the stop reason, by default the provider's word for a natural end; "" leaves it out.
    """
    if provider is ProviderEnum.ANTHROPIC:
        make = _messages_stream if stream else _message
        ending = "end_turn" if stop is None else stop
    else:
        make = _completion_stream if stream else _completion
        ending = "stop" if stop is None else stop
    chunks = make(pieces, ending or None)
    kind = "text/event-stream" if stream else "application/json"
    if cut:
        chunks = chunks[:-1] if stream else [chunks[0][:-20]]
    return Reply(chunks, content_type=kind, gated=gated, cut=cut)


def tool_call(
    provider: ProviderEnum,
    name: str,
    arguments: str,
    *,
    stream: bool,
    text: str = "",
    stop: str | None = None,
) -> Reply:
    """Return an answer that calls a tool with `arguments`, a JSON text that comes in two pieces."""
    if provider is ProviderEnum.ANTHROPIC:
        make = _tool_use_stream if stream else _tool_use
        ending = stop or "tool_use"
    else:
        make = _tool_calls_stream if stream else _tool_calls
        ending = stop or "tool_calls"
    kind = "text/event-stream" if stream else "application/json"
    return Reply(make(name, arguments, text, ending), content_type=kind)


def _tool_use(name: str, arguments: str, text: str, stop: str) -> list[bytes]:
    content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    use = {"type": "tool_use", "id": "toolu_1", "name": name, "input": json.loads(arguments)}
    return [json.dumps(_message_object([*content, use], stop)).encode()]


def _tool_use_stream(name: str, arguments: str, text: str, stop: str) -> list[bytes]:
    start, *_ = _messages_stream([text], None)
    start += _event("content_block_stop", {"index": 0})
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    start += _event("content_block_start", {"index": 1, "content_block": block})
    half = len(arguments) // 2
    deltas = [
        _event(
            "content_block_delta",
            {"index": 1, "delta": {"type": "input_json_delta", "partial_json": part}},
        )
        for part in (arguments[:half], arguments[half:])
    ]
    delta = {"stop_reason": stop, "stop_sequence": None}
    end = _event("content_block_stop", {"index": 1})
    end += _event("message_delta", {"delta": delta, "usage": {"output_tokens": 5}})
    return [start, *deltas, end + _event("message_stop", {})]


def _tool_calls(name: str, arguments: str, text: str, stop: str) -> list[bytes]:
    call = {"id": "call_1", "type": "function"}
    calls = [call | {"function": {"name": name, "arguments": arguments}}]
    message = {"role": "assistant", "content": text or None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": stop}
    completion = _completion_object("chat.completion", [choice])
    completion["usage"] = _CHAT_USAGE
    return [json.dumps(completion).encode()]


def _tool_calls_stream(name: str, arguments: str, text: str, stop: str) -> list[bytes]:
    half = len(arguments) // 2
    call = {"index": 0, "id": "call_1", "type": "function"}
    first = call | {"function": {"name": name, "arguments": arguments[:half]}}
    second = call | {"function": {"name": None, "arguments": arguments[half:]}}
    chunks = [_delta({"role": "assistant", "content": text}, None)]
    chunks += [_delta({"tool_calls": [part]}, None) for part in (first, second)]
    return [*chunks, _delta({}, stop) + _CHAT_END]


def stream_error(provider: ProviderEnum, pieces: Sequence[str], message: str) -> Reply:
    """Return a streamed answer that ends in an error event."""
    if provider is ProviderEnum.ANTHROPIC:
        error = {"type": "error", "error": {"type": "overloaded_error", "message": message}}
        last = _event("error", error)
    else:
        last = _data({"error": message, "error_type": "overloaded"})
    usual = answer(provider, pieces, stream=True)
    return Reply([*usual.chunks[:-1], last], content_type=usual.content_type)


def _message(pieces: Sequence[str], stop: str | None) -> list[bytes]:
    return [json.dumps(_message_object([{"type": "text", "text": "".join(pieces)}], stop)).encode()]


def _message_object(content: list[dict[str, Any]], stop: str | None) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
    }


def _messages_stream(pieces: Sequence[str], stop: str | None) -> list[bytes]:
    block = {"type": "text", "text": ""}
    start = _event("message_start", {"message": _message_object([], None)})
    start += _event("content_block_start", {"index": 0, "content_block": block})
    chunks = [
        _event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}})
        for piece in pieces
    ]
    chunks[0] = start + _event("ping", {}) + chunks[0]
    if stop is None:
        return [*chunks, _event("ping", {})]
    end = _event("content_block_stop", {"index": 0})
    delta = {"stop_reason": stop, "stop_sequence": None}
    end += _event("message_delta", {"delta": delta, "usage": {"output_tokens": 5}})
    return [*chunks, end + _event("message_stop", {})]


def _event(kind: str, values: Mapping[str, object]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **values})}\n\n".encode()


def _completion(pieces: Sequence[str], stop: str | None) -> list[bytes]:
    message = {"role": "assistant", "content": "".join(pieces)}
    choice = {"index": 0, "message": message, "finish_reason": stop}
    completion = _completion_object("chat.completion", [choice])
    completion["usage"] = _CHAT_USAGE
    return [json.dumps(completion).encode()]


def _completion_object(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "c1", "object": kind, "created": 1, "model": "scripted", "choices": choices}


def _completion_stream(pieces: Sequence[str], stop: str | None) -> list[bytes]:
    chunks = [_delta({"role": "assistant", "content": piece}, None) for piece in pieces]
    end = _delta({}, stop) if stop else b""
    return [*chunks, end + _CHAT_END]


def _delta(delta: dict[str, Any], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _data(_completion_object("chat.completion.chunk", [choice]))


def _data(value: Mapping[str, object]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


_CHAT_USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
# As with usage asked for: the last chunk has no choices.
_LAST_CHUNK = _completion_object("chat.completion.chunk", []) | {"usage": _CHAT_USAGE}
_CHAT_END = _data(_LAST_CHUNK) + b"data: [DONE]\n\n"
