"""The command line, pure half: generate, models, check. `server/cli.py` adds the rest."""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import yaml

from llm_agent_builder import catalog
from llm_agent_builder.agent_builder import AgentBuilder, filename_for
from llm_agent_builder.catalog import Lifecycle
from llm_agent_builder.errors import AgentBuilderError, SpecError
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.spec import AgentSpec, make_spec

_FILE_MAX_BYTES = 4 * 1024 * 1024  # the longest values, all escaped, make less than 1 MiB
_PROVIDER = click.Choice([provider.value for provider in ProviderEnum])


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


@click.group(cls=Group)
@click.version_option(package_name="llm-agent-builder")
def cli() -> None:
    """Build an LLM agent as one readable Python file that you own."""


def _today() -> date:
    return datetime.now(UTC).date()


def _load_spec(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8-sig")
        # YAML is said to contain JSON, but PyYAML knows neither tabs nor pairs of \u escapes.
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise click.ClickException(f"can't read {path}: {error.strerror}") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise click.BadParameter(f"can't read {path}: {error}", param_hint="--spec") from None
    if not isinstance(values, dict):
        raise click.BadParameter(
            f"{path} is not a spec: it should be a mapping of fields", param_hint="--spec"
        )
    return {str(key): value for key, value in values.items()}


def _make_spec(values: dict[str, Any]) -> AgentSpec:
    """Return the spec, its model checked against the catalog.

    Raises:
        SpecError: a value is missing or can't be used.

    """
    provider = values.get("provider")
    if "model" not in values and isinstance(provider, str) and provider in PROVIDERS:
        values["model"] = PROVIDERS[ProviderEnum(provider)].default_model
    spec = make_spec(values)
    catalog.require_allowed(spec.provider, spec.model)
    return spec


@cli.command()
@click.option("--name", help="What the agent is called; the class is named after it.")
@click.option("--prompt", help="The system prompt.")
@click.option("--task", help="The example task: what the file does when given none.")
@click.option("--provider", type=_PROVIDER, help="Whose API it calls (default: anthropic).")
@click.option("--model", help="The model's id (default: the provider's default model).")
@click.option("--stream/--no-stream", default=None, help="Show the answer as it is written.")
@click.option(
    "--spec",
    "spec_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML or JSON file with these fields; options win over it.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=True, path_type=Path, allow_dash=True),
    help="File or folder to write to; - for standard output (default: named after the agent).",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def generate(spec_file: Path | None, output: Path | None, force: bool, **options: Any) -> None:
    """Write an agent file."""
    values: dict[str, Any] = {"provider": ProviderEnum.ANTHROPIC.value}
    if spec_file is not None:
        values |= _load_spec(spec_file)
    values |= {name: value for name, value in options.items() if value is not None}
    spec = _make_spec(values)
    source = AgentBuilder().build(spec)
    warning = catalog.lifecycle_warning(spec.provider, spec.model, _today())
    if warning:
        click.echo(f"warning: {warning}", err=True)
    if str(output) == "-":
        click.echo(source, nl=False)
        return
    path = _target(output, spec.name)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(source)
    except FileExistsError:
        raise click.ClickException(f"{path} is there already; --force replaces it") from None
    except OSError as error:
        raise click.ClickException(f"can't write {path}: {error.strerror}") from None
    click.echo(f"wrote {path} ({len(source.splitlines())} lines)", err=True)


def _target(output: Path | None, name: str) -> Path:
    if output is None:
        return Path(filename_for(name))
    return output / filename_for(name) if output.is_dir() else output


@cli.command()
@click.option("--provider", type=_PROVIDER, help="Only this provider's models.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def models(provider: str | None, as_json: bool) -> None:
    """List the models of each provider."""
    chosen = [ProviderEnum(provider)] if provider else list(PROVIDERS)
    found = {id_.value: catalog.models(id_, _today()) for id_ in chosen}
    if as_json:
        plain = {id_: [asdict(model) for model in listed] for id_, listed in found.items()}
        click.echo(json.dumps(plain, indent=2, default=str))
        return
    for id_, listed in found.items():
        click.echo(f"{PROVIDERS[ProviderEnum(id_)].label}")
        width = max(len(model.id) for model in listed)
        for model in listed:
            default = model.id == PROVIDERS[ProviderEnum(id_)].default_model
            click.echo(f"  {model.id:<{width}}  {_facts(model, default)}".rstrip())


def _facts(model: catalog.Model, default: bool) -> str:
    facts = ["default"] if default else []
    if model.lifecycle is not Lifecycle.CURRENT:
        facts.append(f"{model.lifecycle.value} ({model.retires_on})")
    if model.context_window:
        facts.append(f"{model.context_window:,} tokens")
    if model.price:
        facts.append(f"${model.price.input_per_mtok:g} / ${model.price.output_per_mtok:g} per Mtok")
    return ", ".join(facts)


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Check an agent file: that it is Python, has its parts, and names a model that is still there.

    Exit code 1 when something is wrong.
    """
    problems, warning = _findings(file)
    for finding in [*problems, *([f"warning: {warning}"] if warning else [])]:
        click.echo(f"{file}: {finding}", err=True)
    if problems:
        sys.exit(1)
    click.echo(f"{file}: ok")


def _findings(file: Path) -> tuple[list[str], str | None]:
    """Return what is wrong with an agent file, and what will be."""
    tree = _parse(file)
    if isinstance(tree, str):
        return [tree], None
    provider = _provider_of(tree)
    if provider is None:
        names = " nor ".join(row.sdk_module for row in PROVIDERS.values())
        return [f"is not an agent of this builder: it imports neither {names}"], None
    model = _constant(tree, "MODEL")
    if model is None:
        return ["has no MODEL = ... line, so its model can't be checked"], None
    problems = [_not_allowed(provider, model)]
    problems.append(None if _has_run(tree) else "has no class with a run(task) method")
    warning = catalog.lifecycle_warning(provider, model, _today())
    if warning and _is_retired(provider, model):
        problems.append(warning)
        warning = None
    return [problem for problem in problems if problem], warning


def _parse(file: Path) -> ast.Module | str:
    """Return the file's tree, or why it has none."""
    try:
        with file.open("rb") as opened:
            source = opened.read(_FILE_MAX_BYTES + 1)
        if len(source) > _FILE_MAX_BYTES:
            return f"is not an agent of this builder: it has more than {_FILE_MAX_BYTES:,} bytes"
        return ast.parse(source, filename=file.name)
    except OSError as error:
        return f"can't be read: {error.strerror}"
    except (SyntaxError, ValueError) as error:
        return f"is not Python: {error}"
    except (RecursionError, MemoryError):  # what the parser raises for a deep nest
        return "is not an agent of this builder: it is nested too deeply"


def _is_retired(provider: ProviderEnum, model: str) -> bool:
    listed = catalog.models(provider, _today())
    return any(row.id == model and row.lifecycle is Lifecycle.RETIRED for row in listed)


def _provider_of(tree: ast.Module) -> ProviderEnum | None:
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    return next((row.id for row in PROVIDERS.values() if row.sdk_module in imported), None)


def example_task(source: str) -> str | None:
    """Return the EXAMPLE_TASK of an agent file, if it has one; the file is read, never run."""
    try:
        return _constant(ast.parse(source), "EXAMPLE_TASK")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _constant(tree: ast.Module, name: str) -> str | None:
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            return str(node.value.value)
    return None


def _not_allowed(provider: ProviderEnum, model: str) -> str | None:
    try:
        catalog.require_allowed(provider, model)
    except SpecError as error:
        return error.problem
    return None


def _has_run(tree: ast.Module) -> bool:
    return any(
        isinstance(item, ast.FunctionDef) and item.name == "run"
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for item in node.body
    )
