"""The live catalog: refreshed while the server runs.

The server fetches the list of each provider that has a key: in the background, every few hours and
as soon as a key appears. Until then, and if that fails, the catalog uses the last fetched list, or
the built-in one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import date

from server.catalog.cached import CachedCatalog, SourceState, answer_of, today_utc
from server.catalog.fetch import ListFailedError, fetch_list
from server.catalog.list_cache import CachedList, CacheError
from server.keys import KeySource
from server.net.upstreams import Pools
from server.secret import Secret
from server.settings import Settings

_CHECK_EVERY_S = 30.0
"""How often to check for new keys and due lists; a request for the catalog checks at once."""
_FIRST_RETRY_S = 60.0
_LAST_RETRY_S = 3600.0
_TIMEOUT_S = 30.0
_CONNECT_S = 10.0

_log = logging.getLogger(__name__)


class LiveCatalog(CachedCatalog):
    """A catalog that refreshes itself."""

    def __init__(
        self,
        settings: Settings,
        keys: KeySource,
        today: Callable[[], date] = today_utc,
        *,
        environ: Mapping[str, str] = os.environ,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        super().__init__(settings, keys, today)
        self._environ = environ
        self._timeout_s = timeout_s
        self._wake = asyncio.Event()
        self._updating = asyncio.Lock()

    def wake(self) -> None:
        """Check for new keys now, because a client has requested the catalog."""
        self._wake.set()

    async def run(self) -> None:
        """Refresh due lists until cancelled; return at once if refreshing is off."""
        if not self._settings.refresh_hours:
            return
        while True:
            try:
                await self.refresh_due()
            except Exception:  # the current catalog stays; the next check may succeed
                _log.exception("the list of models was not refreshed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_EVERY_S):
                    await self._wake.wait()
            self._wake.clear()

    async def refresh_due(self) -> None:
        """Fetch the list of each due source; return when all have succeeded or failed."""
        due = [(state, key) for state in self._states if (key := _due(state)) is not None]
        if not due:
            return
        pools = Pools(self._environ, _CONNECT_S)
        try:
            await asyncio.to_thread(pools.start)
            await asyncio.gather(*(self._refresh(pools, state, key) for state, key in due))
        finally:
            await pools.close()

    async def _refresh(self, pools: Pools, state: SourceState, key: Secret) -> None:
        state.last_key = key
        try:
            pages = await fetch_list(pools, state.source, key, self._timeout_s)
        except ListFailedError as error:
            state.failures += 1
            wait = min(_FIRST_RETRY_S * 2 ** (state.failures - 1), _LAST_RETRY_S)
            state.due_at = time.monotonic() + wait
            state.note = str(error)
            _log.warning("the list of models was not refreshed: %s", error)
            return
        state.failures, state.note = 0, None
        state.due_at = time.monotonic() + self._settings.refresh_hours * 3600
        cached = CachedList(time.time(), pages)
        async with self._updating:  # one at a time, so that no update discards another
            answers = {**self._answers, state.source: answer_of(state.source, cached)}
            # In a thread, so that the event loop can serve runs meanwhile.
            self._snapshot = await asyncio.to_thread(self._make_snapshot, answers)
        try:
            await asyncio.to_thread(self._cache.write, state.source, cached)
        except CacheError as error:
            state.note = f"the list of {state.source.host} could not be cached: {error}"
            _log.warning("%s", state.note)


def _due(state: SourceState) -> Secret | None:
    """Return the key if a request is due, else None. A request with a new key is always due."""
    key = state.key()
    if key is None:
        return None
    is_new = state.last_key is None or key.reveal() != state.last_key.reveal()
    return key if is_new or time.monotonic() >= state.due_at else None
