import json
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

SQLITE_FILE = "data.sqlite3"
SQLITE_MAX_ROWS = 100
SQLITE_MAX_BYTES = 50_000_000
SQLITE_TIMEOUT_S = 5.0


def query_sqlite(sql: str) -> str:
    """Ask the database one question in SQL (SQLite); it can only be read.

    The answer is JSON: columns and rows. What tables there are:
    SELECT sql FROM sqlite_master.

    Args:
        sql: One SELECT statement.
    """

    def plain(value: object) -> object:
        return f"({len(value)} bytes)" if isinstance(value, bytes) else value

    def authorize(action: int, *_names: str | None) -> int:
        allowed = action in (
            sqlite3.SQLITE_SELECT,
            sqlite3.SQLITE_READ,
            sqlite3.SQLITE_FUNCTION,
            sqlite3.SQLITE_RECURSIVE,
        )
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    file = Path(SQLITE_FILE).resolve()
    if not file.is_file():
        raise FileNotFoundError(f"there is no database {SQLITE_FILE}")
    end = monotonic() + SQLITE_TIMEOUT_S
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        # One value, such as zeroblob(1e9), could fill the memory.
        database.execute(f"PRAGMA hard_heap_limit = {SQLITE_MAX_BYTES}")
        database.text_factory = lambda text: text.decode("utf-8", "replace")
        database.set_authorizer(authorize)
        database.set_progress_handler(lambda: monotonic() > end, 10_000)
        try:
            cursor = database.execute(sql)
            rows = cursor.fetchmany(SQLITE_MAX_ROWS + 1)
        except sqlite3.OperationalError:
            if monotonic() > end:
                raise TimeoutError(f"longer than {SQLITE_TIMEOUT_S:g} s") from None
            raise
    more = len(rows) > SQLITE_MAX_ROWS
    answer = {
        "columns": [column[0] for column in cursor.description or ()],
        "rows": [[plain(value) for value in row] for row in rows[:SQLITE_MAX_ROWS]],
        **({"note": f"only the first {SQLITE_MAX_ROWS} rows"} if more else {}),
    }
    return json.dumps(answer, ensure_ascii=False)
