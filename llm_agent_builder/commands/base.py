"""What the commands share: how they fail, and the catalog they work with."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import click

from llm_agent_builder.catalog import Catalog
from llm_agent_builder.errors import AgentBuilderError, SettingsError, SpecError
from llm_agent_builder.models.extra_models import parse_models
from llm_agent_builder.models.model_facts import EXTRA_MODELS

_FILE_MAX_BYTES = 4 * 1024 * 1024  # the longest values, all escaped, make less than 1 MiB
CatalogSource = Callable[[], Catalog]


class Command(click.Command):
    """Shows this project's errors as one line and exits 1, or 2 where the usage was wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SpecError as error:
            raise click.UsageError(_one_a_line(error, ctx), ctx) from None
        except AgentBuilderError as error:
            raise click.ClickException(str(error)) from None


GIVEN_FILES = f"{__name__}.given_files"
"""Where a command's context has the files that options named, by the fields they are read into."""


def _one_a_line(error: SpecError, ctx: click.Context) -> str:
    """Return the problems of a spec; those in a file that an option named, by that file."""
    files: dict[str, Path] = ctx.meta.get(GIVEN_FILES, {})
    lines = [f"{files.get(field, field)}: {problem}" for field, problem in error.problems]
    if len(lines) > 1:
        lines.insert(0, f"{len(lines)} values can't be used:")
    return "\n".join(lines)


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


@runtime_checkable
class KnowsServers(Protocol):
    """A source of catalogs that knows the servers of the user's own."""

    def server_notes(self) -> list[str]:
        """Return what is known of each server's list."""
        ...


def server_notes() -> list[str]:
    """Return what is known of the lists of the user's own servers, a line for each."""
    given = click.get_current_context().find_root().obj
    return given.server_notes() if isinstance(given, KnowsServers) else []


def _own_catalog() -> Catalog:
    """Return what is known offline, with the models of the environment's setting."""
    try:
        extra = parse_models(os.environ.get(EXTRA_MODELS, ""))
    except ValueError as error:
        raise SettingsError(f"{EXTRA_MODELS}: {error}") from None
    return Catalog(datetime.now(UTC).date(), extra=extra)


def read_text(path: Path) -> str:
    """Return a Python file's text with the line ends it has.

    Raises:
        ClickException: it can't be read, is too large, or isn't UTF-8.

    """
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_MAX_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"can't read {path}: {error.strerror}") from None
    if len(data) > _FILE_MAX_BYTES:
        raise click.ClickException(f"{path} has more than {_FILE_MAX_BYTES:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise click.ClickException(f"{path} is not UTF-8 text") from None


def refuse_odd_target(path: Path) -> None:
    """Refuse to write where a link or something else than a file stands.

    Raises:
        ClickException: it does; writing would change another file, or wait for ever.

    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise click.ClickException(f"{path} is a link, or no plain file: move it away first")


def write_text(path: Path, text: str, *, force: bool) -> None:
    """Write a file as it is given, byte for byte.

    Raises:
        ClickException: it is there already, and is not to be replaced; or it can't be written.

    """
    refuse_odd_target(path)
    try:
        with path.open("w" if force else "x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(f"{path} is there already; --force replaces it") from None
    except OSError as error:
        raise click.ClickException(f"can't write {path}: {error.strerror}") from None
