"""Structured logs: one JSON object per line on stderr, without keys, tokens or prompts."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonFormatter(logging.Formatter):
    """Formats a record and its `extra` fields as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _shorten_cut_answers(record: logging.LogRecord) -> bool:
    """Shorten uvicorn's last log entries to one line for each response that it cuts off."""
    if record.name != "uvicorn.error":
        return True
    if str(record.msg).startswith("Cancel %s running task"):
        return record.args != (0,)  # an "error" about zero tasks
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, asyncio.CancelledError):
        record.msg, record.args = "a response was cut off: the server is stopping", ()
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def configure_logs(level: str) -> None:
    """Send all logs through the formatter; the access log has paths without query strings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_shorten_cut_answers)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("asyncio", "aiohttp", "httpx", "watchfiles"):
        logging.getLogger(noisy).setLevel("WARNING")
