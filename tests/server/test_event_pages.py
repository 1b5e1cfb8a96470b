"""The events of an ended run are read bit by bit, and those who read are counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from llm_agent_builder.errors import ServerBusyError
from server.run import Event
from server.sse import Readers, event_stream
from server.store import EVENT_BYTES_AT_ONCE, EVENTS_AT_ONCE, Store
from tests.server.api import events_of, execute


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path)
    opened.add_run("a", code="", task="", backend="local")
    yield opened
    opened.close()


def add(store: Store, *texts: str) -> None:
    events = [(seq, "output", {"text": text}) for seq, text in enumerate(texts, 1)]
    store.add_events("a", events)


def pages_of(store: Store) -> list[list[Event]]:
    found: list[list[Event]] = []
    after = 0
    while page := store.events("a", after=after):
        found.append([*page])
        after = page[-1][0]
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


def test_reader_takes_one_page_more_only_when_it_has_read_the_last() -> None:
    asked: list[int] = []

    async def pages() -> AsyncIterator[Sequence[Event]]:
        for number in range(1, 4):
            asked.append(number)
            yield [(number, "output", {"text": "x"})]

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
        readers = Readers(most=2)
        first, second = readers.count(endless()), readers.count(endless())
        await anext(first)
        readers.require_place()
        await anext(second)
        with pytest.raises(ServerBusyError, match="try again in 5 s"):
            readers.require_place()
        await second.aclose()
        readers.require_place()
        await first.aclose()

    asyncio.run(inside())
