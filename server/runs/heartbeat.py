"""The periodic work of a server on its database.

It renews its lease, ends the runs of servers that are gone, cancels runs whose
cancellation was requested from another server, and prunes the history.
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
_POLL_S = 0.5
"""How often to look for cancellations that were requested from another server."""
_PRUNE_S = 1.0


class RunOwner(Protocol):
    """Owns the runs that the lease is for."""

    def open_statuses(self) -> Mapping[str, str]:
        """Return the status of each run that has not ended, by id."""
        ...

    def in_memory(self) -> Collection[str]:
        """Return the ids of open runs, and of those whose result is not in the database yet."""
        ...

    def request_cancel(self, run_id: str) -> None:
        """Cancel a run soon; does nothing if it is not open."""
        ...


class Heartbeat:
    """The background work of one server, from `start` to `close`."""

    def __init__(
        self,
        store: Store,
        threads: DatabaseThreads,
        lease: Lease,
        pruning: Pruning,
        owner: RunOwner,
    ) -> None:
        self._store = store
        self._threads = threads
        self._lease = lease
        self._pruning = pruning
        self._owner = owner
        self._tasks: list[asyncio.Task[None]] = []
        self._probe: asyncio.Task[str | None] | None = None
        self.may_prune = True
        """Whether the history may have grown since it was last pruned."""

    async def start(self) -> None:
        """Take the lease, end the runs of servers that are gone, and begin.

        Raises:
            StoreError: the database can't be used.

        """
        _log_ended(await self._threads.write(self._lease.begin))
        steps = ((HEARTBEAT_S, self.beat), (_POLL_S, self._cancel), (_PRUNE_S, self._prune))
        self._tasks = [asyncio.create_task(_every(seconds, step)) for seconds, step in steps]

    async def close(self, *, release: bool) -> None:
        """End the work; with `release`, delete the lease, because no run is open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if release:
            try:
                await self._threads.write(self._lease.release)
            except MachineryError as error:
                _log.warning("the lease was not released: %s", error)

    async def problem(self) -> str | None:
        """Try a write; return the message why it failed, or None."""
        if self._probe is None or self._probe.done():  # simultaneous callers share one write
            self._probe = asyncio.create_task(self._try_a_write())
        return await asyncio.shield(self._probe)

    async def _try_a_write(self) -> str | None:
        try:
            return await self._threads.probe(self._lease.problem)
        except MachineryError as error:  # no response at all
            return str(error)

    # ------------------------------------------------------------ steps

    async def beat(self) -> None:
        """Renew the lease; end runs of lost servers, and own runs that failed at admission."""
        try:
            await self._threads.write(self._lease.beat, self._owner.open_statuses())
        except MachineryError:
            self._lease.reset_observations()
            raise
        _log_ended(await self._threads.write(self._lease.end_lost))
        known = await self._threads.read(self._store.open_runs, self._lease.id)
        if lost := set(known) - set(self._owner.in_memory()):
            await self._threads.write(self._store.end_lost, lost)

    async def _cancel(self) -> None:
        if self._owner.open_statuses():
            for run_id in await self._threads.read(self._store.asked_to_cancel, self._lease.id):
                self._owner.request_cancel(run_id)

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
    """Repeat a step until cancelled; failures are logged."""
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
