"""Loads the providers' SDKs and makes one call with each, so that a run's first call is fast.

The first call of a process imports modules, reads certificates and builds response types. It goes
to a listener of this process, which a short-lived child answers.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_TIMEOUT_S = 30
_MESSAGE = {
    "id": "msg_0",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
_MESSAGE_EVENTS: tuple[dict[str, object], ...] = (
    {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 1},
    },
    {"type": "message_stop"},
)
_CHAT = {"id": "c", "object": "chat.completion", "created": 0, "model": "m"}
_CHAT_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
_CHAT_ANSWER = {
    **_CHAT,
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "."},
        }
    ],
    "usage": _CHAT_USAGE,
}
_CHAT_EVENTS: tuple[dict[str, object], ...] = (
    {**_CHAT, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "."}}]},
    {**_CHAT, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {**_CHAT, "choices": [], "usage": _CHAT_USAGE},
)


def load(names: Iterable[str]) -> dict[str, str]:
    """Import these SDKs and make a call with those that have an entry in `_CALLS`.

    Returns the error of each SDK that could not be loaded.
    """
    problems: dict[str, str] = {}
    with warnings.catch_warnings(), _without_collector():
        warnings.simplefilter("ignore")
        for name in names:
            try:
                importlib.import_module(name)
                if name in _CALLS:
                    _call(_CALLS[name])
            except Exception as error:  # runs still work, but start later
                problems[name] = f"{type(error).__name__}: {error}"
    return problems


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Disable the collector: it would walk through all loaded objects and find little."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _call(calls: Callable[[str], None]) -> None:
    """Run `calls` with a base URL at which a child of this process answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if child == 0:
            try:
                _answer_all(listener)
            finally:
                os._exit(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        calls(url)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _answer_all(listener: socket.socket) -> None:
    listener.settimeout(_TIMEOUT_S)
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            while _answer_one(stream):
                pass


def _answer_one(stream: Any) -> bool:
    """Answer one request as its provider would; return whether there was one."""
    path, length = stream.readline().decode("latin-1"), 0
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    if not path:
        return False
    streamed = json.loads(stream.read(length)).get("stream")
    if "/messages" in path:
        body = _events(_MESSAGE_EVENTS, named=True) if streamed else json.dumps(_MESSAGE).encode()
    else:
        body = _events(_CHAT_EVENTS, named=False) if streamed else json.dumps(_CHAT_ANSWER).encode()
    kind = "text/event-stream" if streamed else "application/json"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    stream.write(head.encode() + body)
    stream.flush()
    return True


def _events(events: Iterable[dict[str, object]], *, named: bool) -> bytes:
    lines = [
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n"
        for event in events
    ]
    return "".join([*lines, *([] if named else ["data: [DONE]\n\n"])]).encode()


def _call_anthropic(base_url: str) -> None:
    import anthropic  # noqa: PLC0415 - `load` has just imported it

    client = anthropic.Anthropic(base_url=base_url, api_key="none", max_retries=0, timeout=10)
    request: Any = {
        "model": "m",
        "max_tokens": 1,
        "system": ".",
        "messages": [{"role": "user", "content": "."}],
    }
    with client:
        client.messages.create(**request)
        with client.messages.stream(**request) as stream:
            for _ in stream.text_stream:
                pass
            stream.get_final_message()
        for stream_too in (False, True):
            runner = client.beta.messages.tool_runner(
                **request, tools=[anthropic.beta_tool(_tool)], thread=False, stream=stream_too
            )
            runner.until_done()


def _tool(text: str) -> str:
    """Return the text."""
    return text


def _call_huggingface(base_url: str) -> None:
    import huggingface_hub  # noqa: PLC0415

    client = huggingface_hub.InferenceClient(base_url=base_url, api_key="none", timeout=10)
    request: Any = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "."}]}
    streamed: Any = {**request, "stream": True, "stream_options": {"include_usage": True}}
    client.chat_completion(**request)
    for _ in client.chat_completion(**streamed):
        pass
    huggingface_hub.close_session()  # otherwise each forked child would close it


_CALLS: dict[str, Callable[[str], None]] = {
    "anthropic": _call_anthropic,
    "huggingface_hub": _call_huggingface,
}
