"""The catalog as it was kept: what ships, and what providers answered a server when it asked.

Nobody is asked here (`live.py` does that), so the command line gets by with this.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial

from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.catalog.live import LiveList, read_page
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from server.catalog.list_cache import CacheError, KeptList, ListCache
from server.catalog.sources import Source
from server.settings import KeySource, Secret, Settings, server_key

_log = logging.getLogger(__name__)


def today_utc() -> date:
    """Return today's date; providers retire models by UTC."""
    return datetime.now(UTC).date()


@dataclass(slots=True)
class SourceState:
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
    """A catalog, and the answers that it is made of."""

    answers: Mapping[Source, _Answer]
    catalog: Catalog


class CachedCatalog:
    """The catalog by what was kept."""

    def __init__(
        self, settings: Settings, keys: KeySource, today: Callable[[], date] = today_utc
    ) -> None:
        self._settings = settings
        self._today = today
        self._cache = ListCache(settings.data_dir / "model_lists")
        self._states = [*_providers(settings, keys), *_own_servers(settings, keys)]
        self._made: _Made | None = None

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
                answers[state.source] = answer_of(state.source, kept)
        self._made = self._make(answers)

    def current(self) -> Catalog:
        """Return the catalog of today."""
        return self._today_made().catalog

    @property
    def _answers(self) -> Mapping[Source, _Answer]:
        return {} if self._made is None else self._made.answers

    def _today_made(self) -> _Made:
        if self._made is None or self._made.catalog.today != self._today():
            self._made = self._make(self._answers)
        return self._made

    def _make(self, answers: Mapping[Source, _Answer]) -> _Made:
        live = [answers[state.source].models for state in self._states if state.source in answers]
        return _Made(answers, Catalog(self._today(), live, self._settings.extra_models))

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

    def _server_note(self, state: SourceState) -> str:
        server, answer = state.source.base_url, self._answers.get(state.source)
        if answer is not None:
            when = datetime.fromtimestamp(answer.fetched_at, UTC)
            return f"{server}: its list is of {when:%Y-%m-%d %H:%M} UTC"
        return (
            f"{server}: its list is not known yet: `serve` asks for it; `doctor` says whether the "
            "server answers"
        )


def answer_of(source: Source, kept: KeptList) -> _Answer:
    """Return what was kept of a source's list as its answer."""
    models = [model for page in kept.pages for model in read_page(source.provider, page)]
    fetched_on = datetime.fromtimestamp(kept.fetched_at, UTC).date()
    told = LiveList(source.provider, source.url, fetched_on, models, source.base_url)
    return _Answer(told, kept.fetched_at)


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
            Source(ProviderEnum.HUGGINGFACE, f"{server.base_url}/models", server.base_url),
            partial(server_key, server, keys),
        )
        for server in settings.model_servers
    ]
