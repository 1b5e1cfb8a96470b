"""Removes old runs and files beyond the limits of the history, a few at a time.

Each step is a short transaction, so even a large history delays no other work. Runs that have not
ended are not deleted, whichever server they belong to.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select, update

from server.limits import MIB
from server.storage.database import Database
from server.storage.tables import OPEN, CassetteRow, EventRow, FileRow, RunRow

_AT_ONCE = 100
"""Runs that are deleted in one transaction; the events of each may have 16 MiB."""


class Pruning:
    """Applies the limits of a history.

    Raises StoreError from every method when the database can't be read or written.
    """

    def __init__(self, database: Database, *, keep_runs: int, keep_files_mib: int) -> None:
        self._database = database
        self._keep_runs = keep_runs
        self._keep_bytes = keep_files_mib * MIB

    def step(self, at_once: int = _AT_ONCE) -> bool:
        """Remove some runs and files beyond the limits; return whether there may be more."""
        old = self._old_runs(at_once)
        if old:
            with self._database.writing() as connection:
                _remove(connection, old)
        large = self._runs_beyond_size(at_once)
        if large:
            dropped = update(FileRow).where(FileRow.run_id.in_(large))
            with self._database.writing() as connection:
                connection.execute(dropped.values(content=None))
        return bool(old or large)

    def _old_runs(self, at_once: int) -> list[str]:
        """Return ended runs beyond the limit, the oldest first."""
        count = select(func.count()).select_from(RunRow)
        oldest = select(RunRow.id).where(RunRow.status.not_in(OPEN))
        oldest = oldest.order_by(RunRow.created_at, RunRow.id)
        with self._database.reading() as session:
            beyond = (session.scalar(count) or 0) - self._keep_runs
            if beyond <= 0:
                return []
            return list(session.scalars(oldest.limit(min(beyond, at_once))))

    def _runs_beyond_size(self, at_once: int) -> list[str]:
        """Return old runs whose files exceed the limit; the newest runs' files stay."""
        sizes = (
            select(RunRow.id, func.sum(FileRow.size))
            .join(FileRow, FileRow.run_id == RunRow.id)
            .where(FileRow.content.is_not(None))
            .group_by(RunRow.id, RunRow.created_at)
            .order_by(RunRow.created_at.desc(), RunRow.id.desc())
        )
        total, old = 0, []
        with self._database.reading() as session:
            for run_id, size in session.execute(sizes):
                total += size
                if total > self._keep_bytes:
                    old.append(run_id)
        return old[-at_once:]


def _remove(connection: Connection, ids: list[str]) -> None:
    """Delete runs, except those that are open again or that another server is deleting."""
    ended = select(RunRow.id).where(RunRow.id.in_(ids), RunRow.status.not_in(OPEN))
    ended = ended.order_by(RunRow.id).with_for_update(skip_locked=True)
    old = connection.scalars(ended).all()
    for table in (EventRow, CassetteRow, FileRow):
        connection.execute(delete(table).where(table.run_id.in_(old)))
    connection.execute(delete(RunRow).where(RunRow.id.in_(old)))
