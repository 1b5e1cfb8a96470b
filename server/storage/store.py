"""Runs and their events in a database that several servers may share.

Synchronous; callers in an event loop use `database_threads.py`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Text,
    bindparam,
    cast,
    insert,
    select,
    update,
)
from sqlalchemy.orm import (
    Session,
    defer,
)

from llm_agent_builder.errors import RunFileNotFoundError, RunNotFoundError
from server.isolation.events import LeftOut, WrittenFile
from server.storage.database import Database, WrittenJson, add_missing, sanitize_text
from server.storage.records import (
    Event,
    FileEntry,
    RunDescription,
    RunResult,
    RunSummary,
    StoredRun,
    has_stopped_early,
)
from server.storage.tables import (
    OPEN,
    CassetteRow,
    EventRow,
    FileRow,
    RunRow,
    table_of,
)

EVENTS_AT_ONCE = 200
EVENT_BYTES_AT_ONCE = 64 * 1024
"""Approximate size of a page of events: the last event may exceed it."""
_ROWS_AT_ONCE = 8
_EVENTS_ADDED_AT_ONCE = 16
"""Events in one statement. Each has up to 128 KiB, and each byte may become six in JSON."""
INTERRUPTED = "the server stopped while this run was going"
LOST = "this run was lost: the database failed when the run was admitted or when it ended"


# Every run executes these. As Core statements they take half the time and are compiled once.
_ADD_RUN = insert(table_of(RunRow))
_HAS_RUN = select(RunRow.id).where(RunRow.id == bindparam("run"))
_START_RUN = update(table_of(RunRow)).where(
    RunRow.id == bindparam("run"), RunRow.status == "queued"
)
_END_RUN = update(table_of(RunRow)).where(RunRow.id == bindparam("run"))


class Store:
    """The run history.

    Writes may be repeated: existing rows stay as they are. Every method raises StoreError if the
    database can't be read or written.
    """

    def __init__(self, data_dir: Path, url: str | None = None) -> None:
        self.database = Database(data_dir, url)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def add_run(
        self,
        run_id: str,
        *,
        code: str,
        task: str,
        backend: str,
        server_id: str | None = None,
        created_at: datetime | None = None,
    ) -> None:
        """Add a new run that belongs to that server."""
        row = {
            "id": run_id,
            "created_at": created_at or datetime.now(UTC),
            "status": "queued",
            "backend": backend,
            "code": sanitize_text(code),
            "task": sanitize_text(task),
            "server_id": server_id,
        }
        with self.database.writing() as connection:
            connection.execute(_ADD_RUN, row)

    def add_events(self, run_id: str, events: Sequence[Event]) -> None:
        """Add events of a run; if it is queued, its status becomes running."""
        with self.database.writing() as connection:
            if _has_run(connection, run_id):
                connection.execute(_START_RUN, {"run": run_id, "status": "running"})
                _add_events(connection, run_id, events)

    def end_run(
        self,
        run_id: str,
        result: RunResult,
        files: Sequence[WrittenFile] = (),
        events: Sequence[Event] = (),
        cassette: str | None = None,
    ) -> None:
        """Write a run's result, its last events, the files it wrote, and its cassette as JSON.

        This result replaces any other, because it comes from the server that ran it. Does nothing
        if the run is no longer in the history.
        """
        columns = {name: _column(value) for name, value in result.to_wire().items()}
        del columns["files"]  # rows of their own
        with self.database.writing() as connection:
            if not _has_run(connection, run_id):
                return
            connection.execute(_END_RUN, {"run": run_id, **columns})
            _add_events(connection, run_id, events)
            if cassette is not None:
                row = {"run_id": run_id, "data": WrittenJson(cassette)}
                add_missing(connection, table_of(CassetteRow), [row])
            if files:
                add_missing(connection, table_of(FileRow), _file_rows(run_id, files))

    def ask_to_cancel(self, run_id: str) -> None:
        """Ask the server that has a run to cancel it."""
        asked = update(RunRow).where(RunRow.id == sanitize_text(run_id), RunRow.status.in_(OPEN))
        with self.database.writing() as connection:
            connection.execute(asked.values(cancel_asked=True))

    def asked_to_cancel(self, server_id: str) -> list[str]:
        """Return the runs of a server that another server was asked to cancel."""
        return self._open_ids(server_id, RunRow.cancel_asked.is_(True))

    def open_runs(self, server_id: str) -> list[str]:
        """Return the runs of a server that have not ended, as far as the database knows."""
        return self._open_ids(server_id)

    def _open_ids(self, server_id: str, *more: Any) -> list[str]:
        ids = select(RunRow.id).where(RunRow.status.in_(OPEN), RunRow.server_id == server_id, *more)
        with self.database.reading() as session:
            return list(session.scalars(ids))

    def end_lost(self, ids: Collection[str]) -> None:
        """End open runs in the database that are unknown to their own server."""
        lost = update(RunRow).where(RunRow.id.in_(ids), RunRow.status.in_(OPEN))
        with self.database.writing() as connection:
            connection.execute(lost.values(status="failed", reason=LOST))

    def file(self, run_id: str, name: str) -> bytes:
        """Return the content of a file that a run wrote.

        Raises:
            RunNotFoundError: there is no such run.
            RunFileNotFoundError: it wrote no such file, or the content was deleted.

        """
        content = select(FileRow.content).where(
            FileRow.run_id == sanitize_text(run_id), FileRow.name == sanitize_text(name)
        )
        with self.database.reading() as session:
            _require(session, run_id)
            found = session.execute(content).first()
        if found is None:
            raise RunFileNotFoundError(f"this run has left no file {name[:80]!r}")
        if found[0] is None:
            raise RunFileNotFoundError("this file was deleted to make space for newer ones")
        content_bytes: bytes = found[0]
        return content_bytes

    def cassette(self, run_id: str) -> str | None:
        """Return the recorded calls of a run as JSON, or None if there are none."""
        text = select(cast(CassetteRow.data, Text)).where(
            CassetteRow.run_id == sanitize_text(run_id)
        )
        with self.database.reading() as session:
            return session.scalar(text)

    def run(self, run_id: str) -> RunDescription:
        """Return one run with its code, task and files.

        Raises:
            RunNotFoundError: there is none with that id.

        """
        listing = select(FileRow.name, FileRow.size, FileRow.content.is_not(None).label("kept"))
        listing = listing.order_by(FileRow.position)
        with self.database.reading() as session:
            row = _require(session, run_id)
            files = session.execute(listing.where(FileRow.run_id == row.id))
            return RunDescription(
                **_summary_fields(row),
                code=row.code,
                task=row.task,
                files=tuple(FileEntry(*file) for file in files),
                files_left_out=tuple(LeftOut(**each) for each in row.files_left_out or ()),
            )

    def runs(self, *, limit: int, before: str | None = None) -> list[StoredRun]:
        """Return runs, newest first; with `before`, those older than that run."""
        query = select(RunRow).options(defer(RunRow.code), defer(RunRow.task))
        query = query.order_by(RunRow.created_at.desc(), RunRow.id.desc()).limit(limit)
        with self.database.reading() as session:
            if before is not None:
                last = _require(session, before)
                query = query.where(
                    (RunRow.created_at < last.created_at)
                    | ((RunRow.created_at == last.created_at) & (RunRow.id < last.id))
                )
            return [
                StoredRun(summary=_summary(row), server_id=row.server_id)
                for row in session.scalars(query)
            ]

    def summary(self, run_id: str) -> RunSummary | None:
        """Return one run as `runs` does; None if it is no longer in the history."""
        with self.database.reading() as session:
            row = session.get(RunRow, sanitize_text(run_id))
            return _summary(row) if row else None

    def status(self, run_id: str) -> str:
        """Return the status of a run.

        Raises:
            RunNotFoundError: there is no such run.

        """
        with self.database.reading() as session:
            found = session.scalar(select(RunRow.status).where(RunRow.id == sanitize_text(run_id)))
        if found is None:
            raise _no_run(run_id)
        return found

    def events(self, run_id: str, *, after: int = 0) -> list[Event]:
        """Return the next events of a run after number `after`, in order.

        They have about 64 KiB at most, so a reader needs little memory; an empty list means that
        there are no more. An ended run always has an `exit` event: if its server could not write
        one, it is made from the run's row. So only a run's own server numbers its events.
        """
        with self.database.reading() as session:
            # The row first: if it has the result, all events are written.
            row = session.get(RunRow, sanitize_text(run_id), options=[defer(RunRow.code)])
            found, is_last = _next_events(session, run_id, after)
            if is_last and row is not None and row.status not in OPEN:
                seq, kind = found[-1][:2] if found else _last_event(session, run_id)
                if kind != "exit" and seq >= after:
                    found.append(Event(seq + 1, "exit", _exit_data(row)))
        return found


def _has_run(connection: Connection, run_id: str) -> bool:
    return connection.execute(_HAS_RUN, {"run": run_id}).first() is not None


def _add_events(connection: Connection, run_id: str, events: Sequence[Event]) -> None:
    for start in range(0, len(events), _EVENTS_ADDED_AT_ONCE):  # as JSON they are larger
        rows = [
            {"run_id": run_id, "seq": seq, "kind": kind, "data": data}
            for seq, kind, data in events[start : start + _EVENTS_ADDED_AT_ONCE]
        ]
        add_missing(connection, table_of(EventRow), rows)


def _file_rows(run_id: str, files: Sequence[WrittenFile]) -> list[dict[str, Any]]:
    return [
        {
            **asdict(file),
            "run_id": run_id,
            "position": number,
            "name": sanitize_text(file.name),
            "size": len(file.content),
        }
        for number, file in enumerate(files)
    ]


def _next_events(session: Session, run_id: str, after: int) -> tuple[list[Event], bool]:
    """Return one page of the events after a number, and whether it is the last."""
    query = (
        select(EventRow.seq, EventRow.kind, cast(EventRow.data, Text))
        .where(EventRow.run_id == sanitize_text(run_id), EventRow.seq > after)
        .order_by(EventRow.seq)
        .limit(EVENTS_AT_ONCE)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    found: list[Event] = []
    size = 0
    with session.execute(query) as rows:
        for seq, kind, text in rows:
            found.append(Event(seq, kind, _event_data(kind, json.loads(text))))
            size += len(text)
            if size >= EVENT_BYTES_AT_ONCE:
                return found, False
    return found, len(found) < EVENTS_AT_ONCE


def _event_data(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a stored event; an end that an earlier version stored gets new fields."""
    if kind == "exit" and has_stopped_early(data.get("status", ""), data.get("returncode")):
        data["stopped_early"] = True
    return data


def _column(value: Any) -> Any:
    return sanitize_text(value) if isinstance(value, str) else value


def _last_event(session: Session, run_id: str) -> tuple[int, str]:
    last = select(EventRow.seq, EventRow.kind).where(EventRow.run_id == sanitize_text(run_id))
    found = session.execute(last.order_by(EventRow.seq.desc()).limit(1)).first()
    return (found.seq, found.kind) if found else (0, "")


def _exit_data(row: RunRow) -> dict[str, Any]:
    known = ("status", "reason", "returncode", "duration", "usage", "cost_usd")
    data = {name: value for name in known if (value := getattr(row, name)) is not None}
    if row.status == "failed" and row.reason == INTERRUPTED:
        data["interrupted"] = True
    if has_stopped_early(row.status, row.returncode):
        data["stopped_early"] = True
    return data


def _require(session: Session, run_id: str) -> RunRow:
    row = session.get(RunRow, sanitize_text(run_id))
    if row is None:
        raise _no_run(run_id)
    return row


def _no_run(run_id: str) -> RunNotFoundError:
    return RunNotFoundError(f"there is no run {run_id[:40]!r}")


def _summary(row: RunRow) -> RunSummary:
    return RunSummary(**_summary_fields(row))


def _summary_fields(row: RunRow) -> dict[str, Any]:
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
