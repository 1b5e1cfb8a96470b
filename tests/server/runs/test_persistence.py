"""Results that the database does not accept: the parts that wait, are dropped, or are written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from llm_agent_builder.errors import StoreError
from server.isolation.events import WrittenFile
from server.limits import MIB, Limits
from server.runs.persistence import RunWriter
from server.runs.run import Run, RunOptions
from server.storage.database_threads import DatabaseThreads
from server.storage.records import Event, FileSize, RunResult
from server.storage.store import Store
from tests.support.gateway_client import eventually
from tests.support.locked_database import locked


def ended(store: Store, run_id: str, output: str = "hi", **odd: object) -> Run:
    """Return an ended run that is still open in the database."""
    store.add_run(run_id, code="", task="", backend="local")
    run = Run(run_id, "", "", Limits(), "local", RunOptions())
    run.events.append(Event(1, "output", {"stream": "stdout", "text": output, **odd}))
    run.files = (WrittenFile("x", b"left"),)
    run.result = RunResult(status="success", files=(FileSize("x", 4),))
    run.status = run.result.status
    run.add(run.result)
    return run


@contextlib.asynccontextmanager
async def book(store: Store) -> AsyncIterator[RunWriter]:
    threads = DatabaseThreads(store.database)
    found = RunWriter(store, threads)
    writer = asyncio.create_task(found.retry_unwritten())
    try:
        yield found
    finally:
        writer.cancel()
        threads.close()


def with_store(folder: Path, url: str | None, steps: Callable[[Store], Awaitable[None]]) -> None:
    with contextlib.closing(Store(folder, url)) as store:
        asyncio.run(asyncio.wait_for(_awaited(steps(store)), 120))


async def _awaited(steps: Awaitable[None]) -> None:
    await steps


def test_end_waits_while_it_can_not_be_written_and_is_written_once_it_can(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        run = ended(store, "a")
        async with book(store) as found:
            with locked(tmp_path):
                await found.close(run)
                assert "1 ended run waits" in (found.problem or "")
                assert found.unwritten == {"a": run}
            await eventually(lambda: not found.unwritten)
        assert found.problem is None
        assert store.run("a").status == "success"
        assert [kind for _, kind, _ in store.events("a")] == ["output", "exit"]
        assert store.file("a", "x") == b"left"

    with_store(tmp_path, None, steps)


def test_unwritten_output_is_limited_and_results_are_never_dropped(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        runs = [ended(store, f"{number}", "x" * 30 * MIB) for number in range(4)]
        async with book(store) as found:
            with locked(tmp_path):
                await asyncio.gather(*(found.close(run) for run in runs))
                assert sum(run.size() for run in runs) <= 64 * MIB
            await eventually(lambda: not found.unwritten)
        assert [store.run(run.id).status for run in runs] == ["success"] * 4
        lengths = [len(store.events(run.id)[0].data["text"]) for run in runs]
        assert sorted(lengths) == [0, 0, 30 * MIB, 30 * MIB]

    with_store(tmp_path, None, steps)


@pytest.mark.matrix
def test_new_runs_are_refused_while_too_many_ends_wait(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        runs = [ended(store, f"{number}") for number in range(100)]
        async with book(store) as found:
            found.require_capacity()
            with locked(tmp_path):
                await asyncio.gather(*(found.close(run) for run in runs))
                with pytest.raises(StoreError, match="100 ended runs wait to be written"):
                    found.require_capacity()
            await eventually(lambda: not found.unwritten)
            found.require_capacity()

    with_store(tmp_path, None, steps)


def test_unstorable_output_delays_no_result(tmp_path: Path, database_url: str) -> None:
    async def steps(store: Store) -> None:
        odd, other = ended(store, "odd", number={1, 2}), ended(store, "other")
        async with book(store) as found:
            await found.close(odd)
            await found.close(other)
            await eventually(lambda: not found.unwritten)
        assert [store.run(run_id).status for run_id in ("odd", "other")] == ["success"] * 2
        assert store.events("odd")[-1][1] == "exit"

    with_store(tmp_path, database_url, steps)


def test_run_is_stored_without_an_unstorable_part(tmp_path: Path, database_url: str) -> None:
    async def steps(store: Store) -> None:
        odd = ended(store, "odd", number=float("inf"))
        odd.cassette = '{"calls": [NULL]}'
        async with book(store) as found:
            await found.close(odd)
            await eventually(lambda: not found.unwritten)
        assert store.run("odd").status == "success"
        assert [kind for _, kind, _ in store.events("odd")] == ["exit"]
        assert store.file("odd", "x") == b"left"

    with_store(tmp_path, database_url, steps)


def test_end_waits_for_a_write_of_the_same_run_that_is_under_way(tmp_path: Path) -> None:
    async def steps(store: Store) -> None:
        run = ended(store, "a")
        async with book(store) as found:
            with locked(tmp_path):
                writing = asyncio.create_task(found.write_behind(run))
                await eventually(run.writing.locked)
                writing.cancel()  # as at a run's end
                await asyncio.wait({writing})
                assert run.writing.locked()
                closing = asyncio.create_task(found.close(run))
            await closing
            assert not found.unwritten
        assert [number for number, _, _ in store.events("a")] == [1, 2]
        assert store.run("a").status == "success"

    with_store(tmp_path, None, steps)
