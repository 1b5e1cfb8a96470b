"""The command line, pure half: generate, models, check. `server/cli.py` adds the rest."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import click
import yaml

from llm_agent_builder.agent_builder import AgentBuilder, filename_for
from llm_agent_builder.agent_file import constant
from llm_agent_builder.catalog import Catalog
from llm_agent_builder.cli_base import Group, current_catalog
from llm_agent_builder.cli_models import check, models
from llm_agent_builder.cli_options import option_values, spec_options
from llm_agent_builder.cli_tools import tools
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.spec import AgentSpec, make_spec
from llm_agent_builder.spec_check import checked_spec

_PROVIDER = click.Choice([provider.value for provider in ProviderEnum])


@click.group(cls=Group)
@click.version_option(package_name="llm-agent-builder")
def cli() -> None:
    """Build an LLM agent as one readable Python file that you own."""


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


def _make_spec(values: dict[str, Any], catalog: Catalog) -> AgentSpec:
    """Return the spec, its model checked against the catalog.

    Raises:
        SpecError: a value is missing or can't be used.

    """
    provider = values.get("provider")
    if "model" not in values and isinstance(provider, str) and provider in PROVIDERS:
        values["model"] = PROVIDERS[ProviderEnum(provider)].default_model
    return checked_spec(make_spec(values), catalog)


@cli.command()
@click.option("--name", help="What the agent is called; the class is named after it.")
@click.option("--prompt", help="The system prompt.")
@click.option("--task", help="The example task: what the file does when given none.")
@click.option("--provider", type=_PROVIDER, help="Whose API it calls (default: anthropic).")
@click.option("--model", help="The model's id (default: the provider's default model).")
@click.option(
    "--base-url", help="A server of your own that answers, such as http://localhost:11434/v1."
)
@click.option("--stream/--no-stream", default=None, help="Show the answer as it is written.")
@spec_options
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
    values |= option_values(options)
    catalog = current_catalog()
    spec = _make_spec(values, catalog)
    source = AgentBuilder().build(spec)
    warning = None if spec.base_url else catalog.warning(spec.provider, spec.model)
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


def example_task(source: str) -> str | None:
    """Return the EXAMPLE_TASK of an agent file, if it has one; the file is read, never run."""
    try:
        task = constant(ast.parse(source), "EXAMPLE_TASK")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return task if isinstance(task, str) else None


cli.add_command(models)
cli.add_command(check)
cli.add_command(tools)
