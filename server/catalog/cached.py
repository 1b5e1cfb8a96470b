"""The cached catalog: the built-in lists, and lists that a server has fetched from providers.

It makes no request (`live.py` does that); the command line only needs this module.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial

from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.catalog.live import LiveList, read_page
from llm_agent_builder.providers import OWN_SERVER_PROVIDERS, PROVIDERS, ProviderEnum
from server.catalog.list_cache import CachedList, CacheError, ListCache, Source
from server.keys import KeySource, server_key
from server.secret import Secret
from server.settings import Settings

_log = logging.getLogger(__name__)


def today_utc() -> date:
    """Return today's date in UTC, because providers retire models by UTC."""
    return datetime.now(UTC).date()


@dataclass(slots=True)
class SourceState:
    """The state of requests to one source."""

    source: Source
    key: Callable[[], Secret | None]
    """Returns the key: empty if none is needed, None if it is missing."""
    note: str | None = None
    failures: int = 0
    due_at: float = 0.0
    """Time of the next request, on the monotonic clock."""
    last_key: Secret | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """A source's list, and when it was fetched, in seconds since the epoch."""

    models: LiveList
    fetched_at: float


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A catalog, and the lists that it was made from."""

    answers: Mapping[Source, _Answer]
    catalog: Catalog


class CachedCatalog:
    """The catalog from cached lists."""

    def __init__(
        self, settings: Settings, keys: KeySource, today: Callable[[], date] = today_utc
    ) -> None:
        self._settings = settings
        self._today = today
        self._cache = ListCache(settings.data_dir / "model_lists")
        self._states = [*_providers(settings, keys), *_own_servers(settings, keys)]
        self._snapshot: _Snapshot | None = None

    def load(self) -> None:
        """Load the cached lists from files."""
        answers = {}
        for state in self._states:
            try:
                cached = self._cache.read(state.source)
            except CacheError as error:
                state.note = f"the cached list of {state.source.host} is not used: {error}"
                _log.warning("%s", state.note)
                continue
            if cached is not None:
                answers[state.source] = answer_of(state.source, cached)
        self._snapshot = self._make_snapshot(answers)

    def current(self) -> Catalog:
        """Return today's catalog."""
        return self._todays_snapshot().catalog

    @property
    def _answers(self) -> Mapping[Source, _Answer]:
        return {} if self._snapshot is None else self._snapshot.answers

    def _todays_snapshot(self) -> _Snapshot:
        if self._snapshot is None or self._snapshot.catalog.today != self._today():
            self._snapshot = self._make_snapshot(self._answers)
        return self._snapshot

    def _make_snapshot(self, answers: Mapping[Source, _Answer]) -> _Snapshot:
        live = [answers[state.source].models for state in self._states if state.source in answers]
        return _Snapshot(answers, Catalog(self._today(), live, self._settings.extra_models))

    def refreshed_at(self, provider: ProviderEnum) -> float | None:
        """Return when the provider last answered, in seconds since the epoch, or None."""
        answers = self._answers.items()
        times = [each.fetched_at for source, each in answers if source.provider is provider]
        return max(times, default=None)

    def refresh_note(self, provider: ProviderEnum) -> str | None:
        """Return why the last request to the provider failed, or None."""
        states = (state for state in self._states if state.source.provider is provider)
        return "; ".join(state.note for state in states if state.note) or None

    def server_notes(self) -> list[str]:
        """Return for each of the user's model servers whether its list is known, and its date."""
        return [self._server_note(state) for state in self._states if state.source.base_url]

    def _server_note(self, state: SourceState) -> str:
        server, answer = state.source.base_url, self._answers.get(state.source)
        if answer is not None:
            when = datetime.fromtimestamp(answer.fetched_at, UTC)
            return f"{server}: model list from {when:%Y-%m-%d %H:%M} UTC"
        return (
            f"{server}: no model list yet: `serve` fetches it; `doctor` checks whether the server "
            "answers"
        )


def answer_of(source: Source, cached: CachedList) -> _Answer:
    """Return the models of a source's cached list."""
    models = [model for page in cached.pages for model in read_page(source.provider, page)]
    fetched_on = datetime.fromtimestamp(cached.fetched_at, UTC).date()
    listed = LiveList(source.provider, source.url, fetched_on, models, source.base_url)
    return _Answer(listed, cached.fetched_at)


def _providers(settings: Settings, keys: KeySource) -> list[SourceState]:
    return [
        SourceState(
            Source(provider, f"{settings.upstream(provider)}/v1/models"),
            partial(keys.key, provider),
        )
        for provider in PROVIDERS
    ]


def _own_servers(settings: Settings, keys: KeySource) -> list[SourceState]:
    return [
        SourceState(
            Source(provider.id, f"{server.base_url}/models", server.base_url),
            partial(server_key, server, keys),
        )
        for server in settings.model_servers
        for provider in OWN_SERVER_PROVIDERS
    ]
