"""The simple fields of a spec as options of the command line; the rest is for spec files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from llm_agent_builder.commands.base import GIVEN_FILES
from llm_agent_builder.errors import SpecError
from llm_agent_builder.spec.agent_spec import AgentSpec, Effort, Thinking
from llm_agent_builder.user_code.parse import CODE_MAX_BYTES

_Command = Callable[..., Any]
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _about(field: str) -> str:
    return str(AgentSpec.model_fields[field].description)


def _option(field: str, **settings: Any) -> Callable[[_Command], _Command]:
    settings = {"default": None, "help": _about(field), **settings}
    return click.option(f"--{field.replace('_', '-')}", **settings)


_OPTIONS = (
    click.option(
        *("--tool", "tools"),
        multiple=True,
        metavar="FILE|ID",
        help="A Python file with one function, or a ready tool's id; may be repeated. Replaces the "
        "tools of a --spec or --base file.",
    ),
    click.option("--answer", type=_FILE, help="A Python file with Pydantic models, or a schema."),
    _option("chat", is_flag=True),
    _option("max_tokens", type=int),
    _option("thinking", type=click.Choice(get_args(Thinking))),
    _option("effort", type=click.Choice(get_args(Effort))),
    click.option(
        *("--stop-sequence", "stop_sequences"),
        multiple=True,
        help="A text at which an answer ends; may be repeated.",
    ),
    _option("cache_prompt", is_flag=True),
    _option("max_turns", type=int),
    _option("token_budget", type=int),
    click.option("--timeout", "timeout_s", type=float, help=_about("timeout_s")),
    _option("retries", type=int),
    _option("usage", is_flag=True),
)


def spec_options(command: _Command) -> _Command:
    """Add the options to a command; `option_values` reads them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def option_values(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that the options give, files read.

    Raises:
        SpecError: a file can't be read.

    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    files = click.get_current_context().meta.setdefault(GIVEN_FILES, {})
    if "tools" in given:
        given["tools"] = [_tool(i, name, files) for i, name in enumerate(given["tools"])]
    if "answer" in given:
        given["answer"] = _answer(given["answer"], files)
    return given


def _tool(position: int, name: str, files: dict[str, Path]) -> dict[str, str]:
    if name.endswith(".py") or "/" in name:
        return {"code": _read(f"tools.{position}.code", Path(name), files)}
    return {"gallery": name}


def _answer(path: Path, files: dict[str, Path]) -> object:
    text = _read("answer", path, files)
    if path.suffix != ".json":
        return text
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError("answer", f"is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise SpecError("answer", "should be a JSON Schema: an object in braces")
    return schema


def _read(field: str, path: Path, files: dict[str, Path]) -> str:
    files[field] = path
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read(CODE_MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(field, f"can't be read: {error.strerror}") from None
    except ValueError:
        raise SpecError(field, "can't be read: it is not UTF-8 text") from None
