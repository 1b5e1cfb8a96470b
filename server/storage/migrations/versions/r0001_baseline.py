"""The tables as they were when Alembic was introduced.

Databases of that time have no version. Those with all of these tables and columns only
get their version; older ones also get the tables and columns they lack. The definitions are a copy
on purpose: this migration stays the same when `server/storage/tables.py` changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_METADATA = sa.MetaData()


def _run_id() -> sa.Column[str]:
    reference = sa.ForeignKey("runs.id", ondelete="CASCADE")
    return sa.Column("run_id", sa.String(32), reference, primary_key=True)


sa.Table(
    "servers",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("beats", sa.BigInteger, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("boot_id", sa.Text, nullable=False),
    sa.Column("pid_namespace", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("pid_started", sa.BigInteger, nullable=False),
)
sa.Table(
    "runs",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("backend", sa.String(16)),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("returncode", sa.Integer),
    sa.Column("duration", sa.Double),
    sa.Column("time_to_first_output", sa.Double),
    sa.Column("usage", sa.JSON),
    sa.Column("cost_usd", sa.Double),
    sa.Column("files_left_out", sa.JSON),
    sa.Column("server_id", sa.String(32)),
    sa.Column("cancel_asked", sa.Boolean),
    sa.Index("runs_newest", "created_at", "id"),
)
sa.Table(
    "events",
    _METADATA,
    _run_id(),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)
sa.Table("cassettes", _METADATA, _run_id(), sa.Column("data", sa.JSON, nullable=False))
sa.Table(
    "files",
    _METADATA,
    _run_id(),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("content", sa.LargeBinary),
)
sa.Table(
    "spend",
    _METADATA,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("nano", sa.BigInteger, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("calls", sa.BigInteger, nullable=False),
)


def upgrade() -> None:
    """Make the tables and columns that are missing. Every column added later may be NULL."""
    connection = op.get_bind()
    _METADATA.create_all(connection)
    existing = sa.inspect(connection)
    for table in _METADATA.sorted_tables:
        names = {column["name"] for column in existing.get_columns(table.name)}
        for column in table.columns:
            if column.name not in names:
                op.add_column(table.name, sa.Column(column.name, column.type))


def downgrade() -> None:
    """Not supported: restore a backup to go back."""
    raise NotImplementedError
