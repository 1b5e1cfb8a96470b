"""The live half of the catalog: keeps it true while the server runs.

First form: a model's lifecycle depends on the date, so the catalog is made anew each day. Asking
the providers themselves, with a disk cache, comes behind the same interface.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from llm_agent_builder import catalog
from llm_agent_builder.catalog import Model
from llm_agent_builder.providers import ProviderEnum


def today_utc() -> date:
    """Return today's date; providers retire models by UTC."""
    return datetime.now(UTC).date()


class LiveCatalog:
    """The catalog as it stands now."""

    def __init__(self, today: Callable[[], date] = today_utc) -> None:
        self._today = today

    def models(self, provider: ProviderEnum) -> tuple[Model, ...]:
        """Return the models of `provider` as they stand today."""
        return catalog.models(provider, self._today())

    def warning(self, provider: ProviderEnum, model_id: str) -> str | None:
        """Return a sentence about a deprecated or retired model, else None."""
        return catalog.lifecycle_warning(provider, model_id, self._today())
