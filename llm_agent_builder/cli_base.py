"""What the commands share: how they fail, and the catalog they work with."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from llm_agent_builder.catalog import Catalog
from llm_agent_builder.errors import AgentBuilderError, SettingsError, SpecError
from llm_agent_builder.extra_models import parse_models
from llm_agent_builder.model_facts import EXTRA_MODELS

CatalogSource = Callable[[], Catalog]


class Command(click.Command):
    """Shows this project's errors as one line and exits 1, or 2 where the usage was wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SpecError as error:
            raise click.UsageError(str(error), ctx) from None
        except AgentBuilderError as error:
            raise click.ClickException(str(error)) from None


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


def current_catalog() -> Catalog:
    """Return today's catalog: the one that whoever started the command line gave it, else our own.

    Raises:
        SettingsError: the setting that adds models can't be used.

    """
    given = click.get_current_context().find_root().obj
    return given() if callable(given) else _own_catalog()


def _own_catalog() -> Catalog:
    """Return what is known offline, with the models of the environment's setting."""
    try:
        extra = parse_models(os.environ.get(EXTRA_MODELS, ""))
    except ValueError as error:
        raise SettingsError(f"{EXTRA_MODELS}: {error}") from None
    return Catalog(datetime.now(UTC).date(), extra=extra)
