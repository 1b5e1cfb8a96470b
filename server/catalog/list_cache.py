"""Caches providers' lists of models in files, so that a restarted server has them at once.

There is one file per source, which is replaced atomically. Unreadable files are not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from llm_agent_builder.catalog.live import ModelListError, read_page
from llm_agent_builder.providers import ProviderEnum

VERSION = 1
MAX_FILE = 16 * 1024 * 1024
MAX_AGE_S = 30 * 24 * 3600.0
"""Lists older than this are less useful than the built-in ones."""


@dataclass(frozen=True, slots=True)
class Source:
    """A URL that lists models."""

    provider: ProviderEnum
    url: str
    """Without a query."""
    base_url: str | None = None
    """For one of the user's model servers: the base URL for agents."""

    @property
    def host(self) -> str:
        """The host and port, for messages."""
        return URL(self.url).authority


class CacheError(Exception):
    """A cached list can't be read or written; `str()` says why."""


@dataclass(frozen=True, slots=True)
class CachedList:
    """The pages of one list, and when they were fetched, in seconds since the epoch."""

    fetched_at: float
    pages: list[object]


class ListCache:
    """The cached lists, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _file(self, source: Source) -> Path:
        name = hashlib.sha256(source.url.encode()).hexdigest()[:16]
        return self._folder / f"{source.provider.value}-{name}.json"

    def read(self, source: Source, now: float | None = None) -> CachedList | None:
        """Return a cached list, or None if there is none, or only an outdated one.

        Raises:
            CacheError: the file can't be read.

        """
        try:
            with self._file(source).open("rb") as file:
                content = file.read(MAX_FILE + 1)
            if len(content) > MAX_FILE:
                raise CacheError("it is too large")
            cached = _parse(json.loads(content), source)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CacheError(error.strerror or type(error).__name__) from None
        except (ValueError, RecursionError) as error:
            raise CacheError(f"it is damaged ({type(error).__name__})") from None
        age = (time.time() if now is None else now) - cached.fetched_at
        return cached if abs(age) < MAX_AGE_S else None

    def write(self, source: Source, cached: CachedList) -> None:
        """Cache a list.

        Raises:
            CacheError: it can't be written.

        """
        content = {"version": VERSION, "url": source.url, "fetched_at": cached.fetched_at}
        text = json.dumps({**content, "pages": cached.pages})
        written = None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                written = file.name
                file.write(text.encode())
            os.replace(written, self._file(source))
        except OSError as error:
            if written is not None:
                with contextlib.suppress(OSError):
                    os.unlink(written)
            raise CacheError(error.strerror or type(error).__name__) from None


def _parse(content: object, source: Source) -> CachedList:
    if not isinstance(content, Mapping) or content.get("version") != VERSION:
        raise CacheError("it has another version")
    fetched_at, pages = content.get("fetched_at"), content.get("pages")
    is_time = isinstance(fetched_at, int | float) and not isinstance(fetched_at, bool)
    if content.get("url") != source.url or not is_time or not isinstance(pages, list):
        raise CacheError("it is damaged")
    try:
        for page in pages:
            read_page(source.provider, page)
    except ModelListError as error:
        raise CacheError(str(error)) from None
    return CachedList(float(str(fetched_at)), pages)
