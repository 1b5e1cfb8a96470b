"""The daily budget is shared by all servers of a database, even if one fails."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path

import pytest

from llm_agent_builder.errors import StoreError
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.requests.facts import RequestFacts
from server.budgets.daily_budget import DailyBudget, run_spend_writer, write_spending
from server.budgets.ledger import NOTHING, Amount, BudgetError, Caps, Ledger, Reservation
from server.budgets.run_budget import RunBudget
from server.budgets.spend_store import Exchange, SpendStore
from server.storage.database import UnclearWriteError
from server.storage.store import Store
from tests.support.gateway_client import MODEL, eventually

A = ProviderEnum.ANTHROPIC
DAY = date(2026, 11, 26)
MOST = 2**63 - 1
ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def stores(url: str, count: int, folder: Path) -> Iterator[list[SpendStore]]:
    """Yield what `count` servers of one database have, each with connections of its own."""
    with ExitStack() as open_:
        stores = [open_.enter_context(closing(Store(folder, url))) for _ in range(count)]
        yield [SpendStore(store.database) for store in stores]


def budget_of(daily: DailyBudget) -> RunBudget:
    return RunBudget(Ledger("run", Caps()), daily)


async def held(of: RunBudget, tokens: int = 100, *, stream: bool = False) -> Reservation:
    asked = RequestFacts(model=MODEL, max_tokens=tokens, stream=stream)
    return await of.reserve(A, asked, DAY, free=False)


# ---------------------------------------------------------------- the row


def test_servers_that_begin_a_day_together_make_one_row_and_lose_nothing(
    url: str, tmp_path: Path
) -> None:
    with stores(url, 6, tmp_path) as servers:
        ready = threading.Barrier(len(servers))

        def count(store: SpendStore) -> None:
            ready.wait()
            for number in range(20):
                store.exchange(DAY + timedelta(number % 4), Amount(1, 2, 1))

        threads = [threading.Thread(target=count, args=[store]) for store in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        totals = [servers[0].total(DAY + timedelta(number)) for number in range(4)]
    assert totals == [Amount(30, 60, 30)] * 4


def test_sums_stay_within_64_bits(url: str, tmp_path: Path) -> None:
    with stores(url, 1, tmp_path) as [store]:
        store.exchange(DAY, Amount(10**30, MOST, 1))
        assert store.exchange(DAY, Amount(5, 5, 5)).total == Amount(MOST, MOST, 6)
        assert store.exchange(DAY, Amount(0, 0, 1), [Amount(1, 0, 0)], Caps(usd=1)).granted == (
            False,
        )
        assert store.exchange(DAY, Amount(-(10**30), -7, 0)).total == Amount(0, MOST - 7, 7)


def test_row_of_an_earlier_version_is_read_also_where_its_sum_became_a_float(
    tmp_path: Path,
) -> None:
    file = tmp_path / "runs.sqlite3"
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            "CREATE TABLE spend (day DATE NOT NULL PRIMARY KEY, nano BIGINT NOT NULL,"
            " tokens BIGINT NOT NULL, calls BIGINT NOT NULL)"
        )
        database.execute("INSERT INTO spend VALUES (?, 7, 9.3e18, 1)", [DAY.isoformat()])
        database.commit()
    with stores(f"sqlite:///{file}", 1, tmp_path) as [store]:
        assert store.exchange(DAY, Amount(1, 0, 1)).total == Amount(8, MOST, 2)


def test_of_amounts_asked_for_together_those_that_fit_are_granted(url: str, tmp_path: Path) -> None:
    asked = [Amount(0, 60, 1), Amount(0, 60, 1), Amount(0, 40, 1), Amount(0, 1, 1)]
    with stores(url, 1, tmp_path) as [store]:
        found = store.exchange(DAY, NOTHING, asked, Caps(tokens=100))
    assert found == Exchange(Amount(0, 100, 2), (True, False, True, False))


# ---------------------------------------------------------------- several servers


@pytest.mark.parametrize("caps", [Caps(tokens=5000), Caps(usd=0.02), Caps(calls=9)])
def test_servers_of_one_database_never_reserve_more_than_the_cap_together(
    url: str, tmp_path: Path, caps: Caps
) -> None:
    rng = random.Random(3)

    async def call(of: RunBudget) -> None:
        with suppress(BudgetError):
            taken = await held(of, rng.choice([20, 60, 400]), stream=rng.random() < 0.5)
            await asyncio.sleep(0)
            taken.settle(rng.choice([None, Amount(taken.amount.nano // 2, 30, 1)]))

    async def inside(servers: list[SpendStore]) -> Amount:
        days = [DailyBudget(caps, lambda: DAY, store.exchange) for store in servers]
        most = NOTHING
        for _ in range(8):
            await asyncio.gather(*(call(budget_of(day)) for day in days for _ in range(15)))
            most = most.at_least(servers[0].total(DAY))
            await asyncio.gather(*(day.write() for day in days))
        settled = servers[0].total(DAY)
        for day in days:
            await day.refresh(DAY)
            assert day.ledger(DAY).taken == settled
            assert day.ledger(DAY).reserved == NOTHING
        assert caps.allow(most)
        return settled

    with stores(url, 3, tmp_path) as servers:
        settled = asyncio.run(inside(servers))
    assert settled.calls > 5


def test_amount_released_by_another_server_is_usable_at_once(url: str, tmp_path: Path) -> None:
    async def inside(one: SpendStore, two: SpendStore) -> None:
        mine, other = (
            DailyBudget(Caps(calls=1), lambda: DAY, each.exchange) for each in (one, two)
        )
        taken = await held(budget_of(mine))
        with pytest.raises(BudgetError, match="for today"):
            await held(budget_of(other))
        taken.settle(NOTHING)
        await mine.write()
        await held(budget_of(other))

    with stores(url, 2, tmp_path) as [one, two]:
        asyncio.run(inside(one, two))


def test_idle_server_sees_usage_and_releases_of_others(url: str, tmp_path: Path) -> None:
    async def inside(one: SpendStore, two: SpendStore) -> None:
        busy = DailyBudget(Caps(calls=10), lambda: DAY, one.exchange)
        idle = DailyBudget(Caps(calls=10), lambda: DAY, two.exchange, refresh_every=0)
        taken = [await held(budget_of(busy)) for _ in range(8)]
        await idle.write()
        assert idle.used_share() == 0.8
        for each in taken:
            each.settle(NOTHING)
        await busy.write()
        await idle.write()
        assert idle.used_share() == 0

    with stores(url, 2, tmp_path) as [one, two]:
        asyncio.run(inside(one, two))


def test_nothing_is_counted_in_a_database_file_that_was_removed(tmp_path: Path) -> None:
    with stores(f"sqlite:///{tmp_path / 'runs.sqlite3'}", 1, tmp_path) as [store]:
        store.exchange(DAY, Amount(1, 1, 1))
        (tmp_path / "runs.sqlite3").unlink()
        with pytest.raises(StoreError, match="was deleted or replaced"):
            store.exchange(DAY, Amount(1, 1, 1))


def test_stream_that_begins_though_it_does_not_fit_reserves_all_that_is_left(
    url: str, tmp_path: Path
) -> None:
    async def inside(one: SpendStore, two: SpendStore) -> None:
        mine, other = (
            DailyBudget(Caps(tokens=5000), lambda: DAY, each.exchange) for each in (one, two)
        )
        await held(budget_of(mine), 1000)
        taken = await held(budget_of(other), 10**30, stream=True)
        assert taken.cut_at is not None
        assert one.total(DAY).tokens == 5000
        with pytest.raises(BudgetError):
            await held(budget_of(mine), 1)

    with stores(url, 2, tmp_path) as [one, two]:
        asyncio.run(inside(one, two))


def test_server_without_a_cap_asks_the_database_nothing_before_a_call_and_is_seen_by_others(
    url: str, tmp_path: Path
) -> None:
    async def inside(one: SpendStore, two: SpendStore) -> None:
        visits: list[str] = []

        def visit(day: date, difference: Amount, asked: Sequence[Amount], caps: Caps) -> Exchange:
            visits.append("visit")
            return one.exchange(day, difference, asked, caps)

        free, capped = (
            DailyBudget(Caps(), lambda: DAY, visit),
            DailyBudget(Caps(tokens=150), lambda: DAY, two.exchange),
        )
        taken = await held(budget_of(free))
        assert visits == []
        taken.settle(Amount(1, 149, 1))
        await free.write()
        with pytest.raises(BudgetError):
            await held(budget_of(capped), 10)

    with stores(url, 2, tmp_path) as [one, two]:
        asyncio.run(inside(one, two))


# ---------------------------------------------------------------- midnight


def test_call_of_yesterday_counts_on_yesterdays_row_and_no_row_is_read_on_the_loop(
    url: str, tmp_path: Path
) -> None:
    threads: set[int] = set()

    async def inside(store: SpendStore) -> list[Amount]:
        def visit(day: date, difference: Amount, asked: Sequence[Amount], caps: Caps) -> Exchange:
            threads.add(threading.get_ident())
            return store.exchange(day, difference, asked, caps)

        tomorrow = DAY + timedelta(1)
        store.exchange(tomorrow, Amount(0, 0, 1))  # another server was there first
        days = DailyBudget(Caps(calls=2), lambda: tomorrow, visit)
        purse = budget_of(days)
        old = await held(purse)
        asked = RequestFacts(model=MODEL, max_tokens=1)
        await purse.reserve(A, asked, tomorrow, free=False)
        with pytest.raises(BudgetError):
            await purse.reserve(A, asked, tomorrow, free=False)
        old.settle(Amount(5, 6, 1))
        await days.write()
        assert days.used_share() == 1.0
        return [store.total(DAY), store.total(tomorrow)]

    with stores(url, 1, tmp_path) as [store]:
        yesterday, today = asyncio.run(inside(store))
    assert yesterday == Amount(5, 6, 1)
    assert today.calls == 2
    assert threading.get_ident() not in threads


# ---------------------------------------------------------------- what fails


class Database:
    """A day's row in memory; an exchange with it can fail or hang."""

    def __init__(self) -> None:
        self.total = NOTHING
        self.fault: Callable[[], None] = lambda: None
        self.late_fault: Callable[[], None] = lambda: None

    def visit(
        self, day: date, difference: Amount, asked: Sequence[Amount] = (), caps: Caps | None = None
    ) -> Exchange:
        self.fault()
        total, granted = self.total + difference, []
        for amount in asked:
            granted.append((caps or Caps()).allow(total + amount))
            total = total + amount if granted[-1] else total
        self.total = total
        self.late_fault()
        return Exchange(total, tuple(granted))


def fail(error: Exception) -> Callable[[], None]:
    def raise_() -> None:
        raise error

    return raise_


@pytest.mark.parametrize(
    "error", [StoreError("full"), OverflowError("too large"), RuntimeError(), KeyError("x")]
)
def test_spend_writer_logs_any_exception_and_continues(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database()

    async def inside() -> None:
        daily = DailyBudget(Caps(), lambda: DAY, database.visit)
        books = asyncio.create_task(run_spend_writer(daily))
        database.fault = fail(error)
        (await held(budget_of(daily))).settle(Amount(1, 2, 1))
        await eventually(lambda: daily.problem)
        await eventually(lambda: "the day's spending can't be written; calls go on" in caplog.text)
        assert not books.done()
        database.fault = lambda: None
        await eventually(lambda: database.total == Amount(1, 2, 1))
        assert daily.problem is None
        books.cancel()

    with caplog.at_level(logging.ERROR):
        asyncio.run(inside())


def test_under_a_cap_calls_are_refused_while_the_database_fails_and_free_ones_go_on() -> None:
    database = Database()

    async def inside() -> None:
        daily = DailyBudget(Caps(calls=5), lambda: DAY, database.visit)
        purse = budget_of(daily)
        database.fault = fail(StoreError("the disk is full"))
        for _ in range(3):
            with pytest.raises(StoreError, match="the disk is full"):
                await held(purse)
        await purse.reserve(A, RequestFacts(model=MODEL, max_tokens=1), DAY, free=True)
        problem = daily.problem
        assert problem == "the disk is full"
        assert daily.ledger(DAY).taken == NOTHING
        assert not await write_spending(daily)  # tries also where there is nothing to write
        database.fault = lambda: None
        assert await write_spending(daily)
        assert daily.problem is None
        await held(purse)

    asyncio.run(inside())
    assert database.total.calls == 1


def test_unresponsive_database_refuses_in_time_and_late_grants_are_released() -> None:
    database = Database()
    answers = threading.Event()

    def wait() -> None:
        assert answers.wait(30)

    database.fault = wait

    async def inside() -> None:
        daily = DailyBudget(Caps(calls=1), lambda: DAY, database.visit, reserve_timeout=0.05)
        purse = budget_of(daily)
        with pytest.raises(StoreError, match=r"did not answer within 0\.05 s"):
            await held(purse)
        with pytest.raises(StoreError):  # while the first one still waits in its thread
            await held(purse)
        daily.reserve_timeout = 30
        answers.set()
        await daily.write()
        await held(purse)
        assert purse.run.reserved.calls == 1

    asyncio.run(inside())
    assert database.total.calls == 1


def test_call_that_ends_while_its_reservation_is_written_gives_it_back() -> None:
    database = Database()
    begun, answers = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert answers.wait(30)

    database.fault = wait

    async def inside() -> None:
        daily = DailyBudget(Caps(calls=2), lambda: DAY, database.visit)
        purse = budget_of(daily)
        waiting = [asyncio.create_task(held(purse)) for _ in range(2)]
        await eventually(begun.is_set)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        answers.set()
        await daily.write()
        await daily.refresh(DAY)
        assert purse.run.reserved == daily.ledger(DAY).reserved == NOTHING

    asyncio.run(inside())
    assert database.total == NOTHING


def test_amount_of_an_unclear_commit_is_not_subtracted_twice() -> None:
    database = Database()

    async def inside() -> None:
        daily = DailyBudget(Caps(tokens=1000), lambda: DAY, database.visit)
        purse = budget_of(daily)
        (await held(purse, 500)).settle(Amount(0, 100, 1))
        database.late_fault = fail(UnclearWriteError("connection lost"))
        assert not await write_spending(daily)
        database.late_fault = lambda: None
        assert await write_spending(daily)

    asyncio.run(inside())
    assert database.total.tokens == 100
