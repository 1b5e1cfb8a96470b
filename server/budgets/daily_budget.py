"""The budget of a day: one for all servers of a database, and for `run` commands beside them.

Under a cap, a call is reserved in the database before it goes out; what it used replaces that
afterwards. A process that is killed leaves its reservations counted, which is the safe side.
Without a cap nothing waits for the database: what is taken is written down behind the calls, so
that servers that have a cap see it.
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
"""Between two looks at what other servers used, where this one makes no calls."""
_SLOWEST_S = 5.0
"""Between two tries to write to a database that fails."""

_log = logging.getLogger(__name__)

Visit = Callable[[date, Amount, Sequence[Amount], Caps], Exchange]
"""What `SpendStore.exchange` does. Blocks, and raises StoreError."""


def _in_memory(
    day: date, difference: Amount, asked: Sequence[Amount] = (), caps: Caps | None = None
) -> Exchange:
    """Grant everything: for a budget that nothing is shared with."""
    return Exchange(sum(asked, difference), (True,) * len(asked))


@dataclass(slots=True)
class _Wish:
    """A reservation that waits for the database. A cancelled answer: nobody waits any more."""

    held: Reservation
    answer: asyncio.Future[bool]

    def release(self) -> None:
        self.held.settle(NOTHING)

    def give_up(self) -> None:
        """Wait no longer; what is granted all the same is given back."""
        if self.answer.cancelled() or self.answer.cancel():
            return  # whoever answers sees it
        if self.answer.exception() is None and self.answer.result():
            self.release()


@dataclass(slots=True)
class _Page:
    """One day: what this server knows of the row in the database, and what it has to write."""

    ledger: Ledger
    written: Amount = NOTHING
    """How much of the ledger is in the database's row, which has others' amounts in it, too."""
    asked: Amount = NOTHING
    """Reserved in the ledger, and not yet granted by the database."""
    wishes: list[_Wish] = field(default_factory=list)
    visit: asyncio.Task[None] | None = None

    @property
    def difference(self) -> Amount:
        """What is to be written, whether it fits or not: it has been used, or given back."""
        return self.ledger.taken - self.written - self.asked

    @property
    def is_closed(self) -> bool:
        return not self.wishes and self.ledger.reserved == NOTHING == self.difference

    def take_wishes(self) -> list[_Wish]:
        """Return the reservations that are still waited for."""
        wishes, self.wishes = self.wishes, []
        for wish in wishes:
            if wish.answer.done():
                self.answer(wish, granted=False)
        return [wish for wish in wishes if not wish.answer.done()]

    def answer(self, wish: _Wish, *, granted: bool) -> None:
        """Settle one wish; what is refused, or has nobody waiting, is no longer reserved here."""
        self.asked -= wish.held.amount
        if wish.answer.done() or not granted:
            wish.release()
        if not wish.answer.done():
            wish.answer.set_result(granted)


@dataclass(slots=True)
class DailyBudget:
    """The ledger of each day. A call counts on the day it began. Lives in one event loop."""

    caps: Caps
    today: Callable[[], date]
    visit: Visit = _in_memory
    in_thread: Callable[..., Awaitable[Exchange]] = asyncio.to_thread
    """Makes a blocking call elsewhere; with a database, within a time limit."""
    patience: float = PATIENCE_S
    look_every: float = LOOK_EVERY_S
    problem: str | None = None
    """Why the spending can't be written at present."""
    _pages: dict[date, _Page] = field(default_factory=dict)
    _looked: float = field(default_factory=time.monotonic)

    def ledger(self, day: date) -> Ledger:
        """Return a day's ledger as far as this server knows it; reads no database."""
        return self._page(day).ledger

    def used_share(self) -> float:
        """Return the part of today's narrowest cap that is taken, from 0 to 1."""
        return self.ledger(self.today()).used_share

    async def hold(self, day: date, held: Reservation) -> bool:
        """Have the database count what is reserved in that day's ledger.

        False: it doesn't fit, because other servers took it; then `held` is released, and the
        ledger is up to date. Reservations that come together are one transaction.

        Raises:
            StoreError: the database can't be written, or not in time; `held` is released.

        """
        page = self._page(day)
        wish = _Wish(held, asyncio.get_running_loop().create_future())
        page.asked += held.amount
        page.wishes.append(wish)
        if page.visit is None or page.visit.done():
            page.visit = asyncio.create_task(self._visit(day, page))
        try:
            async with asyncio.timeout(self.patience):
                return await wish.answer
        except TimeoutError:
            wish.give_up()
            raise StoreError(f"the database did not answer within {self.patience:g} s") from None
        except BaseException:
            wish.give_up()
            raise

    async def refresh(self, day: date) -> None:
        """Write what has changed on a day, and take in what others wrote.

        Raises:
            StoreError: the database can't be written.

        """
        await self.hold(day, Reservation(NOTHING))

    async def write(self) -> None:
        """Write what has changed on any day; after a failure, try again even where nothing has.

        Under a cap it now and then also looks at what other servers used today.

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
        """Go to the database until no reservation waits: one visit at a time, each takes all."""
        while page.wishes:
            wishes, difference = page.take_wishes(), page.difference
            amounts = [wish.held.amount for wish in wishes]
            try:
                found = await self.in_thread(self.visit, day, difference, amounts, self.caps)
            except Exception as error:
                self._fail(page, wishes, difference, error)
                continue
            self.problem = None
            self._take_in(page, wishes, difference, found)

    def _take_in(
        self, page: _Page, wishes: list[_Wish], difference: Amount, found: Exchange
    ) -> None:
        pairs = list(zip(wishes, found.granted, strict=True))
        ours = sum((wish.held.amount for wish, granted in pairs if granted), difference)
        page.ledger.used += found.total - page.written - ours  # what others took, or gave back
        page.written = found.total
        for wish, granted in pairs:
            page.answer(wish, granted=granted)

    def _fail(self, page: _Page, wishes: list[_Wish], difference: Amount, error: Exception) -> None:
        """Refuse what waits. What may have been taken off the sum is not taken off again."""
        self.problem = str(error) or type(error).__name__
        if isinstance(error, UnclearWriteError):
            page.ledger.used += (NOTHING - difference).at_least(NOTHING)
        for wish in wishes:
            page.asked -= wish.held.amount
            wish.release()
            if not wish.answer.done():
                wish.answer.set_exception(StoreError(self.problem))


async def keep_books(daily: DailyBudget) -> None:
    """Write the spending down behind the calls, for ever, whatever happens."""
    pause = WRITE_EVERY_S
    while True:
        await asyncio.sleep(pause)
        pause = WRITE_EVERY_S if await write_down(daily) else min(2 * pause, _SLOWEST_S)


async def write_down(daily: DailyBudget) -> bool:
    """Write the spending down; False: it failed, which is in the log."""
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
