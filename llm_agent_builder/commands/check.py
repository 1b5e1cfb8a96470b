"""The command `check`: validates an agent file and moves it to another model."""

from __future__ import annotations

import ast
import sys
import tempfile
from pathlib import Path

import click

from llm_agent_builder.catalog.catalog import Catalog, Lifecycle
from llm_agent_builder.commands.base import FILE_MAX_BYTES, Command, say
from llm_agent_builder.commands.current_catalog import current_catalog
from llm_agent_builder.commands.models import size_and_price
from llm_agent_builder.editing.upgrade import Successor, Upgrade, find_upgrade
from llm_agent_builder.errors import NotOursError, SpecError
from llm_agent_builder.reading.constants import own_base_url
from llm_agent_builder.reading.source import read_source


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--fix", is_flag=True, help="Switch the file to a model that is still available.")
@click.option(
    "--to", "target", metavar="MODEL", help="The model to switch to (default: the closest)."
)
@click.option(
    "--strict", is_flag=True, help="Fail on warnings too, such as a deprecated model (for CI)."
)
def check(file: Path, fix: bool, target: str | None, strict: bool) -> None:
    """Check an agent file: its syntax, its parts, and whether its model is still available.

    If the model is retired or deprecated, its successors are listed, and the change to the closest
    one is printed as a diff; --fix applies it. Exit code 1 if there is a problem. A deprecated
    model is a warning that names the day of its retirement.
    """
    catalog = current_catalog()
    try:
        content = _read(file)
        text = _text(content)
        upgrade = find_upgrade(text, catalog, filename=file.name, to=target)
    except NotOursError as error:
        say(f"{file}: {error}")
        sys.exit(1)
    tree = read_source(text).tree
    problems = [] if _has_run(tree) else ["has no class with a run(task) method"]
    if fix and upgrade.successors:
        _apply(file, upgrade.successors[0])
    else:
        problems += _wrong_now(tree, upgrade, catalog) or _wrong_soon(file, upgrade, strict=strict)
        _offer(upgrade, asked=target is not None)
    for problem in problems:
        say(f"{file}: {problem}")
    if problems:
        sys.exit(1)
    click.echo(f"{file}: ok")


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise NotOursError(f"can't be read: {error.strerror}") from None
    if len(content) > FILE_MAX_BYTES:
        reason = f"it has more than {FILE_MAX_BYTES:,} bytes"
        raise NotOursError(f"is not an agent made here: {reason}")
    return content


def _text(content: bytes) -> str:
    # Decoding and encoding keeps every byte: line ends and BOM stay.
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise NotOursError("is not written in UTF-8: convert it first") from None


def _has_run(tree: ast.Module) -> bool:
    return any(
        isinstance(item, ast.FunctionDef) and item.name == "run"
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for item in node.body
    )


def _wrong_now(tree: ast.Module, upgrade: Upgrade, catalog: Catalog) -> list[str]:
    """Return the reasons why calls to the file's model fail today."""
    if own_base_url(tree) is not None:
        return []  # the models of a user's own server are unknown
    try:
        catalog.require_allowed(upgrade.provider, upgrade.model)
    except SpecError as error:
        return [error.problem]
    return [upgrade.note] if upgrade.note and upgrade.lifecycle is Lifecycle.RETIRED else []


def _wrong_soon(file: Path, upgrade: Upgrade, *, strict: bool) -> list[str]:
    """Print a warning about the file's model, or return it as a problem with --strict."""
    if upgrade.note is None or strict:
        return [upgrade.note] if upgrade.note else []
    say(f"{file}: warning: {upgrade.note}")
    return []


def _offer(upgrade: Upgrade, *, asked: bool) -> None:
    """List the successors, and print the change to the first as a diff on standard output."""
    if not upgrade.successors:
        return
    if not asked:
        say("switch with --fix, or --fix --to MODEL:")
        width = max(len(successor.id) for successor in upgrade.successors)
        for successor in upgrade.successors:
            facts = ", ".join(size_and_price(successor.context_window, successor.price))
            say(f"  {successor.id:{width}}  {facts}".rstrip())
            _warn(successor)
    click.echo(upgrade.successors[0].diff, nl=False)
    if asked:
        say("nothing was changed; use --fix to apply the change")


def _warn(successor: Successor) -> None:
    for problem in successor.problems:
        say(f"    {problem}")


def _apply(file: Path, successor: Successor) -> None:
    _replace(file, successor.code.encode())
    click.echo(successor.diff, nl=False)
    say(f"{file}: switched to {successor.id}")
    _warn(successor)


def _replace(file: Path, content: bytes) -> None:
    """Replace a file atomically; a link stays a link."""
    target = file.resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".check-", delete=False) as new:
            written = Path(new.name)
            new.write(content)
        written.chmod(target.stat().st_mode & 0o7777)
        written.replace(target)
    except OSError as error:
        raise click.ClickException(f"can't write {file}: {error.strerror}") from None
