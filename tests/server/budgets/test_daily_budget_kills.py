"""The daily budget when servers are killed, and its arithmetic."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.errors import StoreError
from llm_agent_builder.providers import ProviderEnum
from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import Amount, BudgetError, Caps, Reservation
from server.budgets.spend_store import SpendStore
from server.gateway.gateway import Gateway, Grant, Upstream
from server.gateway.metering import today
from server.secret import Secret
from server.storage.database import UnclearWriteError
from tests.server.budgets.test_daily_budget import (
    DAY,
    ROOT,
    Database,
    budget_of,
    fail,
    held,
    stores,
)
from tests.support.gateway_client import asking, bearer
from tests.support.serving import wait_until
from tests.support.upstream import Answer, Received, message_events, scripted


@contextmanager
def calling(url: str, upstream: str, calls: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a server's gateway as a process that makes calls; it is killed in the end."""
    command = [sys.executable, "-m", "tests.support.spending_process"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, url, upstream, str(calls), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read what a process says up to a word."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.strip())
        if said[-1] == word:
            return
    raise AssertionError(f"it ended without {word!r}: {said}")


@contextmanager
def odd_upstream() -> Iterator[str]:
    """Run the upstream of the benchmark, which counts what it writes and says it in odd forms."""
    command = [sys.executable, str(ROOT / "scripts" / "bench_upstream.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


@pytest.mark.parametrize("cap", [900, 4000, 9000])
def test_streams_of_two_servers_stay_within_the_daily_cap(
    url: str, tmp_path: Path, cap: int
) -> None:
    rng = random.Random(cap)

    async def one(session: aiohttp.ClientSession, grant: Grant) -> None:
        body = asking(stream=True, max_tokens=rng.choice([20, 60, 50_000]))
        place = f"http://127.0.0.1:{grant.port}/v1/messages"
        headers = {**bearer(grant), "x-trial": "one"}
        with suppress(aiohttp.ClientError):
            async with session.post(place, json=body, headers=headers) as answer:
                await answer.read()

    async def inside(servers: list[SpendStore], upstream: str) -> int:
        async def policy(provider: ProviderEnum) -> Upstream:
            return Upstream("provider", upstream, Secret("key"))

        gateway = Gateway(environ={})
        await gateway.start()
        days = [DailyBudget(Caps(tokens=cap), today, store.exchange) for store in servers]
        grants = [
            await gateway.open(policy, lambda call: None, budget=budget_of(day)) for day in days
        ]
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                await asyncio.gather(*(one(session, grant) for grant in grants * 15))
                await asyncio.gather(*(day.write() for day in days))
            for grant in grants:
                await grant.close()
            await gateway.close()
            async with session.get(f"{upstream}/spent") as answer:
                return int((await answer.json()).get("one", 0))

    with stores(url, 2, tmp_path) as servers, odd_upstream() as upstream:
        spent = asyncio.run(inside(servers, upstream))
        assert 0 < spent <= servers[0].total(today()).tokens <= cap


POINTS = {"ready": 0, "reserved": 0, "begun": 4, "ended": 2, "refused": 99}
"""Where both servers are killed, and how many calls are answered before."""


@pytest.mark.matrix
def test_servers_killed_at_any_point_never_make_more_calls_than_the_day_allows(
    url: str, tmp_path: Path
) -> None:
    most = 20
    gates = {point: threading.Semaphore(allowed) for point, allowed in POINTS.items()}
    first, *rest = message_events("hi", "there")

    def answer(request: Received) -> Answer:
        gates[point].acquire(timeout=60)
        chunks = [first, *rest]
        return Answer(headers={"Content-Type": "text/event-stream"}, chunks=chunks, pause=pause)

    with scripted(answer) as upstream:
        for point, gate in gates.items():
            asked, pause = len(upstream.received), 1.0 if point == "begun" else 0.0
            with (
                calling(url, upstream.url, most, tmp_path) as one,
                calling(url, upstream.url, most, tmp_path) as two,
            ):
                wait_for(one, "ready" if point == "reserved" else point)
                if point == "reserved":
                    wait_until(lambda before=asked: len(upstream.received) > before, 60)
                one.kill()
                two.kill()
            gate.release(99)
        made = len(upstream.received)
    with stores(url, 1, tmp_path) as [store]:
        assert made <= store.total(today()).calls == most


# ---------------------------------------------------------------- arithmetic

steps = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["reserve", "settle", "write", "fault", "unclear"]),
        st.integers(0, 400),
    ),
    max_size=40,
)


@given(st.integers(0, 1500), steps)
def test_sum_is_between_usage_and_cap_in_any_order(
    cap: int, order: list[tuple[int, str, int]]
) -> None:
    database = Database()

    async def inside() -> None:
        days = [DailyBudget(Caps(tokens=cap), lambda: DAY, database.visit) for _ in range(2)]
        under_way: list[list[Reservation]] = [[], []]
        used = 0
        for server, step, size in order:
            database.fault = fail(StoreError("fault")) if step == "fault" else lambda: None
            unclear = fail(UnclearWriteError("lost")) if step == "unclear" else lambda: None
            database.late_fault = unclear
            if step == "write":
                await days[server].write()
            elif step == "settle" and under_way[server]:
                taken = under_way[server].pop()
                used += min(size, taken.amount.tokens)
                taken.settle(Amount(0, min(size, taken.amount.tokens), 1))
            elif step != "settle":
                with suppress(BudgetError, StoreError):
                    under_way[server].append(await held(budget_of(days[server]), size))
            reserved = sum(each.amount.tokens for each in under_way[0] + under_way[1])
            assert database.total.tokens >= used + reserved
            assert used + reserved <= cap

    asyncio.run(inside())
