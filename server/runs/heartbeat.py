"""What a server does for a shared database again and again, whatever runs it has.

It renews its lease, ends the runs of servers that are gone, cancels runs that other servers were
asked to cancel, and removes what is beyond the limits of the history.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol

from llm_agent_builder.errors import MachineryError
from server.storage.database_threads import DatabaseThreads
from server.storage.leases import HEARTBEAT_S, Lease
from server.storage.pruning import Pruning
from server.storage.store import Store

_log = logging.getLogger(__name__)
_LOOK_S = 0.5
"""A cancellation asked of another server is seen within this time."""
_PRUNE_S = 1.0


class Carrier(Protocol):
    """Whose runs the lease is for."""

    def going(self) -> Mapping[str, str]:
        """Return the runs that have not ended, with their statuses."""
        ...

    def in_memory(self) -> Collection[str]:
        """Return the runs whose end the database may not know yet, those that go among them."""
        ...

    def cancel_soon(self, run_id: str) -> None:
        """Have a run end; one that is not there is left out."""
        ...


class Heartbeat:
    """The background work of one server, from `start` to `close`."""

    def __init__(
        self,
        store: Store,
        threads: DatabaseThreads,
        lease: Lease,
        pruning: Pruning,
        carrier: Carrier,
    ) -> None:
        self._store = store
        self._threads = threads
        self._lease = lease
        self._pruning = pruning
        self._carrier = carrier
        self._tasks: list[asyncio.Task[None]] = []
        self._probe: asyncio.Task[str | None] | None = None
        self.may_prune = True
        """Whether the history may have grown since it was last looked at."""

    async def start(self) -> None:
        """Take the lease, end the runs of servers that are gone, and begin.

        Raises:
            StoreError: the database can't be used.

        """
        _log_ended(await self._threads.write(self._lease.begin))
        steps = ((HEARTBEAT_S, self.beat), (_LOOK_S, self._cancel), (_PRUNE_S, self._prune))
        self._tasks = [asyncio.create_task(_every(seconds, step)) for seconds, step in steps]

    async def close(self, *, release: bool) -> None:
        """End the work; with `release`, give the lease back: none of its runs is left open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if release:
            try:
                await self._threads.write(self._lease.release)
            except MachineryError as error:
                _log.warning("the lease is not given back: %s", error)

    async def problem(self) -> str | None:
        """Return why the database takes no write, tried now, in words; None: it does."""
        if self._probe is None or self._probe.done():  # many who ask at once share one write
            self._probe = asyncio.create_task(self._try_a_write())
        return await asyncio.shield(self._probe)

    async def _try_a_write(self) -> str | None:
        try:
            return await self._threads.probe(self._lease.problem)
        except MachineryError as error:  # no answer at all
            return str(error)

    # ------------------------------------------------------------ steps

    async def beat(self) -> None:
        """Renew the lease, and look at the other servers' and at what admissions left behind."""
        try:
            await self._threads.write(self._lease.beat, self._carrier.going())
        except MachineryError:
            self._lease.forget_looks()
            raise
        _log_ended(await self._threads.write(self._lease.end_lost))
        known = await self._threads.read(self._store.open_runs, self._lease.id)
        if lost := set(known) - set(self._carrier.in_memory()):
            await self._threads.write(self._store.end_lost, lost)

    async def _cancel(self) -> None:
        if self._carrier.going():
            for run_id in await self._threads.read(self._store.asked_to_cancel, self._lease.id):
                self._carrier.cancel_soon(run_id)

    async def _prune(self) -> None:
        if not self.may_prune:
            return
        self.may_prune = False
        try:
            while await self._threads.write(self._pruning.step):
                await asyncio.sleep(0)
        except MachineryError:
            self.may_prune = True
            raise


async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    """Do a step again and again; one that fails is logged, and done again."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await step()
        except MachineryError as error:
            _log.warning("%s: %s", step.__name__.strip("_"), error)
        except Exception:
            _log.exception("%s failed", step.__name__.strip("_"))


def _log_ended(count: int) -> None:
    if count:
        _log.warning("ended %d runs of servers that are gone", count)
