"""One server's gateway under a daily cap on calls, as a process that a test can kill.

`python -m tests.support.spending_process DATABASE-URL UPSTREAM-URL CALLS-A-DAY FOLDER` makes calls,
two at a time, until the day's budget refuses one. It says `ready`, and for each call `begun` with
the first bytes of its answer, then `ended`; at last `refused`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp

from llm_agent_builder.providers import ProviderEnum
from server.budgets.daily_budget import DailyBudget, run_spend_writer
from server.budgets.ledger import Caps, Ledger
from server.budgets.run_budget import RunBudget
from server.budgets.spend_store import SpendStore
from server.gateway.gateway import Gateway, Grant, Upstream
from server.gateway.metering import today
from server.secret import Secret
from server.storage.store import Store
from tests.support.gateway_client import asking, bearer


def say(word: str) -> None:
    print(word, flush=True)


async def call_until_refused(session: aiohttp.ClientSession, grant: Grant) -> None:
    while True:
        options = {"json": asking(stream=True), "headers": bearer(grant)}
        async with session.post("/v1/messages", **options) as answer:  # type: ignore[arg-type]
            if answer.status == 402:
                return
            async for _ in answer.content.iter_any():
                say("begun")
        say("ended")


async def main(database: str, upstream: str, calls: str, folder: str) -> None:
    async def policy(provider: ProviderEnum) -> Upstream:
        return Upstream("provider", upstream, Secret("key"))

    store = Store(Path(folder), database)
    daily = DailyBudget(Caps(calls=int(calls)), today, SpendStore(store.database).exchange)
    books = asyncio.create_task(run_spend_writer(daily))
    gateway = Gateway(environ={})
    await gateway.start()
    say("ready")
    budget = RunBudget(Ledger("run", Caps()), daily)
    grant = await gateway.open(policy, lambda call: None, budget=budget)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{grant.port}") as session:
        await asyncio.gather(*(call_until_refused(session, grant) for _ in range(2)))
    say("refused")
    books.cancel()
    await grant.close()
    await gateway.close()
    store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
