"""Events of ended runs are read in pages, and the number of readers is limited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from llm_agent_builder.errors import ServerBusyError, StoreError
from server.api.execute_answer import execute_answer
from server.api.sse import Readers, event_stream
from server.isolation.events import OutputEvent
from server.limits import Limits
from server.runs.run import Run, RunOptions
from server.storage.records import Event, RunResult
from server.storage.store import EVENT_BYTES_AT_ONCE, EVENTS_AT_ONCE, Store
from tests.support.api_client import events_of, execute


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path)
    opened.add_run("a", code="", task="", backend="local")
    yield opened
    opened.close()


def add(store: Store, *texts: str) -> None:
    events = [Event(seq, "output", {"text": text}) for seq, text in enumerate(texts, 1)]
    store.add_events("a", events)


def pages_of(store: Store) -> list[list[Event]]:
    found: list[list[Event]] = []
    after = 0
    while page := store.events("a", after=after):
        found.append([*page])
        after = page[-1].seq
    return found


def test_many_small_events_are_read_by_number(store: Store) -> None:
    texts = [str(number) for number in range(3 * EVENTS_AT_ONCE + 1)]
    add(store, *texts)
    pages = pages_of(store)
    assert [len(page) for page in pages] == [*[EVENTS_AT_ONCE] * 3, 1]
    assert [data["text"] for page in pages for _, _, data in page] == texts


def test_few_large_events_are_read_by_size(store: Store) -> None:
    add(store, *["x" * EVENT_BYTES_AT_ONCE] * 3, *["y" * (EVENT_BYTES_AT_ONCE // 3)] * 6)
    assert [len(page) for page in pages_of(store)] == [1, 1, 1, 3, 3]


def test_events_of_a_run_are_the_same_live_and_from_the_store(client: httpx.Client) -> None:
    code = "import sys\nfor n in range(3000): print('x' * 100); print(n, file=sys.stderr)"
    run = execute(client, code)
    text = client.get(f"/api/runs/{run['run_id']}/events").text
    events = events_of(text)
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    written = [data["text"] for _, kind, data in events if kind == "output"]
    assert "".join(written) == run["output"]
    half = len(events) // 2
    rest = client.get(f"/api/runs/{run['run_id']}/events", headers={"Last-Event-ID": str(half)})
    assert events_of(rest.text) == events[half:]


def test_next_page_is_read_only_after_the_last_one_is_used() -> None:
    asked: list[int] = []

    async def pages() -> AsyncIterator[Sequence[Event]]:
        for number in range(1, 4):
            asked.append(number)
            yield [Event(number, "output", {"text": "x"})]

    async def inside() -> None:
        stream = event_stream(pages())
        assert (await anext(stream)).startswith(b"id: 1\n")
        await asyncio.sleep(0)
        assert asked == [1]
        await stream.aclose()

    asyncio.run(inside())


async def endless() -> AsyncGenerator[bytes, None]:
    while True:
        yield b"x"


def test_readers_are_counted_until_they_leave() -> None:
    async def inside() -> None:
        readers = Readers(max_readers=2)
        first, second = readers.count(endless()), readers.count(endless())
        await anext(first)
        readers.require_capacity()
        await anext(second)
        with pytest.raises(ServerBusyError, match="try again in 5 s"):
            readers.require_capacity()
        await second.aclose()
        readers.require_capacity()
        await first.aclose()

    asyncio.run(inside())


WRITES_MUCH = """
import os
for _ in range({times}):
    for stream in (1, 2):
        left = {text!r}.encode() * {count}
        while left:
            left = left[os.write(stream, left):]
"""


@pytest.mark.parametrize("text", ["\x01", "\0", "\N{GRINNING FACE}", '"\\', "\x7f\u2028é"])
def test_answer_contains_all_output_in_any_characters(client: httpx.Client, text: str) -> None:
    count = 65536 // len(text.encode())
    code = WRITES_MUCH.format(times=8, text=text, count=count)
    run = execute(client, code)
    assert run["status"] == "success"
    assert run["stdout"] == run["stderr"] == text * count * 8
    assert sorted(run["output"]) == sorted(2 * run["stdout"])


def run_that_wrote(times: int, text: str) -> Run:
    run = Run("a", "", "", Limits(), "local", RunOptions())
    for number in range(times):
        run.add(OutputEvent("stderr" if number % 2 else "stdout", text))
    run.result = RunResult(status="success")
    run.add(run.result)
    return run


async def stored(run: Run) -> AsyncIterator[Sequence[Event]]:
    position = 0
    while page := run.page(position):
        yield page
        position += len(page)


def test_answer_is_made_of_small_pieces() -> None:
    run = run_that_wrote(64, "\x01" * 65536)

    async def sizes() -> list[int]:
        return [len(piece) async for piece in execute_answer(run, lambda: stored(run))]

    found = asyncio.run(sizes())
    assert sum(found) > 2 * 64 * 65536 * len("\\u0001")
    assert max(found) < 1024 * 1024


def test_answer_of_a_run_that_is_removed_meanwhile_breaks_off() -> None:
    run = run_that_wrote(64, "x" * 65536)

    async def half() -> AsyncIterator[Sequence[Event]]:
        yield run.events[:32]

    async def read() -> None:
        async for _ in execute_answer(run, half):
            pass

    with pytest.raises(StoreError, match="deleted from the history"):
        asyncio.run(read())


def test_page_of_an_open_run_is_limited_by_size() -> None:
    run = run_that_wrote(9, "x" * (EVENT_BYTES_AT_ONCE // 2))
    assert [len(run.page(position)) for position in (0, 7, 9, 10)] == [2, 2, 1, 0]


def test_large_event_is_written_in_small_pieces_that_make_it_up() -> None:
    data = {"stream": "stdout", "text": "\U0001f600\ud800\0" * 40_000, "time": 0.5, "more": [{}]}
    events = [
        Event(1, "started", {}),
        Event(2, "output", data),
        Event(3, "exit", {"reason": None}),
    ]

    async def pages() -> AsyncIterator[Sequence[Event]]:
        yield events

    async def pieces() -> list[bytes]:
        return [piece async for piece in event_stream(pages())]

    written = asyncio.run(pieces())
    assert max(map(len, written)) < 64 * 1024
    assert events_of(b"".join(written).decode()) == events
