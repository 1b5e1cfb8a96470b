"""The tables of the run history. NULL: not known yet, or older than the column."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

OPEN = ("queued", "running")
"""The statuses of a run that has not ended."""


class Base(DeclarativeBase):
    """The tables of this store."""

    type_annotation_map: ClassVar = {
        float: Double
    }  # the default differs between SQLAlchemy 2.0 and 2.1


class ServerRow(Base):
    """A server's lease: it is alive while `beats` grows.

    The columns about its process let other servers of the machine see that it has ended.
    """

    __tablename__ = "servers"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    heartbeat_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """By that server's clock; only for people to read."""
    beats: Mapped[int] = mapped_column(BigInteger)
    host: Mapped[str] = mapped_column(Text)
    boot_id: Mapped[str] = mapped_column(Text)
    pid_namespace: Mapped[str] = mapped_column(Text)
    pid: Mapped[int]
    pid_started: Mapped[int] = mapped_column(BigInteger)


class RunRow(Base):
    """One run. Times in seconds; NULL: not known (yet)."""

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
    server_id: Mapped[str | None] = mapped_column(String(32))
    """The server that runs it; NULL: a server of a version without leases."""
    cancel_asked: Mapped[bool | None]
    """Whether a client asked another server to cancel it."""


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
    """A file that a run wrote; its content may be deleted (NULL) before the run is."""

    __tablename__ = "files"

    run_id: Mapped[str] = mapped_column(
        String(32), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    size: Mapped[int]
    content: Mapped[bytes | None] = mapped_column(LargeBinary)


SPEND = Table(
    "spend",
    Base.metadata,
    Column("day", Date, primary_key=True),
    # Billionths of a dollar. Each count includes the reservations of calls in progress.
    Column("nano", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
)
"""The usage of each day on all servers of the database."""


def table_of(row: type[Base]) -> Table:
    """Return the table of a row's class."""
    table = row.__table__
    assert isinstance(table, Table)
    return table
