"""Runs and their events, kept in a database: SQLite in the data folder, or another by URL.

Plain synchronous SQLAlchemy; callers in an event loop go through `asyncio.to_thread`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    defer,
    mapped_column,
    sessionmaker,
)
from sqlalchemy.schema import CreateColumn

from llm_agent_builder.errors import RunFileNotFoundError, RunNotFoundError, StoreError
from server.confine import MIB
from server.ledgers import Amount
from server.run_events import WrittenFile

Event = tuple[int, str, Mapping[str, Any]]
"""Its number in the run, from 1; its kind; its data."""
_OPEN = ("queued", "running")
_CONNECTIONS = 5
"""To the database, at most; who needs one waits for the milliseconds that others use theirs."""
_PRUNED_AT_ONCE = 50
"""Old runs go by this part of those that are kept: never are there more than may be."""
INTERRUPTED = "the server stopped while this run was going"


class Base(DeclarativeBase):
    """The tables of this store."""


class RunRow(Base):
    """One run. Times in seconds; what isn't known (yet) is NULL."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_newest", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    status: Mapped[str] = mapped_column(String(16), index=True)
    backend: Mapped[str | None] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(Text)
    task: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    returncode: Mapped[int | None]
    duration: Mapped[float | None]
    time_to_first_output: Mapped[float | None]
    usage: Mapped[dict[str, int] | None] = mapped_column(JSON)
    cost_usd: Mapped[float | None]
    files_left_out: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)


class EventRow(Base):
    """One event of a run; `seq` counts from 1."""

    __tablename__ = "events"

    run_id: Mapped[str] = mapped_column(
        String(32), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class CassetteRow(Base):
    """The recorded model calls of a run."""

    __tablename__ = "cassettes"

    run_id: Mapped[str] = mapped_column(
        String(32), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class FileRow(Base):
    """A file that a run left; its content goes (NULL) before the run does."""

    __tablename__ = "files"

    run_id: Mapped[str] = mapped_column(
        String(32), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    size: Mapped[int]
    content: Mapped[bytes | None] = mapped_column(LargeBinary)


class SpendRow(Base):
    """What the calls of one day (UTC's) used. `nano` are billionths of a dollar."""

    __tablename__ = "spend"

    day: Mapped[date] = mapped_column(primary_key=True)
    nano: Mapped[int] = mapped_column(BigInteger)
    tokens: Mapped[int] = mapped_column(BigInteger)
    calls: Mapped[int] = mapped_column(BigInteger)


def _table(row: type[Base]) -> Table:
    table = row.__table__
    assert isinstance(table, Table)
    return table


# Each run needs these: without the unit of work they cost half, and are compiled only once.
_ADD_RUN = insert(_table(RunRow))
_ADD_EVENTS = insert(_table(EventRow))
_END_RUN = update(_table(RunRow)).where(RunRow.id == bindparam("run"))


def _add_missing_columns(engine: Engine) -> None:
    """Bring the tables of an earlier version up to date; what is added later may be NULL."""
    there = sqlalchemy.inspect(engine)
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            names = {column["name"] for column in there.get_columns(table.name)}
            for column in table.columns:
                if column.name not in names:
                    definition = CreateColumn(column).compile(dialect=engine.dialect)
                    connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {definition}")


def _event_rows(run_id: str, events: Sequence[Event]) -> list[dict[str, Any]]:
    return [
        {"run_id": run_id, "seq": seq, "kind": kind, "data": data} for seq, kind, data in events
    ]


def _configure_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=5000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _make_engine(data_dir: Path, url: str | None) -> Engine:
    if url is None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = data_dir / "runs.sqlite3"
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # runs hold prompts
        url = f"sqlite:///{path}"
    # ASCII, so that a lone surrogate in a program's output can be kept.
    engine = create_engine(url, json_serializer=json.dumps, pool_size=_CONNECTIONS, max_overflow=0)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
    return engine


def _open_connections(engine: Engine) -> None:
    """Open now what would be opened when runs first meet, so that a server's files are all open.

    A server that is short of descriptors then fails at its start, and not under its first load.
    """
    with ExitStack() as all_of_them:
        for _ in range(_CONNECTIONS):
            connection = all_of_them.enter_context(engine.connect())
            connection.exec_driver_sql("PRAGMA schema_version")  # reads: opens the log too


class Store:
    """The run history.

    Raises StoreError from every method when the database can't be read or written.
    """

    def __init__(
        self,
        data_dir: Path,
        url: str | None = None,
        *,
        keep_runs: int = 1000,
        keep_files_mib: int = 512,
    ) -> None:
        self._keep_runs = keep_runs
        self._until_prune = 0
        self._keep_file_bytes = keep_files_mib * MIB
        with _machinery(), ExitStack() as failed:
            self._engine = _make_engine(data_dir, url)
            failed.callback(self._engine.dispose)  # what is open by then
            if self._engine.dialect.name == "sqlite":
                _open_connections(self._engine)
            Base.metadata.create_all(self._engine)
            _add_missing_columns(self._engine)
            failed.pop_all()
        self._session = sessionmaker(self._engine)

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def check(self) -> None:
        """Prove that the database answers."""
        with self._transaction() as session:
            session.execute(select(1))

    def end_interrupted_runs(self) -> int:
        """Give the runs that an earlier server left open their end; return how many."""
        with self._transaction() as session:
            ids = session.scalars(select(RunRow.id).where(RunRow.status.in_(_OPEN))).all()
            for run_id in ids:
                newest = select(func.max(EventRow.seq)).where(EventRow.run_id == run_id)
                seq = session.scalar(newest) or 0
                data = {"status": "failed", "reason": INTERRUPTED}
                session.add(EventRow(run_id=run_id, seq=seq + 1, kind="exit", data=data))
            closed = update(RunRow).where(RunRow.id.in_(ids))
            session.execute(closed.values(status="failed", reason=INTERRUPTED))
        return len(ids)

    def add_run(self, run_id: str, *, code: str, task: str, backend: str) -> None:
        """Keep a new run, and let the oldest finished ones beyond the limit go."""
        row = {
            "id": run_id,
            "created_at": datetime.now(UTC),
            "status": "queued",
            "backend": backend,
            "code": _storable(code),
            "task": _storable(task),
        }
        with _machinery(), self._engine.begin() as connection:
            connection.execute(_ADD_RUN, row)
            self._until_prune -= 1
            if self._until_prune < 0:
                self._prune(connection)

    def _prune(self, connection: Connection) -> None:
        """Let old runs go, and a few more, so that it needn't be looked at for each run."""
        few = self._keep_runs // _PRUNED_AT_ONCE
        newest = select(RunRow.id, RunRow.status)
        newest = newest.order_by(RunRow.created_at.desc(), RunRow.id.desc())
        rows = connection.execute(newest.offset(self._keep_runs - few)).all()
        old = [old_id for old_id, status in rows if status not in _OPEN]
        if len(rows) > few:
            for table in (EventRow, CassetteRow, FileRow):
                connection.execute(delete(table).where(table.run_id.in_(old)))
            connection.execute(delete(RunRow).where(RunRow.id.in_(old)))
            rows = []
        self._until_prune = few - len(rows)

    def end_run(
        self,
        run_id: str,
        values: Mapping[str, Any],
        files: Sequence[WrittenFile] = (),
        events: Sequence[Event] = (),
        cassette: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep how a run ended, as columns and values, its last events and the files it left.

        The contents of the oldest runs' files go, so that no more is kept than may be.
        """
        columns = {name: value for name, value in values.items() if name != "files"}
        rows = [
            {"run_id": run_id, "position": number, "size": len(file.content), **asdict(file)}
            for number, file in enumerate(files)
        ]
        with _machinery(), self._engine.begin() as connection:
            connection.execute(_END_RUN, {"run": run_id, **columns})
            if events:
                connection.execute(_ADD_EVENTS, _event_rows(run_id, events))
            if cassette is not None:
                connection.execute(insert(CassetteRow), {"run_id": run_id, "data": dict(cassette)})
            if rows:
                connection.execute(insert(FileRow), rows)
                self._drop_oldest_contents(connection)

    def _drop_oldest_contents(self, connection: Connection) -> None:
        kept = (
            select(RunRow.id, func.sum(FileRow.size))
            .join(FileRow, FileRow.run_id == RunRow.id)
            .where(FileRow.content.is_not(None))
            .group_by(RunRow.id, RunRow.created_at)
            .order_by(RunRow.created_at.desc(), RunRow.id.desc())
        )
        total, old = 0, []
        for run_id, size in connection.execute(kept):
            total += size
            if total > self._keep_file_bytes:
                old.append(run_id)
        if old:
            gone = update(FileRow).where(FileRow.run_id.in_(old))
            connection.execute(gone.values(content=None))

    def file(self, run_id: str, name: str) -> bytes:
        """Return the content of a file that a run left.

        Raises:
            RunNotFoundError: there is no such run.
            RunFileNotFoundError: it left no such file, or it is no longer kept.

        """
        content = select(FileRow.content).where(FileRow.run_id == run_id, FileRow.name == name)
        with self._transaction() as session:
            _require(session, run_id)
            found = session.execute(content).first()
        if found is None:
            raise RunFileNotFoundError(f"this run has left no file {name[:80]!r}")
        if found[0] is None:
            raise RunFileNotFoundError("this file is no longer kept: newer ones took its room")
        kept: bytes = found[0]
        return kept

    def add_events(self, run_id: str, events: Sequence[Event]) -> None:
        """Keep events."""
        with _machinery(), self._engine.begin() as connection:
            connection.execute(_ADD_EVENTS, _event_rows(run_id, events))

    def cassette(self, run_id: str) -> dict[str, Any] | None:
        """Return the recorded calls of a run, or None where there are none."""
        with self._transaction() as session:
            row = session.get(CassetteRow, run_id)
            return row.data if row else None

    def spend(self, day: date) -> Amount:
        """Return what was used on a day."""
        with self._transaction() as session:
            row = session.get(SpendRow, day)
            return Amount(row.nano, row.tokens, row.calls) if row else Amount()

    def add_spend(self, day: date, difference: Amount) -> Amount:
        """Add to what was used on a day, and return the sum."""
        added = {
            "nano": SpendRow.nano + difference.nano,
            "tokens": SpendRow.tokens + difference.tokens,
            "calls": SpendRow.calls + difference.calls,
        }
        with self._transaction() as session:
            row = session.get(SpendRow, day, with_for_update=True)
            if row is None:
                session.add(SpendRow(day=day, **asdict(difference)))
            else:
                session.execute(update(SpendRow).where(SpendRow.day == day).values(**added))
        return self.spend(day)

    def run(self, run_id: str) -> dict[str, Any]:
        """Return one run with its code and task, and its files: name, size, whether it is kept.

        Raises:
            RunNotFoundError: there is none with that id.

        """
        listing = select(FileRow.name, FileRow.size, FileRow.content.is_not(None).label("kept"))
        listing = listing.order_by(FileRow.position)
        with self._transaction() as session:
            row = _require(session, run_id)
            files = session.execute(listing.where(FileRow.run_id == run_id))
            return {
                **_summary(row),
                "code": row.code,
                "task": row.task,
                "files": [dict(file) for file in files.mappings()],
                "files_left_out": row.files_left_out or [],
            }

    def runs(self, *, limit: int, before: str | None = None) -> list[dict[str, Any]]:
        """Return runs, newest first; with `before`, those older than that run."""
        query = select(RunRow).options(defer(RunRow.code), defer(RunRow.task))
        query = query.order_by(RunRow.created_at.desc(), RunRow.id.desc()).limit(limit)
        with self._transaction() as session:
            if before is not None:
                mark = _require(session, before)
                query = query.where(
                    (RunRow.created_at < mark.created_at)
                    | ((RunRow.created_at == mark.created_at) & (RunRow.id < mark.id))
                )
            return [_summary(row) for row in session.scalars(query)]

    def events(self, run_id: str, *, after: int = 0) -> list[tuple[int, str, dict[str, Any]]]:
        """Return the events of a run behind number `after`, in order, each as (seq, kind, data)."""
        query = (
            select(EventRow)
            .where(EventRow.run_id == run_id, EventRow.seq > after)
            .order_by(EventRow.seq)
        )
        with self._transaction() as session:
            return [(row.seq, row.kind, row.data) for row in session.scalars(query)]

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with _machinery(), self._session.begin() as session:
            yield session


@contextmanager
def _machinery() -> Iterator[None]:
    """Tell faults of the database as our own."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        # The message of SQLAlchemy may hold the row's values: prompts.
        cause = getattr(error, "orig", None) or error
        raise StoreError(
            f"the run history can't be used: {type(cause).__name__}: {cause}"
        ) from error


def _require(session: Session, run_id: str) -> RunRow:
    row = session.get(RunRow, run_id)
    if row is None:
        raise RunNotFoundError(f"there is no run {run_id[:40]!r}")
    return row


def _storable(text: str) -> str:
    """Return `text` as a database takes it: without lone surrogates and NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _summary(row: RunRow) -> dict[str, Any]:
    created = row.created_at if row.created_at.tzinfo else row.created_at.replace(tzinfo=UTC)
    return {
        "id": row.id,
        "status": row.status,
        "backend": row.backend,
        "created_at": created.isoformat(),
        "reason": row.reason,
        "returncode": row.returncode,
        "duration": row.duration,
        "time_to_first_output": row.time_to_first_output,
        "usage": row.usage,
        "cost_usd": row.cost_usd,
    }
