"""A database, SQLite in the data folder or another by URL: connections, transactions, errors.

Synchronous; code in an event loop uses `database_threads.py`. Every wait for a lock, a connection
or a statement has a limit. Several servers may use one database at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    InvalidatePoolError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.orm import Session

from llm_agent_builder.errors import StoreError
from server.settings import HISTORY_FILE
from server.storage.schema import prepare_schema

CONNECTIONS = 6
"""Limit on connections to the database; each use takes some milliseconds."""
_WAIT_S = 5.0
"""Longest wait for a lock, a connection, or one statement of PostgreSQL."""
_STUCK_S = 8.0
"""If a connection is in use for longer than this, its caller has given up."""
_SCHEMA_LOCK = 0x6C61625F64620001
"""The number of PostgreSQL's advisory lock for changes of the tables; no other program uses it."""
_WAL_LIMIT = 64 * 1024 * 1024
"""SQLite's log is truncated to this size, in bytes, once a checkpoint is complete."""
_NO_ANSWER = "its server does not respond: start it, or check AGENT_BUILDER_DATABASE_URL"
_CAUSES = (
    (("disk is full", "No space left", "53100"), "the disk is full: free some space"),
    (("is locked", "lock timeout"), "another process has locked it: end that process"),
    (("readonly", "read-only", "Read-only"), "it can't be written: make its folder writable"),
    (("FileNotFound",), "its folder is missing: create it"),
    (("FileExists",), "its folder is a file: choose another"),
    (
        ("resolve host", "translate host"),
        "its host is unknown: check AGENT_BUILDER_DATABASE_URL",
    ),
    (("not a database", "malformed"), "its file is damaged: restore a backup or move it away"),
    (
        ("permission denied for schema", "must be owner"),
        "its user can't change tables: grant it CREATE on the schema for this update",
    ),
    (("disk I/O error",), "its disk is full or failing: check the data folder"),
    (
        ("unable to open", "IsADirectory", "NotADirectory"),
        "its file can't be opened: check the data folder",
    ),
    (
        ("connection", "server closed", "terminating", "starting up", "shutting down"),
        _NO_ANSWER,
    ),
    (("statement timeout", "QueuePool"), "it responds too slowly"),
)
"""Parts of the drivers' messages, each with its meaning and a remedy."""
_REFUSAL = re.compile(r"(?:FATAL: +|fe_sendauth: )(.{1,200})")
"""The reason in PostgreSQL's message when its server or its library refuses a connection."""
_TEMPORARY = ("starting up", "shutting down", "terminating", "recovery")
"""Reasons that disappear by themselves, or when the server is started."""


class UnclearWriteError(StoreError):
    """The database failed or didn't respond; it may have written everything or nothing."""


class WrittenJson(str):
    """A value for a JSON column that is already JSON text."""

    __slots__ = ()


def _json_text(value: object) -> str:
    return value if isinstance(value, WrittenJson) else json.dumps(value, allow_nan=False)


class Database:
    """A database with up-to-date tables.

    Every method raises StoreError when the database can't be read or written.
    """

    def __init__(self, data_dir: Path, url: str | None = None) -> None:
        self._in_use: dict[int, tuple[Any, float]] = {}
        self._closed = False
        self._file: tuple[Path, tuple[int, int]] | None = None
        with store_errors(), ExitStack() as failed:
            self.engine = _make_engine(_parse(url) if url else _in_folder(data_dir))
            failed.callback(self.engine.dispose)
            self.is_sqlite = self.engine.dialect.name == "sqlite"
            event.listen(self.engine, "checkout", self._checked_out)
            event.listen(self.engine, "checkin", self._checked_in)
            self._writer = self.engine.execution_options(writes=True)
            # In SQLite a transaction reads one state. PostgreSQL needs to be asked for that.
            one_snapshot = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
            self._reader = self.engine.execution_options(**one_snapshot)
            self._prepare()
            failed.pop_all()

    def _prepare(self) -> None:
        with self._writer.begin() as connection:
            if not self.is_sqlite:  # SQLite's writers exclude each other
                _require_utf8(connection)
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
            prepare_schema(connection)
        name = self.engine.url.database
        if self.is_sqlite and name and os.path.exists(name):
            self._file = (Path(name), _identity(name))
            _open_connections(self.engine)

    def close(self) -> None:
        """Close every connection; those that threads still use are closed when they return them."""
        self._closed = True
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Return a session for a read-only transaction that sees one state of the database.

        The results of several statements fit together, whatever other servers write meanwhile.
        """
        with store_errors():
            self.require_file()
            with Session(self._reader) as session, session.begin():
                yield session

    @contextmanager
    def writing(self, patience_s: float = _WAIT_S) -> Iterator[Connection]:
        """Return a connection for a transaction that writes; it waits `patience_s` for a lock.

        SQLite's begins as IMMEDIATE: one that reads first and then writes fails at once, without
        waiting, if another process has written in between.
        """
        with store_errors():
            self.require_file()
            milliseconds = int(patience_s * 1000)
            engine = self._writer.execution_options(patience_ms=milliseconds)
            with engine.begin() as connection:
                if not self.is_sqlite and patience_s != _WAIT_S:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
                yield connection

    def require_file(self) -> None:
        """Raise StoreError if SQLite's file was deleted: SQLite would write to the deleted file."""
        if self._file is None:
            return
        path, identity = self._file
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if _identity(path) == identity:
                return
        raise StoreError(
            f"the run history can't be used: {path} was deleted or replaced while the server was "
            "running; restore it, or restart the server to create a new one"
        )

    def free_bytes(self) -> int | None:
        """Return the free bytes of the disk with SQLite's file; None for other databases."""
        if self._file is None:
            return None
        with store_errors():
            found = os.statvfs(self._file[0].parent)
        return found.f_bavail * found.f_frsize

    # ------------------------------------------------------------ stuck connections

    def _checked_out(self, connection: Any, _record: object, _proxy: object) -> None:
        """Record the use of a connection, then ping it; the pool would ping before the record."""
        self._in_use[id(connection)] = (connection, time.monotonic())
        if self.is_sqlite:
            return
        try:
            self.engine.dialect.do_ping(connection)
        except self.engine.dialect.loaded_dbapi.Error as error:
            self._in_use.pop(id(connection), None)
            raise InvalidatePoolError from error  # the pool opens another

    def _checked_in(self, connection: Any, _record: object) -> None:
        self._in_use.pop(id(connection), None)
        if self._closed and connection is not None:  # None: it was invalidated
            with contextlib.suppress(Exception):
                connection.close()

    def break_stuck(self) -> None:
        """Close the connections of calls whose callers have given up, so that their threads end.

        A suspended PostgreSQL server keeps its connections open without responding, and its driver
        would wait for ever. SQLite's calls end by themselves.
        """
        now = time.monotonic()
        for connection, since in list(self._in_use.values()):
            if now - since > _STUCK_S and hasattr(connection, "pgconn"):
                with contextlib.suppress(Exception):  # it has ended in the meantime
                    _shut_down(connection.fileno())


def _require_utf8(connection: Connection) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise StoreError(
            f"the PostgreSQL database has the encoding {encoding}, which can't store all text: "
            "create another with `createdb -E UTF8 -T template0 NAME`, and set "
            "AGENT_BUILDER_DATABASE_URL"
        )


def add_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows except existing ones, so that a repeated write changes nothing."""
    insert: Callable[[Table], Any] = sqlite.insert
    if connection.dialect.name == "postgresql":
        insert = postgresql.insert
    connection.execute(insert(table).on_conflict_do_nothing(), list(rows))


@contextmanager
def store_errors() -> Iterator[None]:
    """Raise errors of the database, and values that it can't store, as StoreError."""
    try:
        yield
    except (SQLAlchemyError, OSError, ValueError, OverflowError, ImportError) as error:
        raise StoreError(
            f"the run history can't be used: {plain_cause(error)}", lasting=_is_about_values(error)
        ) from error


def plain_cause(error: Exception) -> str:
    """Return the meaning of a database error, and a remedy."""
    # SQLAlchemy's message, and all but the first line of a driver's, may contain the row's values,
    # and so prompts.
    cause = getattr(error, "orig", None) or error
    lines = str(cause).splitlines() or [""]
    return _describe(type(cause).__name__, lines[0])


def _describe(kind: str, line: str) -> str:
    """Return the meaning of an error with a remedy, from its type and its message's first line."""
    original = f"{kind}: {line[:200]}"
    cause = next((cause for signs, cause in _CAUSES if _any(signs, f"{kind}: {line}")), None)
    refusal = _REFUSAL.search(line)
    if refusal and cause in {None, _NO_ANSWER} and not _any(_TEMPORARY, line):
        return f"the server refused: {refusal[1]}; {_remedy(refusal[1])}"
    return original if cause is None else f"{cause} ({original})"


def _remedy(refusal: str) -> str:
    if refusal.startswith("database ") and refusal.endswith("does not exist"):
        return "create the database (createdb), or correct AGENT_BUILDER_DATABASE_URL"
    return "check AGENT_BUILDER_DATABASE_URL"


def sanitize_text(text: str) -> str:
    """Return `text` without lone surrogates and NUL, which databases refuse."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _is_about_values(error: Exception) -> bool:
    """Return whether an error is caused by the values, so that a retry would fail as well."""
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        return True
    return isinstance(error, DataError | ValueError | OverflowError)


def _any(signs: Sequence[str], message: str) -> bool:
    return any(sign in message for sign in signs)


def _shut_down(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)


def _identity(path: str | Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


# ---------------------------------------------------------------- engines


def _in_folder(data_dir: Path) -> URL:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return URL.create("sqlite", database=str(data_dir / HISTORY_FILE))


def _parse(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # its message has the URL, perhaps with a password
        raise StoreError("AGENT_BUILDER_DATABASE_URL is not a URL such as sqlite:///FILE") from None
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StoreError(
            f"AGENT_BUILDER_DATABASE_URL: {url.get_backend_name()} is not supported; "
            "use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        )
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise StoreError("AGENT_BUILDER_DATABASE_URL names no file: use sqlite:////FOLDER/FILE")
    return url


def _make_engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite" and url.database:
        # Runs contain prompts. SQLite creates its log with the mode of the database.
        os.close(os.open(url.database, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        engine = create_engine(
            url,
            # ASCII, so that a lone surrogate in a program's output can be stored.
            json_serializer=_json_text,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=_WAIT_S,
            connect_args=_connect_arguments(url),
            # The database may have another default.
            **({} if url.get_backend_name() == "sqlite" else {"isolation_level": "READ COMMITTED"}),
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the run history can't be used: {error.name} is not installed. Install the extra "
            "[postgres]: .venv/bin/pip install -e '.[postgres]' in a checkout, or the wheel with "
            "[postgres]"
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _configure_postgresql)
    return engine


def _connect_arguments(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"timeout": _WAIT_S}
    if url.get_driver_name() == "psycopg":
        return {
            "connect_timeout": int(_WAIT_S),
            "tcp_user_timeout": int(_WAIT_S * 1000),
            "client_encoding": "utf8",
        }
    return {}


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # `_begin_sqlite` begins transactions
    cursor = connection.cursor()
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _while_locked(lambda: cursor.execute("PRAGMA journal_mode=WAL"))
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", f"journal_size_limit={_WAL_LIMIT}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _while_locked(change: Callable[[], object]) -> None:
    """Retry a change while another process locks the database; SQLite itself doesn't wait here."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            change()
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    patience = options.get("patience_ms", int(_WAIT_S * 1000))
    connection.exec_driver_sql(f"PRAGMA busy_timeout={patience}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")


def _configure_postgresql(connection: Any, _record: object) -> None:
    milliseconds = int(_WAIT_S * 1000)
    cursor = connection.cursor()
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        cursor.execute(f"SET {name} = {milliseconds}")
    cursor.close()
    connection.commit()


def _open_connections(engine: Engine) -> None:
    """Open all connections of the pool.

    If descriptors are short, a server then fails at its start instead of under load.
    """
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            connection = stack.enter_context(engine.connect())
            connection.exec_driver_sql("PRAGMA schema_version")  # a read, which also opens the log
