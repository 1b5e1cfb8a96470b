"""Provides the catalog for the commands."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

import click

from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.catalog.extra import parse_models
from llm_agent_builder.catalog.model import EXTRA_MODELS
from llm_agent_builder.errors import SettingsError


def current_catalog() -> Catalog:
    """Return today's catalog: that of the context's catalog source, else the offline one.

    Raises:
        SettingsError: the setting that adds models is invalid.

    """
    given = click.get_current_context().find_root().obj
    return given() if callable(given) else _own_catalog()


@runtime_checkable
class KnowsServers(Protocol):
    """A source of catalogs that includes the user's own servers."""

    def server_notes(self) -> list[str]:
        """Return a line about each server's list."""
        ...


def server_notes() -> list[str]:
    """Return a line about the list of each of the user's own servers."""
    given = click.get_current_context().find_root().obj
    return given.server_notes() if isinstance(given, KnowsServers) else []


def _own_catalog() -> Catalog:
    """Return the offline catalog with the models added by setting."""
    try:
        extra = parse_models(os.environ.get(EXTRA_MODELS, ""))
    except ValueError as error:
        raise SettingsError(f"{EXTRA_MODELS}: {error}") from None
    return Catalog(datetime.now(UTC).date(), extra=extra)
