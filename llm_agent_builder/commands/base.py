"""Shared parts of the commands: errors, lazy loading, reading and writing files."""

from __future__ import annotations

import contextlib
import gc
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from llm_agent_builder.errors import AgentBuilderError, SpecError
from llm_agent_builder.validation.visible_text import visible

FILE_MAX_BYTES = 4 * 1024 * 1024  # the longest values, fully escaped, take less than 1 MiB


class Command(click.Command):
    """Shows this project's errors as one line, and exits with 1, or with 2 for wrong usage."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SpecError as error:
            raise click.UsageError(visible(_one_a_line(error, ctx)), ctx) from None
        except AgentBuilderError as error:
            raise click.ClickException(visible(str(error))) from None
        except click.ClickException as error:
            error.message = visible(error.message)  # type: ignore[misc] # its name only is final
            raise


def say(line: str) -> None:
    """Write a line to standard error, with untrusted text escaped."""
    click.echo(visible(line), err=True)


GIVEN_FILES = f"{__name__}.given_files"
"""The key in a command's context of the files named by options, by field."""


def _one_a_line(error: SpecError, ctx: click.Context) -> str:
    """Return the problems of a spec; a problem in an option's file names that file."""
    files: dict[str, Path] = ctx.meta.get(GIVEN_FILES, {})
    lines = [f"{files.get(field, field)}: {problem}" for field, problem in error.problems]
    if len(lines) > 1:
        lines.insert(0, f"{len(lines)} values can't be used:")
    return "\n".join(lines)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Exit with 130 at Ctrl-C, as shells do; click alone would print "Aborted!" and exit with 1."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        raise SystemExit(130) from None


class Group(click.Group):
    """A group of commands that are loaded when called, so that unused imports cost no time."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._places: dict[str, str] = {}

    def add_later(self, name: str, place: str, summary: str) -> None:
        """Add the command at `place`, "module:attribute"; `summary` is the start of its help."""
        self._places[name] = place
        self.add_command(click.Command(name, help=summary))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load and return a command, or None if there is none of that name."""
        place = self._places.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(_imported(module), attribute)
        return command

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the options."""
        with interruptible():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Load the command and run it."""
        with interruptible():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their summaries, without loading them."""
        click.Group(commands=self.commands).format_commands(ctx, formatter)


def _imported(module: str) -> ModuleType:
    """Import a module with garbage collection off, as there is nothing to collect."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.enable()


def read_text(path: Path) -> str:
    """Return a Python file's text with its original line ends.

    Raises:
        ClickException: the file can't be read, is too large, or isn't UTF-8.

    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"can't read {path}: {error.strerror}") from None
    if len(data) > FILE_MAX_BYTES:
        raise click.ClickException(f"{path} has more than {FILE_MAX_BYTES:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise click.ClickException(f"{path} is not UTF-8 text") from None


def refuse_odd_target(path: Path) -> None:
    """Refuse to write to a path that is a link or not a regular file.

    Raises:
        ClickException: it is; writing would change another file, or block forever.

    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise click.ClickException(f"{path} is a link or not a regular file: move it away first")


def write_text(path: Path, text: str, *, force: bool) -> None:
    """Write a file, byte for byte.

    Raises:
        ClickException: the file exists and must not be replaced, or can't be written.

    """
    refuse_odd_target(path)
    try:
        with path.open("w" if force else "x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(f"{path} already exists; use --force to replace it") from None
    except OSError as error:
        raise click.ClickException(f"can't write {path}: {error.strerror}") from None
