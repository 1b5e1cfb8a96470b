"""The live half of the catalog: keeps it true while the server runs.

Where a key is there, its provider is asked which models it offers: in the background, every few
hours and as soon as a key appears. Until then, and whenever that fails, the last answer holds, and
before there was one, what ships.
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
from server.catalog.list_cache import CacheError, KeptList
from server.keys import KeySource
from server.net.upstreams import Pools
from server.secret import Secret
from server.settings import Settings

_LOOK_EVERY_S = 30.0
"""How often keys are looked for, and lists that are due; asking for the catalog looks at once."""
_FIRST_RETRY_S = 60.0
_LAST_RETRY_S = 3600.0
_PATIENCE_S = 30.0
_CONNECT_S = 10.0

_log = logging.getLogger(__name__)


class LiveCatalog(CachedCatalog):
    """The catalog as it stands now."""

    def __init__(
        self,
        settings: Settings,
        keys: KeySource,
        today: Callable[[], date] = today_utc,
        *,
        environ: Mapping[str, str] = os.environ,
        patience: float = _PATIENCE_S,
    ) -> None:
        super().__init__(settings, keys, today)
        self._environ = environ
        self._patience = patience
        self._wake = asyncio.Event()
        self._making = asyncio.Lock()

    def wake(self) -> None:
        """Have keys looked for now: somebody looks at the catalog."""
        self._wake.set()

    async def run(self) -> None:
        """Ask whoever is due, again and again. Never ends by itself."""
        if not self._settings.refresh_hours:
            return
        while True:
            try:
                await self.refresh_due()
            except Exception:  # the catalog that there is stays; the next look may do better
                _log.exception("the list of models was not refreshed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._wake.wait()
            self._wake.clear()

    async def refresh_due(self) -> None:
        """Ask every source whose time has come; return when all have answered or failed."""
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
        state.asked_with = key
        try:
            pages = await fetch_list(pools, state.source, key, self._patience)
        except ListFailedError as error:
            state.failures += 1
            wait = min(_FIRST_RETRY_S * 2 ** (state.failures - 1), _LAST_RETRY_S)
            state.due_at = time.monotonic() + wait
            state.note = str(error)
            _log.warning("the list of models was not refreshed: %s", error)
            return
        state.failures, state.note = 0, None
        state.due_at = time.monotonic() + self._settings.refresh_hours * 3600
        kept = KeptList(time.time(), pages)
        async with self._making:  # by one at a time, or the last would not know of the others
            answers = {**self._answers, state.source: answer_of(state.source, kept)}
            self._made = await asyncio.to_thread(self._make, answers)  # runs go on meanwhile
        try:
            await asyncio.to_thread(self._cache.write, state.source, kept)
        except CacheError as error:
            state.note = f"{state.source.host}'s list could not be kept: {error}"
            _log.warning("%s", state.note)


def _due(state: SourceState) -> Secret | None:
    """Return the key to ask with if it is time to, else None; a new key is always a reason."""
    key = state.key()
    if key is None:
        return None
    is_new = state.asked_with is None or key.reveal() != state.asked_with.reveal()
    return key if is_new or time.monotonic() >= state.due_at else None
