"""The output of a run as events."""

from __future__ import annotations

import asyncio

from server.isolation.events import OutputEvent
from server.isolation.output import OutputBuffer


def events_of(turns: int, pause_s: float = 0.0) -> list[OutputEvent]:
    """Return the events of two alternating streams."""
    found: list[OutputEvent] = []

    async def inside() -> None:
        buffer = OutputBuffer(found.append)
        for turn in range(turns):
            buffer.add("stdout", f"{turn} ")
            buffer.add("stderr", f"{turn} ")
            if pause_s:
                await asyncio.sleep(pause_s)
        buffer.flush()

    asyncio.run(inside())
    return found


def test_streams_that_take_turns_stay_in_order_of_arrival() -> None:
    assert [(event.stream, event.text) for event in events_of(10)] == [
        (stream, f"{turn} ") for turn in range(10) for stream in ("stdout", "stderr")
    ]


def test_alternating_streams_make_few_events_and_lose_nothing() -> None:
    found = events_of(20_000)
    assert len(found) < 5_000
    for stream in ("stdout", "stderr"):
        text = "".join(event.text for event in found if event.stream == stream)
        assert text == "".join(f"{turn} " for turn in range(20_000))


def test_large_output_is_split_into_events_of_limited_size() -> None:
    found: list[OutputEvent] = []

    async def inside() -> None:
        buffer = OutputBuffer(found.append)
        for _ in range(100):
            buffer.add("stdout", "x" * 65_536)
        buffer.flush()

    asyncio.run(inside())
    assert sum(len(event.text) for event in found) == 100 * 65_536
    assert max(len(event.text) for event in found) <= 2 * 65_536
