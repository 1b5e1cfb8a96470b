"""The commands about models: models lists them, check looks after agent files."""

from __future__ import annotations

import ast
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from llm_agent_builder.catalog.catalog import Catalog, Lifecycle
from llm_agent_builder.catalog.model import Model, Origin, Price
from llm_agent_builder.commands.base import Command, say
from llm_agent_builder.commands.current_catalog import current_catalog, server_notes
from llm_agent_builder.editing.upgrade import Successor, Upgrade, find_upgrade
from llm_agent_builder.errors import NotOursError, SpecError
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.reading.constants import own_base_url
from llm_agent_builder.reading.source import read_source

_FILE_MAX_BYTES = 4 * 1024 * 1024  # the longest values, all escaped, make less than 1 MiB
_PROVIDER = click.Choice([provider.value for provider in ProviderEnum])


@click.command(cls=Command)
@click.option("--provider", type=_PROVIDER, help="Only this provider's models.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def models(provider: str | None, as_json: bool) -> None:
    """List the models of each provider: what ships, what was last asked for, what you added."""
    chosen = [ProviderEnum(provider)] if provider else list(PROVIDERS)
    catalog = current_catalog()
    found = {id_.value: catalog.models(id_) for id_ in chosen}
    for note in server_notes() if any(PROVIDERS[id_].own_servers for id_ in chosen) else ():
        say(note)
    if as_json:
        plain = {id_: [asdict(model) for model in listed] for id_, listed in found.items()}
        click.echo(json.dumps(plain, indent=2, default=str))
        return
    for id_, listed in found.items():
        click.echo(f"{PROVIDERS[ProviderEnum(id_)].label}")
        width = max(len(model.id) for model in listed)
        for model in listed:
            default = model.id == PROVIDERS[ProviderEnum(id_)].default_model
            click.echo(f"  {model.id:{width}}  {_facts(model, default)}".rstrip())


def _facts(model: Model, default: bool) -> str:
    facts = ["default"] if default else []
    if model.lifecycle is not Lifecycle.CURRENT:
        when = f" ({model.retires_on})" if model.retires_on else ""
        facts.append(f"{model.lifecycle.value}{when}")
    if model.note:
        facts.append("not served now")
    facts += _size_and_price(model.context_window, model.price)
    if model.origin is Origin.SETTING:
        facts.append(f"at {model.base_url}" if model.base_url else "added by setting")
    return ", ".join(facts)


def _size_and_price(context_window: int | None, price: Price | None) -> list[str]:
    facts = [f"{context_window:,} tokens"] if context_window else []
    if price:
        facts.append(f"${price.input_per_mtok:g} / ${price.output_per_mtok:g} per Mtok")
    return facts


# ---------------------------------------------------------------- check


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--fix", is_flag=True, help="Move the file to a model that is still there.")
@click.option(
    "--to", "target", metavar="MODEL", help="The model to move to (default: the nearest)."
)
@click.option(
    "--strict", is_flag=True, help="Warnings fail too, such as a deprecated model: for CI."
)
def check(file: Path, fix: bool, target: str | None, strict: bool) -> None:
    """Check an agent file: that it is Python, has its parts, and names a model that is still there.

    Where the model ends, its successors are listed, and the one-line change is written to standard
    output as a diff; --fix makes it. Exit code 1 when something is wrong; a model that is only
    deprecated is a warning, with the day on which it ends.
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
            content = opened.read(_FILE_MAX_BYTES + 1)
    except OSError as error:
        raise NotOursError(f"can't be read: {error.strerror}") from None
    if len(content) > _FILE_MAX_BYTES:
        reason = f"it has more than {_FILE_MAX_BYTES:,} bytes"
        raise NotOursError(f"is not an agent of this builder: {reason}")
    return content


def _text(content: bytes) -> str:
    # Text between the same bytes and back: no line end is translated, no BOM lost.
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
    """Return why calls to the file's model fail today."""
    if own_base_url(tree) is not None:
        return []  # what a server of the user's own offers is the user's to know
    try:
        catalog.require_allowed(upgrade.provider, upgrade.model)
    except SpecError as error:
        return [error.problem]
    return [upgrade.note] if upgrade.note and upgrade.lifecycle is Lifecycle.RETIRED else []


def _wrong_soon(file: Path, upgrade: Upgrade, *, strict: bool) -> list[str]:
    """Warn of what becomes of the file's model; return that instead where it is to fail."""
    if upgrade.note is None or strict:
        return [upgrade.note] if upgrade.note else []
    say(f"{file}: warning: {upgrade.note}")
    return []


def _offer(upgrade: Upgrade, *, asked: bool) -> None:
    """List the ways on, and show the first as a diff on standard output."""
    if not upgrade.successors:
        return
    if not asked:
        say("move it with --fix, or --fix --to MODEL:")
        width = max(len(successor.id) for successor in upgrade.successors)
        for successor in upgrade.successors:
            facts = ", ".join(_size_and_price(successor.context_window, successor.price))
            say(f"  {successor.id:{width}}  {facts}".rstrip())
            _warn(successor)
    click.echo(upgrade.successors[0].diff, nl=False)
    if asked:
        say("nothing was changed; --fix makes the change")


def _warn(successor: Successor) -> None:
    for problem in successor.problems:
        say(f"    {problem}")


def _apply(file: Path, successor: Successor) -> None:
    _replace(file, successor.code.encode())
    click.echo(successor.diff, nl=False)
    say(f"{file}: moved to {successor.id}")
    _warn(successor)


def _replace(file: Path, content: bytes) -> None:
    """Write a file anew, wholly or not at all; a link stays one."""
    target = file.resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".check-", delete=False) as new:
            written = Path(new.name)
            new.write(content)
        written.chmod(target.stat().st_mode & 0o7777)
        written.replace(target)
    except OSError as error:
        raise click.ClickException(f"can't write {file}: {error.strerror}") from None
