"""Canary keys never appear in written or sent data, nor in the memory of child processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.server.budgets.test_spending import CANARY, JSON, ROTATED, SSE, asking
from tests.support.api_client import SPEC, execute
from tests.support.serving import INSTALLED_MODEL, ServerFactory, Serving, command
from tests.support.upstream import Answer, Received, Upstream, message, message_events, scripted

KEYS = [key.encode() for key in (CANARY, ROTATED)]
PIECE = 2**24
ASKING_HUGGING_FACE = (
    "import os\n"
    "from huggingface_hub import InferenceClient\n"
    "client = InferenceClient(base_url=os.environ['HF_BASE_URL'], api_key=os.environ['HF_TOKEN'])\n"
    "client.chat_completion([{'role': 'user', 'content': 'x'}], model='m', max_tokens=9)\n"
)


def failing_by_turns(upstream: Upstream) -> Answer:
    """Answer with an error, a stream that breaks off, or well."""
    answers = [
        Answer(401, JSON, b'{"type":"error","error":{"type":"authentication_error"}}'),
        Answer(headers=SSE, chunks=message_events("a")[:1], cut=True),
        Answer(headers=JSON, body=message("hi")),
    ]
    return answers[len(upstream.received) % 3]


def descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in map(int, task.read_text().split()):
                yield child
                yield from descendants(child)


def memory_of(pid: int) -> Iterator[bytes]:
    """Yield what a process can write to: heap, stacks, data; nothing where it has ended."""
    with suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        maps = Path(f"/proc/{pid}/maps").read_text()
        for low, high in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.MULTILINE):
            for start in range(int(low, 16), int(high, 16), PIECE):
                with suppress(OSError, ValueError, OverflowError):  # a page of the kernel's
                    memory.seek(start)
                    yield memory.read(min(PIECE + len(CANARY), int(high, 16) - start)) or b""


def keys_in(pid: int) -> tuple[int, int]:
    """Return how many bytes of a process were read, and in how many pieces a key was."""
    size = found = 0
    for piece in memory_of(pid):
        size += len(piece)
        found += any(key in piece for key in KEYS)
    return size, found


def searched_children(server: Serving) -> list[str]:
    """Look for the keys in the memory of each process below the server; return what these are."""
    searched = []
    for pid in descendants(server.process.pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile
            name = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            size, found = keys_in(pid)
            assert not found, name
            searched += [name] if size else []
    return searched


def everything_written(server: Serving) -> bytes:
    files = [path for path in server.folder.rglob("*") if path.is_file() and path.name != ".env"]
    return b"".join(path.read_bytes() for path in files)


def test_keys_are_in_nothing_that_the_product_wrote_sent_or_gave_to_its_children(
    serve: ServerFactory,
) -> None:
    def script(_: Received) -> Answer:
        return failing_by_turns(upstream)

    with scripted(script) as upstream, scripted(lambda _: Answer()) as collector:
        server = serve(
            ANTHROPIC_API_KEY=CANARY,
            HF_TOKEN=ROTATED,
            AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url,
            AGENT_BUILDER_HUGGINGFACE_UPSTREAM=upstream.url,
            AGENT_BUILDER_LOG_LEVEL="DEBUG",
            AGENT_BUILDER_RUN_BUDGET_CALLS="5",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            AGENT_BUILDER_PRELOAD="1",
            AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL,
        )
        with server.client() as client:
            shown = [execute(client, asking(2), record=True) for _ in range(3)]
            shown += [execute(client, asking(9)), execute(client, ASKING_HUGGING_FACE, record=True)]
            code = client.post("/api/generate", json=SPEC).json()["code"]
            shown.append(execute(client, code, backend="local"))
            children = searched_children(server)
            assert keys_in(server.process.pid)[1]  # so the search finds one where it is
            seen = [client.get(path).text for path in ("/metrics", "/api/runs", "/healthz")]
            seen += [client.get(f"/api/runs/{run['run_id']}/events").text for run in shown]
        server.stop()
    traced = b"".join(request.body for request in collector.received)
    written = everything_written(server) + traced + repr((shown, seen)).encode()
    used = {request.headers["authorization"] for request in upstream.received}
    assert used == {f"Bearer {CANARY}", f"Bearer {ROTATED}"}
    assert traced
    for program in ("fork_server", "local_model/child.py"):
        assert any(program in child for child in children), children
    for key in KEYS:
        assert key not in written
        assert key.decode() not in " ".join(command("serve"))
