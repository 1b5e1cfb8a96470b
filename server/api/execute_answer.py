"""The answer of `POST /api/execute`: JSON, written in pieces.

A run can write 32 MiB, a character can take six bytes in JSON, and the answer contains the output
twice. So the answer is never in memory as a whole: the output is read page by page, from the
database if it is large, and sent as fast as the client reads.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from llm_agent_builder.errors import StoreError
from server.models import ExecuteResponse, returned_file
from server.runs.run import Run
from server.storage.records import Event

_IN_MEMORY_MAX_BYTES = 256 * 1024
"""Output up to this size is read from memory instead of the database."""
_PIECE_CHARACTERS = 64 * 1024
_STREAMS: dict[str, tuple[str, ...]] = {
    "output": ("stdout", "stderr"),
    "stdout": ("stdout",),
    "stderr": ("stderr",),
}

Pages = Callable[[], AsyncIterator[Sequence[Event]]]
"""Returns an iterator over the pages of a run's events."""


def execute_answer(run: Run, stored: Pages) -> AsyncIterator[bytes]:
    """Return the pieces of the `ExecuteResponse` of a run that has ended.

    They don't reference the run. `stored` reads the events of a run with large output; if that
    fails, the answer breaks off with a StoreError.
    """
    pages = _in_memory(run.events) if run.size() <= _IN_MEMORY_MAX_BYTES else stored
    return _pieces(_small_parts(run), run.cassette or "null", pages)


def _small_parts(run: Run) -> bytes:
    """Return everything but output and recording, as JSON without its last brace."""
    assert run.result is not None
    taken = ExecuteResponse.model_fields.keys() - {"files"}
    answer = ExecuteResponse(
        **{key: value for key, value in run.result.to_wire().items() if key in taken},
        files=[returned_file(file) for file in run.files],
        output="",
        stdout="",
        stderr="",
        run_id=run.id,
        backend=run.backend,
        recording_full=run.recording_full,
        denied=run.denied(),
        budget=run.over_budget if run.result.reason == "budget" else None,
        missing=list(run.missing),
    )
    return answer.model_dump_json(exclude={"cassette", *_STREAMS}).encode()[:-1]


async def _pieces(start: bytes, cassette: str, pages: Pages) -> AsyncIterator[bytes]:
    yield start
    # It is JSON already; as parsed objects it would take many times its size.
    yield b',"cassette":' + cassette.encode()
    for name, streams in _STREAMS.items():
        yield f',"{name}":"'.encode()
        async for text in _texts(pages, streams):
            yield json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "replace")
        yield b'"'
    yield b"}"


async def _texts(pages: Pages, streams: tuple[str, ...]) -> AsyncIterator[str]:
    """Yield the text of some streams, with small pieces joined."""
    last = ""
    async for page in pages():
        last = page[-1][1]
        for text in _joined(page, streams):
            yield text
    if last != "exit":
        raise StoreError("the run was deleted from the history while it was read")


def _joined(page: Sequence[Event], streams: tuple[str, ...]) -> Iterator[str]:
    texts, size = [""], 0
    for _, kind, data in page:
        if kind == "output" and data["stream"] in streams:
            texts.append(data["text"])
            size += len(data["text"])
            if size >= _PIECE_CHARACTERS:
                yield "".join(texts)
                texts, size = [""], 0
    yield "".join(texts)


def _in_memory(events: Sequence[Event]) -> Pages:
    async def pages() -> AsyncIterator[Sequence[Any]]:
        yield events

    return pages
