import json
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

SQLITE_FILE = "data.sqlite3"
SQLITE_MAX_ROWS = 100
SQLITE_MAX_ANSWER = 200_000
SQLITE_MAX_BYTES = 50_000_000
SQLITE_TIMEOUT_S = 5.0
SQLITE_REFUSED = ("format", "printf", "randomblob", "replace", "zeroblob")


def query_sqlite(sql: str) -> str:
    """Ask the database one question in SQL (SQLite); it can only be read.

    The answer is JSON: columns and rows. What tables there are:
    SELECT sql FROM sqlite_master.

    Args:
        sql: One SELECT statement.
    """

    def plain(value: object) -> object:
        return f"({len(value)} bytes)" if isinstance(value, bytes) else value

    def authorize(
        action: int, _: str | None, name: str | None, *_more: str | None
    ) -> int:
        allowed = action in (
            sqlite3.SQLITE_SELECT,
            sqlite3.SQLITE_READ,
            sqlite3.SQLITE_FUNCTION,
            sqlite3.SQLITE_RECURSIVE,
        )
        # Some functions make huge values, or take long: nothing interrupts one.
        allowed = allowed and name not in SQLITE_REFUSED
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    file = Path(SQLITE_FILE).resolve()
    if not file.is_file():
        raise FileNotFoundError(f"there is no database {SQLITE_FILE}")
    end = monotonic() + SQLITE_TIMEOUT_S
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        # One value could fill the memory.
        database.execute(f"PRAGMA hard_heap_limit = {SQLITE_MAX_BYTES}")
        database.text_factory = lambda text: text.decode("utf-8", "replace")
        database.set_authorizer(authorize)
        database.set_progress_handler(lambda: monotonic() > end, 10_000)
        rows: list[list[object]] = []
        left = SQLITE_MAX_ANSWER
        try:
            cursor = database.execute(sql)
            for row in cursor:
                rows.append([plain(value) for value in row])
                left -= sum(len(str(value)) for value in rows[-1])
                if left < 0 or len(rows) > SQLITE_MAX_ROWS:
                    break
        except sqlite3.OperationalError:
            if monotonic() > end:
                raise TimeoutError(f"longer than {SQLITE_TIMEOUT_S:g} s") from None
            raise
    more = left < 0 or len(rows) > SQLITE_MAX_ROWS
    shown = rows[:-1] if more else rows
    answer = {
        "columns": [column[0] for column in cursor.description or ()],
        "rows": shown,
        **({"note": f"only the first {len(shown)} rows"} if more else {}),
    }
    return json.dumps(answer, ensure_ascii=False)
