"""The table of each day's usage: one row per day, shared by all servers of a database.

Synchronous; callers in an event loop use a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from llm_agent_builder.errors import StoreError
from server.budgets.ledger import NOTHING, Amount, Caps
from server.storage.database import Database, UnclearWriteError, plain_cause
from server.storage.tables import SPEND

_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True, slots=True)
class Exchange:
    """The result of one exchange with a day's row."""

    total: Amount
    """The usage of all servers, including this exchange."""
    granted: tuple[bool, ...] = ()
    """For each requested amount, whether it was added."""


class SpendStore:
    """Reads and adds up the usage of each day.

    Raises StoreError from every method when the database can't be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def exchange(
        self, day: date, difference: Amount, asked: Sequence[Amount] = (), caps: Caps | None = None
    ) -> Exchange:
        """Add `difference` to a day, then each amount in `asked` that still fits under the caps.

        One transaction that locks the day's row: two servers can't reserve the same money.
        Sums stay within 64 bits and are never negative.

        Raises:
            UnclearWriteError: it is unknown whether it was written.

        """
        with self._connected() as connection:
            transaction = connection.begin()
            before = _locked_row(connection, day)
            after = _grant((before + difference).clamped(), asked, caps or Caps())
            if after.total != before:
                changed = update(SPEND).where(SPEND.c.day == day)
                connection.execute(changed.values(**asdict(after.total)))
            try:
                transaction.commit()
            except SQLAlchemyError as error:
                raise UnclearWriteError(_message(error)) from error
        return after

    def total(self, day: date) -> Amount:
        """Return the usage of a day, including reservations."""
        with self._connected() as connection:
            return _row(connection, day)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        self._database.require_file()  # usage written to a deleted file would be lost
        with _store_errors(), self._database.engine.connect() as connection:
            yield connection


def _locked_row(connection: Connection, day: date) -> Amount:
    """Return a day's row, locked until this transaction ends.

    The write comes first because only writes lock: the file in SQLite, the row in PostgreSQL.
    """
    lock = update(SPEND).where(SPEND.c.day == day).values(calls=SPEND.c.calls)
    if connection.execute(lock).rowcount == 0:
        added: Any = _INSERT.get(connection.dialect.name, sqlite.insert)(SPEND)
        connection.execute(
            added.values(day=day, **asdict(NOTHING)).on_conflict_do_nothing(index_elements=["day"])
        )
        connection.execute(lock)
    return _row(connection, day)


def _row(connection: Connection, day: date) -> Amount:
    counts = select(SPEND.c.nano, SPEND.c.tokens, SPEND.c.calls).where(SPEND.c.day == day)
    row = connection.execute(counts).first()
    # An earlier version could overflow a sum in SQLite, which then is a float.
    return Amount(*map(int, row)).clamped() if row else NOTHING


def _grant(total: Amount, asked: Sequence[Amount], caps: Caps) -> Exchange:
    granted = []
    for amount in asked:
        fits = caps.allow(total + amount)
        total = (total + amount).clamped() if fits else total
        granted.append(fits)
    return Exchange(total, tuple(granted))


@contextmanager
def _store_errors() -> Iterator[None]:
    """Raise errors of the database as StoreError."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(_message(error)) from error


def _message(error: Exception) -> str:
    return f"the day's spending can't be read or written: {plain_cause(error)}"
