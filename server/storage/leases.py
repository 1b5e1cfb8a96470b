"""Detects which servers of a database are alive, and ends the runs of those that are not.

A server's lease is a row with a counter that it increments at each heartbeat. The lease is lost if
the counter has not changed during MAX_MISSED_BEATS heartbeats of the observing server. So clocks of
different machines are never compared, and time in which the observer was stopped does not count.

A server that was stopped for longer finds its lease lost and takes a new one. Its later writes
about its own runs replace those of other servers.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from llm_agent_builder.errors import StoreError
from server.storage.database import Database
from server.storage.server_identity import ServerProcess
from server.storage.store import INTERRUPTED
from server.storage.tables import OPEN, RunRow, ServerRow, table_of

HEARTBEAT_S = 5.0
MAX_MISSED_BEATS = 6
"""A lease is lost after this many heartbeats of the observer (30 s) without one of its server."""
_FULL_BYTES = 1024 * 1024
"""A disk with less free space counts as full: only the smallest writes may succeed."""
_INTERRUPTED = (RunRow.status == "failed", RunRow.reason == INTERRUPTED)
_RESTORE = (
    update(table_of(RunRow))
    .where(RunRow.id == bindparam("run"), *_INTERRUPTED)
    .values(status=bindparam("now"), reason=None)
)


class Lease:
    """A server's lease, and its view of the others'.

    Raises StoreError from every method when the database can't be read or written.
    """

    def __init__(self, database: Database) -> None:
        self.id = uuid.uuid4().hex
        self._database = database
        self._process = ServerProcess.here()
        self._beats = 0
        self._seen: dict[str, tuple[int | None, int]] = {}
        """For each other server its counter, and how often it was observed unchanged."""

    def begin(self) -> int:
        """Take the lease, and end the runs of servers that are certainly gone; return their number.

        Servers of versions without leases count as gone.
        """
        with self._database.writing() as connection:
            self._insert(connection)
            ended = _interrupt(connection, None)
        return ended + sum(self._end(each, beats) for each, beats in self._gone())

    def beat(self, live: Mapping[str, str]) -> None:
        """Renew the lease; `live` has the status of each open run of this server."""
        mine = update(ServerRow).where(ServerRow.id == self.id)
        self._beats += 1  # a new lease continues the count, so that no number is used twice
        mine = mine.values(beats=self._beats, heartbeat_at=datetime.now(UTC))
        back = [{"run": run_id, "now": status} for run_id, status in live.items()]
        with self._database.writing() as connection:
            if connection.execute(mine).rowcount == 0:
                self._insert(connection)
            if back:
                connection.execute(_RESTORE, back)

    def problem(self) -> str | None:
        """Try a write; return why it failed, or None. Waits up to 1 s for a lock."""
        mine = update(ServerRow).where(ServerRow.id == self.id)
        try:
            with self._database.writing(patience_s=1) as connection:
                connection.execute(mine.values(heartbeat_at=datetime.now(UTC)))
            free = self._database.free_bytes()
        except StoreError as error:
            return str(error)
        if free is not None and free < _FULL_BYTES:
            return f"the disk is full: {free // 1024} KiB are free; free some space"
        return None

    def end_lost(self) -> int:
        """End the runs of servers with lost leases; return their number. For each heartbeat."""
        lost = [*self._gone(), *self._unchanged()]
        return sum(self._end(each, beats) for each, beats in dict(lost).items())

    def reset_observations(self) -> None:
        """Restart the counts: this server's heartbeats failed, so others' may have, too."""
        self._seen.clear()

    def release(self) -> None:
        """Delete the lease."""
        with self._database.writing() as connection:
            connection.execute(delete(ServerRow).where(ServerRow.id == self.id))

    def _insert(self, connection: Connection) -> None:
        now = datetime.now(UTC)
        row = {"id": self.id, "started_at": now, "heartbeat_at": now, "beats": self._beats}
        row |= asdict(self._process)
        connection.execute(insert(table_of(ServerRow)), row)

    def _gone(self) -> list[tuple[str, int | None]]:
        """Return the servers whose processes have ended on this machine, with their counters."""
        others = select(ServerRow).where(ServerRow.id != self.id)
        with self._database.reading() as session:
            found = [(row.id, row.beats, _process(row)) for row in session.scalars(others)]
        same = self._database.is_sqlite
        return [
            (server_id, beats)
            for server_id, beats, process in found
            if process.has_ended(same_machine=same)
        ]

    def _unchanged(self) -> list[tuple[str, int | None]]:
        """Read every counter; return the servers whose counter has not changed for too long."""
        now = self._counters()
        looks = {each: self._observations(each, beats) for each, beats in now.items()}
        self._seen = {each: (beats, looks[each]) for each, beats in now.items()}
        return [(each, beats) for each, beats in now.items() if looks[each] > MAX_MISSED_BEATS]

    def _observations(self, server_id: str, beats: int | None) -> int:
        before, looks = self._seen.get(server_id, (beats, 0))
        return looks + 1 if before == beats else 1

    def _counters(self) -> dict[str, int | None]:
        """Return the other servers' counters; None for one that has runs, and no lease."""
        servers = select(ServerRow.id, ServerRow.beats).where(ServerRow.id != self.id)
        named = select(RunRow.server_id).distinct()
        named = named.where(RunRow.status.in_(OPEN), RunRow.server_id != self.id)
        with self._database.reading() as session:
            found: dict[str, int | None] = {each: None for each in session.scalars(named) if each}
            for server_id, beats in session.execute(servers):
                found[server_id] = beats
        return found

    def _end(self, server_id: str, beats: int | None) -> int:
        """End the runs of a server, unless it had a heartbeat since `beats` was read."""
        lease = delete(ServerRow).where(ServerRow.id == server_id)
        with self._database.writing() as connection:
            if beats is None:
                renewed = connection.execute(select(ServerRow.id).where(ServerRow.id == server_id))
                is_lost = renewed.first() is None
            else:
                is_lost = connection.execute(lease.where(ServerRow.beats == beats)).rowcount > 0
            self._seen.pop(server_id, None)
            return _interrupt(connection, server_id) if is_lost else 0


def _interrupt(connection: Connection, server_id: str | None) -> int:
    ended = update(RunRow).where(RunRow.status.in_(OPEN), RunRow.server_id == server_id)
    return connection.execute(ended.values(status="failed", reason=INTERRUPTED)).rowcount


def _process(row: ServerRow) -> ServerProcess:
    return ServerProcess(**{each.name: getattr(row, each.name) for each in fields(ServerProcess)})
