"""The command `generate`: one agent file, an edited one with changed fields, or many."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from llm_agent_builder.agent_builder import AgentBuilder, filename_for
from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.commands.base import Command, read_text, say, write_text
from llm_agent_builder.commands.batch import run_batch, spec_files_in
from llm_agent_builder.commands.current_catalog import current_catalog
from llm_agent_builder.commands.options import option_values, spec_options
from llm_agent_builder.editing.regenerate import regenerate
from llm_agent_builder.errors import MergeConflictError, NotOursError, SpecFileError
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.reading.read_agent import read_agent
from llm_agent_builder.spec.agent_spec import AgentSpec, make_spec
from llm_agent_builder.spec.files import load_spec_file, plain_values, with_defaults
from llm_agent_builder.spec.model_check import checked_spec

_PROVIDER = click.Choice([provider.value for provider in ProviderEnum])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(cls=Command)
@click.option("--name", help="The agent's name; the class is named after it.")
@click.option("--prompt", help="The system prompt.")
@click.option("--task", help="The example task, used when the file is run without one.")
@click.option(
    "--provider", type=_PROVIDER, help="The provider whose API it calls (default: anthropic)."
)
@click.option("--model", help="The model's ID (default: the provider's default model).")
@click.option("--base-url", help="Your own server's base URL, such as http://localhost:11434/v1.")
@click.option("--stream/--no-stream", default=None, help="Show the answer while it is generated.")
@spec_options
@click.option(
    "--spec",
    "spec_file",
    type=_FILE,
    help="YAML or JSON file with these fields; options override it.",
)
@click.option(
    "--base",
    type=_FILE,
    help="An agent file to update, even if you edited it by hand: only the fields given here "
    "change; manual edits are kept.",
)
@click.option(
    "--batch",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of spec files: writes one agent file for each to the folder --output. Options "
    "override the files.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=True, path_type=Path, allow_dash=True),
    help="File or folder to write to; - for standard output (default: named after the agent, or "
    "the --base file itself).",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def generate(
    spec_file: Path | None,
    base: Path | None,
    batch: Path | None,
    output: Path | None,
    force: bool,
    **options: Any,
) -> None:
    """Write an agent file.

    Exit code 1 if a file can't be written, if a change conflicts with manual edits in --base, or if
    a spec of --batch is invalid. All problems are listed.
    """
    given = option_values(options)
    if batch is not None:
        _generate_batch(batch, output, given, force=force, alone=spec_file is None and base is None)
        return
    if spec_file is not None:
        given = _load(spec_file) | given
    if base is not None:
        _generate_from(base, given, output, force=force)
        return
    catalog = current_catalog()
    spec = checked_spec(make_spec(with_defaults(given)), catalog)
    source = AgentBuilder().build(spec)
    _warn(spec, catalog)
    _write(source, output, Path(filename_for(spec.name)), force=force)


def _load(path: Path) -> dict[str, Any]:
    try:
        return load_spec_file(path)
    except SpecFileError as error:
        raise click.BadParameter(str(error), param_hint="--spec") from None
    except OSError as error:
        raise click.ClickException(f"can't read {path}: {error.strerror}") from None


def _warn(spec: AgentSpec, catalog: Catalog, where: str = "") -> None:
    warning = None if spec.base_url else catalog.warning(spec.provider, spec.model)
    if warning:
        say(f"{where}warning: {warning}")


def _write(source: str, output: Path | None, default: Path, *, force: bool) -> None:
    if str(output) == "-":
        click.echo(source, nl=False)
        return
    path = default if output is None else output / default.name if output.is_dir() else output
    write_text(path, source, force=force)
    say(f"wrote {path} ({len(source.splitlines())} lines)")


def _generate_from(base: Path, given: dict[str, Any], output: Path | None, *, force: bool) -> None:
    text = read_text(base)
    catalog = current_catalog()
    try:
        before = read_agent(text).spec
        known = plain_values(before)
        if given.get("provider", known["provider"]) != known["provider"]:
            known.pop("model")  # it belongs to the other provider
        spec = checked_spec(make_spec(with_defaults(known | given)), catalog)
        made = regenerate(text, spec)
    except NotOursError as error:
        raise click.ClickException(f"{base} {error}") from None
    except MergeConflictError as error:
        places = [f"{base}:{each.first_line}: {each.reason}" for each in error.conflicts]
        message = "the changes conflict with manual edits; nothing was changed"
        raise click.ClickException("\n".join([message, *places])) from None
    _warn(spec, catalog)
    _warn_of_lost_tools(before, spec)
    _write(made.code, output, base, force=force)


def _warn_of_lost_tools(before: AgentSpec, after: AgentSpec) -> None:
    remaining = {tool.name for tool in after.tool_codes}
    lost = [tool.name for tool in before.tool_codes if tool.name not in remaining]
    if lost:
        say(
            f"warning: the given tools replace those of the file; removed: {', '.join(lost)}. "
            "To keep one, pass it too (--tool FILE or ID)"
        )


def _generate_batch(
    folder: Path, output: Path | None, given: dict[str, Any], *, force: bool, alone: bool
) -> None:
    if not alone:
        raise click.UsageError("--batch can't be combined with --spec or --base")
    if output is None or str(output) == "-":
        raise click.UsageError("--batch needs a folder to write to: --output DIR")
    specs = spec_files_in(folder)
    if not specs:
        raise click.UsageError(f"{folder} has no spec files (.yaml, .yml or .json)")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"can't create {output}: {error.strerror}") from None
    catalog = current_catalog()

    def make(path: Path) -> AgentSpec:
        spec = checked_spec(make_spec(with_defaults(load_spec_file(path) | given)), catalog)
        _warn(spec, catalog, f"{path}: ")
        return spec

    hidden = not sys.stderr.isatty()  # otherwise a log would contain only its label
    with click.progressbar(specs, label="agents", file=sys.stderr, hidden=hidden) as bar:
        done = run_batch(bar, output, make, force=force)
    for path, problem in done.problems:
        say(f"{path}: {problem}")
    same = f", {len(done.unchanged)} unchanged" if done.unchanged else ""
    failed = f", {len(done.problems)} failed" if done.problems else ""
    say(f"{len(specs)} specs: {len(done.written)} written{same}{failed}")
    if done.problems:
        raise click.exceptions.Exit(1)
