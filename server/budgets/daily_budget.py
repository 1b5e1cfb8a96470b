"""The budget of a day: shared by all servers of a database and the `run` commands beside them.

Under a cap, a call is reserved in the database before it is sent; its usage replaces the
reservation afterwards. A process that is killed leaves its reservations counted, which is safe.
Without a cap no call waits for the database: usage is written in the background, so that servers
with a cap see it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from llm_agent_builder.errors import StoreError
from server.budgets.ledger import NOTHING, Amount, Caps, Ledger, Reservation
from server.budgets.spend_store import Exchange
from server.storage.database import UnclearWriteError

RESERVE_TIMEOUT_S = 10.0
"""Seconds that a call waits for its reservation: longer than SQLite waits for a lock."""
WRITE_EVERY_S = 0.25
REFRESH_EVERY_S = 10.0
"""Seconds between two reads of other servers' usage while this one makes no calls."""
_RETRY_MAX_S = 5.0
"""Longest pause between two attempts to write to a database that fails."""

_log = logging.getLogger(__name__)

ExchangeCall = Callable[[date, Amount, Sequence[Amount], Caps], Exchange]
"""The signature of `SpendStore.exchange`, which blocks and raises StoreError."""


@dataclass(slots=True)
class _Request:
    """A reservation that waits for the database; `answer` is cancelled if its call gives up."""

    reservation: Reservation
    answer: asyncio.Future[bool]

    def release(self) -> None:
        self.reservation.settle(NOTHING)

    def give_up(self) -> None:
        """Stop waiting; release the reservation if it has been granted meanwhile."""
        if self.answer.cancelled() or self.answer.cancel():
            return  # `_Day.answer` releases it
        if self.answer.exception() is None and self.answer.result():
            self.release()


@dataclass(slots=True)
class _Day:
    """One day: the last known state of its database row, and the changes still to be written."""

    ledger: Ledger
    written: Amount = NOTHING
    """The last known total of the database's row, with other servers' amounts."""
    asked: Amount = NOTHING
    """Reserved in the ledger, but not yet granted by the database."""
    requests: list[_Request] = field(default_factory=list)
    exchange: asyncio.Task[None] | None = None

    @property
    def difference(self) -> Amount:
        """The amount to write whatever the caps: it has already been used or released."""
        return self.ledger.taken - self.written - self.asked

    @property
    def is_closed(self) -> bool:
        return not self.requests and self.ledger.reserved == NOTHING == self.difference

    def take_requests(self) -> list[_Request]:
        """Return the reservations whose calls still wait."""
        requests, self.requests = self.requests, []
        for request in requests:
            if request.answer.done():
                self.answer(request, granted=False)
        return [request for request in requests if not request.answer.done()]

    def answer(self, request: _Request, *, granted: bool) -> None:
        """Answer one request; release it if it is refused or its call has given up."""
        self.asked -= request.reservation.amount
        if request.answer.done() or not granted:
            request.release()
        if not request.answer.done():
            request.answer.set_result(granted)


@dataclass(slots=True)
class DailyBudget:
    """The ledger of each day. A call counts on the day it began. Lives in one event loop."""

    caps: Caps
    today: Callable[[], date]
    exchange: ExchangeCall
    in_thread: Callable[..., Awaitable[Exchange]] = asyncio.to_thread
    """Runs a blocking call in a thread; with a database, within a time limit."""
    reserve_timeout: float = RESERVE_TIMEOUT_S
    refresh_every: float = REFRESH_EVERY_S
    problem: str | None = None
    """Why the spending can't be written at present; None if it can."""
    _days: dict[date, _Day] = field(default_factory=dict)
    _refreshed: float = field(default_factory=time.monotonic)

    def ledger(self, day: date) -> Ledger:
        """Return a day's ledger as this server knows it; does not read the database."""
        return self._state(day).ledger

    def used_share(self) -> float:
        """Return the used and reserved share of today's tightest cap: 1 is all of it."""
        return self.ledger(self.today()).used_share

    async def reserve(self, day: date, reservation: Reservation) -> bool:
        """Add a reservation of that day's ledger to the database; return whether it fits.

        If it doesn't, because other servers used the rest, `reservation` is released and the ledger
        is up to date. Reservations made at the same time share one transaction.

        Raises:
            StoreError: the database can't be written, or not in time; `reservation` is released.

        """
        state = self._state(day)
        request = _Request(reservation, asyncio.get_running_loop().create_future())
        state.asked += reservation.amount
        state.requests.append(request)
        if state.exchange is None or state.exchange.done():
            state.exchange = asyncio.create_task(self._exchange_waiting(day, state))
        try:
            async with asyncio.timeout(self.reserve_timeout):
                return await request.answer
        except TimeoutError:
            request.give_up()
            raise StoreError(
                f"the database did not answer within {self.reserve_timeout:g} s"
            ) from None
        except BaseException:
            request.give_up()
            raise

    async def refresh(self, day: date) -> None:
        """Write a day's changes, and read what other servers wrote.

        Raises:
            StoreError: the database can't be written.

        """
        await self.reserve(day, Reservation(NOTHING))

    async def write(self) -> None:
        """Write the changes of every day; after a failure, try again even without changes.

        Under a cap, every `refresh_every` seconds it also reads what other servers used today.

        Raises:
            StoreError: the database can't be written.

        """
        if self.caps and time.monotonic() - self._refreshed >= self.refresh_every:
            self._refreshed = time.monotonic()
            await self.refresh(self.today())
        for day, state in list(self._days.items()):
            if state.difference != NOTHING or self.problem:
                await self.refresh(day)

    def _state(self, day: date) -> _Day:
        if day not in self._days:
            for old in [old for old, state in self._days.items() if old < day and state.is_closed]:
                del self._days[old]
            self._days[day] = _Day(Ledger("day", self.caps))
        return self._days[day]

    async def _exchange_waiting(self, day: date, state: _Day) -> None:
        """Exchange with the database until no request waits: one transaction at a time."""
        while state.requests:
            requests, difference = state.take_requests(), state.difference
            amounts = [request.reservation.amount for request in requests]
            try:
                found = await self.in_thread(self.exchange, day, difference, amounts, self.caps)
            except Exception as error:
                self._fail(state, requests, difference, error)
                continue
            self.problem = None
            self._apply(state, requests, difference, found)

    def _apply(
        self, state: _Day, requests: list[_Request], difference: Amount, found: Exchange
    ) -> None:
        pairs = list(zip(requests, found.granted, strict=True))
        ours = sum(
            (request.reservation.amount for request, granted in pairs if granted), difference
        )
        state.ledger.used += (
            found.total - state.written - ours
        )  # what other servers took or released
        state.written = found.total
        for request, granted in pairs:
            state.answer(request, granted=granted)

    def _fail(
        self, state: _Day, requests: list[_Request], difference: Amount, error: Exception
    ) -> None:
        """Refuse the requests. An amount that may have been subtracted is not subtracted again."""
        self.problem = str(error) or type(error).__name__
        if isinstance(error, UnclearWriteError):
            state.ledger.used += (NOTHING - difference).at_least(NOTHING)
        for request in requests:
            state.asked -= request.reservation.amount
            request.release()
            if not request.answer.done():
                request.answer.set_exception(StoreError(self.problem))


async def run_spend_writer(daily: DailyBudget) -> None:
    """Write the spending periodically until cancelled; failures are logged and retried."""
    pause = WRITE_EVERY_S
    while True:
        await asyncio.sleep(pause)
        pause = WRITE_EVERY_S if await write_spending(daily) else min(2 * pause, _RETRY_MAX_S)


async def write_spending(daily: DailyBudget) -> bool:
    """Write the spending; return False if that failed, which is logged."""
    try:
        await daily.write()
    except Exception as error:
        capped = "calls to providers are refused until it can" if daily.caps else "calls go on"
        unexpected = None if isinstance(error, StoreError) else error
        _log.error(
            "the day's spending can't be written; %s: %s", capped, error, exc_info=unexpected
        )
        return False
    return True
