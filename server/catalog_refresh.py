"""The live half of the catalog: keeps it true while the server runs.

Where a key is there, its provider is asked which models it offers: in the background, every few
hours and as soon as a key appears. Until then, and whenever that fails, the last answer holds, and
before there was one, what ships.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import partial

from llm_agent_builder.catalog import Catalog
from llm_agent_builder.models.live_models import LiveList, read_page
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from server.list_cache import CacheError, KeptList, ListCache
from server.model_lists import ListFailedError, Source, fetch_list
from server.settings import KeySource, Secret, Settings, server_key
from server.upstreams import Pools

_LOOK_EVERY_S = 30.0
"""How often keys are looked for, and lists that are due; asking for the catalog looks at once."""
_FIRST_RETRY_S = 60.0
_LAST_RETRY_S = 3600.0
_PATIENCE_S = 30.0
_CONNECT_S = 10.0

_log = logging.getLogger(__name__)


def today_utc() -> date:
    """Return today's date; providers retire models by UTC."""
    return datetime.now(UTC).date()


@dataclass(slots=True)
class _State:
    """How it stands with asking one source."""

    source: Source
    key: Callable[[], Secret | None]
    """Returns the key, an empty one where none is needed, or None where one is missing."""
    note: str | None = None
    failures: int = 0
    due_at: float = 0.0
    """On the monotonic clock."""
    asked_with: Secret | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a source answered, and when, in seconds since the epoch."""

    models: LiveList
    fetched_at: float


@dataclass(frozen=True, slots=True)
class _Made:
    """A catalog, what it is made of, and its models as the API shows them.

    Those are text, for there are hundreds.
    """

    answers: Mapping[Source, _Answer]
    catalog: Catalog
    models: Mapping[ProviderEnum, str]


class LiveCatalog:
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
        self._settings = settings
        self._today = today
        self._environ = environ
        self._patience = patience
        self._cache = ListCache(settings.data_dir / "model_lists")
        self._states = [*_providers(settings, keys), *_own_servers(settings, keys)]
        self._wake = asyncio.Event()
        self._making = asyncio.Lock()
        self._made: _Made | None = None

    # ------------------------------------------------------------ reading

    def current(self) -> Catalog:
        """Return the catalog of today."""
        return self._today_made().catalog

    def models_json(self, provider: ProviderEnum) -> str:
        """Return the models of `provider` as JSON."""
        return self._today_made().models[provider]

    @property
    def _answers(self) -> Mapping[Source, _Answer]:
        return {} if self._made is None else self._made.answers

    def _today_made(self) -> _Made:
        if self._made is None or self._made.catalog.today != self._today():
            self._made = self._make(self._answers)
        return self._made

    def _make(self, answers: Mapping[Source, _Answer]) -> _Made:
        live = [answers[state.source].models for state in self._states if state.source in answers]
        catalog = Catalog(self._today(), live, self._settings.extra_models)
        texts = {provider: _models_json(catalog, provider) for provider in ProviderEnum}
        return _Made(answers, catalog, texts)

    def refreshed_at(self, provider: ProviderEnum) -> float | None:
        """Return when the provider last answered, in seconds since the epoch, or None."""
        answers = self._answers.items()
        times = [each.fetched_at for source, each in answers if source.provider is provider]
        return max(times, default=None)

    def refresh_note(self, provider: ProviderEnum) -> str | None:
        """Return what went wrong when the provider was last asked, or None."""
        states = (state for state in self._states if state.source.provider is provider)
        return "; ".join(state.note for state in states if state.note) or None

    def server_notes(self) -> list[str]:
        """Return of each server of the user's own whether its list is known, and from when."""
        return [self._server_note(state) for state in self._states if state.source.base_url]

    def _server_note(self, state: _State) -> str:
        server, answer = state.source.base_url, self._answers.get(state.source)
        if answer is not None:
            when = datetime.fromtimestamp(answer.fetched_at, UTC)
            return f"{server}: its list is of {when:%Y-%m-%d %H:%M} UTC"
        return (
            f"{server}: its list is not known yet: `serve` asks for it; `doctor` says whether the "
            "server answers"
        )

    # ------------------------------------------------------------ asking

    def load(self) -> None:
        """Take up what was kept by an earlier server. Reads files."""
        answers = {}
        for state in self._states:
            try:
                kept = self._cache.read(state.source)
            except CacheError as error:
                state.note = f"what was kept of {state.source.host}'s list is not used: {error}"
                _log.warning("%s", state.note)
                continue
            if kept is not None:
                answers[state.source] = _answer(state.source, kept)
        self._made = self._make(answers)

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

    async def _refresh(self, pools: Pools, state: _State, key: Secret) -> None:
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
            answers = {**self._answers, state.source: _answer(state.source, kept)}
            self._made = await asyncio.to_thread(self._make, answers)  # runs go on meanwhile
        try:
            await asyncio.to_thread(self._cache.write, state.source, kept)
        except CacheError as error:
            state.note = f"{state.source.host}'s list could not be kept: {error}"
            _log.warning("%s", state.note)


def _answer(source: Source, kept: KeptList) -> _Answer:
    models = [model for page in kept.pages for model in read_page(source.provider, page)]
    fetched_on = datetime.fromtimestamp(kept.fetched_at, UTC).date()
    told = LiveList(source.provider, source.url, fetched_on, models, source.base_url)
    return _Answer(told, kept.fetched_at)


def _due(state: _State) -> Secret | None:
    """Return the key to ask with if it is time to, else None; a new key is always a reason."""
    key = state.key()
    if key is None:
        return None
    is_new = state.asked_with is None or key.reveal() != state.asked_with.reveal()
    return key if is_new or time.monotonic() >= state.due_at else None


def _providers(settings: Settings, keys: KeySource) -> list[_State]:
    return [
        _State(
            Source(provider, f"{settings.upstream(provider)}/v1/models"),
            partial(keys.key, provider),
        )
        for provider in PROVIDERS
    ]


def _own_servers(settings: Settings, keys: KeySource) -> list[_State]:
    return [
        _State(
            Source(ProviderEnum.HUGGINGFACE, f"{server.base_url}/models", server.base_url),
            partial(server_key, server, keys),
        )
        for server in settings.model_servers
    ]


def _models_json(catalog: Catalog, provider: ProviderEnum) -> str:
    plain = [asdict(model) for model in catalog.models(provider)]
    return json.dumps(plain, separators=(",", ":"), default=date.isoformat)
