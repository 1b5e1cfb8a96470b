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

PATIENCE_S = 10.0
"""How long a call waits for its reservation: longer than SQLite waits for a lock."""
WRITE_EVERY_S = 0.25
LOOK_EVERY_S = 10.0
"""Between two reads of what other servers used, if this one makes no calls."""
_SLOWEST_S = 5.0
"""Between two attempts to write to a database that fails."""

_log = logging.getLogger(__name__)

Visit = Callable[[date, Amount, Sequence[Amount], Caps], Exchange]
"""What `SpendStore.exchange` does. Blocks, and raises StoreError."""


@dataclass(slots=True)
class _Request:
    """A reservation that waits for the database; `answer` is cancelled if its call gives up."""

    held: Reservation
    answer: asyncio.Future[bool]

    def release(self) -> None:
        self.held.settle(NOTHING)

    def give_up(self) -> None:
        """Stop waiting; if it is granted all the same, release it."""
        if self.answer.cancelled() or self.answer.cancel():
            return  # `_Page.answer` releases it
        if self.answer.exception() is None and self.answer.result():
            self.release()


@dataclass(slots=True)
class _Page:
    """One day: what this server knows of the database's row, and what it has to write."""

    ledger: Ledger
    written: Amount = NOTHING
    """The last known total of the database's row, with other servers' amounts."""
    asked: Amount = NOTHING
    """Reserved in the ledger, but not yet granted by the database."""
    requests: list[_Request] = field(default_factory=list)
    visit: asyncio.Task[None] | None = None

    @property
    def difference(self) -> Amount:
        """What must be written even beyond a cap, because it was used or released."""
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
        self.asked -= request.held.amount
        if request.answer.done() or not granted:
            request.release()
        if not request.answer.done():
            request.answer.set_result(granted)


@dataclass(slots=True)
class DailyBudget:
    """The ledger of each day. A call counts on the day it began. Lives in one event loop."""

    caps: Caps
    today: Callable[[], date]
    visit: Visit
    in_thread: Callable[..., Awaitable[Exchange]] = asyncio.to_thread
    """Makes a blocking call in a thread; with a database, within a time limit."""
    patience: float = PATIENCE_S
    look_every: float = LOOK_EVERY_S
    problem: str | None = None
    """Why the spending can't be written now."""
    _pages: dict[date, _Page] = field(default_factory=dict)
    _looked: float = field(default_factory=time.monotonic)

    def ledger(self, day: date) -> Ledger:
        """Return a day's ledger as this server knows it; does not read the database."""
        return self._page(day).ledger

    def used_share(self) -> float:
        """Return how much of today's narrowest cap is taken, from 0 to 1."""
        return self.ledger(self.today()).used_share

    async def hold(self, day: date, held: Reservation) -> bool:
        """Reserve in the database what is reserved in that day's ledger; return whether it fits.

        If it doesn't, because other servers took the rest, `held` is released and the ledger is up
        to date. Reservations made at the same time share one transaction.

        Raises:
            StoreError: the database can't be written, or not in time; `held` is released.

        """
        page = self._page(day)
        request = _Request(held, asyncio.get_running_loop().create_future())
        page.asked += held.amount
        page.requests.append(request)
        if page.visit is None or page.visit.done():
            page.visit = asyncio.create_task(self._visit(day, page))
        try:
            async with asyncio.timeout(self.patience):
                return await request.answer
        except TimeoutError:
            request.give_up()
            raise StoreError(f"the database did not answer within {self.patience:g} s") from None
        except BaseException:
            request.give_up()
            raise

    async def refresh(self, day: date) -> None:
        """Write a day's changes, and read what other servers wrote.

        Raises:
            StoreError: the database can't be written.

        """
        await self.hold(day, Reservation(NOTHING))

    async def write(self) -> None:
        """Write the changes of every day; after a failure, try again even without changes.

        Under a cap, every `look_every` seconds it also reads what other servers used today.

        Raises:
            StoreError: the database can't be written.

        """
        if self.caps and time.monotonic() - self._looked >= self.look_every:
            self._looked = time.monotonic()
            await self.refresh(self.today())
        for day, page in list(self._pages.items()):
            if page.difference != NOTHING or self.problem:
                await self.refresh(day)

    def _page(self, day: date) -> _Page:
        if day not in self._pages:
            for old in [old for old, page in self._pages.items() if old < day and page.is_closed]:
                del self._pages[old]
            self._pages[day] = _Page(Ledger("day", self.caps))
        return self._pages[day]

    async def _visit(self, day: date, page: _Page) -> None:
        """Visit the database until no request waits: one visit at a time, with all that wait."""
        while page.requests:
            requests, difference = page.take_requests(), page.difference
            amounts = [request.held.amount for request in requests]
            try:
                found = await self.in_thread(self.visit, day, difference, amounts, self.caps)
            except Exception as error:
                self._fail(page, requests, difference, error)
                continue
            self.problem = None
            self._take_in(page, requests, difference, found)

    def _take_in(
        self, page: _Page, requests: list[_Request], difference: Amount, found: Exchange
    ) -> None:
        pairs = list(zip(requests, found.granted, strict=True))
        ours = sum((request.held.amount for request, granted in pairs if granted), difference)
        page.ledger.used += found.total - page.written - ours  # what other servers took or released
        page.written = found.total
        for request, granted in pairs:
            page.answer(request, granted=granted)

    def _fail(
        self, page: _Page, requests: list[_Request], difference: Amount, error: Exception
    ) -> None:
        """Refuse the requests. An amount that may already be subtracted is not subtracted again."""
        self.problem = str(error) or type(error).__name__
        if isinstance(error, UnclearWriteError):
            page.ledger.used += (NOTHING - difference).at_least(NOTHING)
        for request in requests:
            page.asked -= request.held.amount
            request.release()
            if not request.answer.done():
                request.answer.set_exception(StoreError(self.problem))


async def keep_books(daily: DailyBudget) -> None:
    """Write the spending in the background, for ever, whatever happens."""
    pause = WRITE_EVERY_S
    while True:
        await asyncio.sleep(pause)
        pause = WRITE_EVERY_S if await write_down(daily) else min(2 * pause, _SLOWEST_S)


async def write_down(daily: DailyBudget) -> bool:
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
