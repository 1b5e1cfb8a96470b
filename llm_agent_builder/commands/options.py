"""Command line options for the simple fields of a spec; spec files set the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import click

from llm_agent_builder.commands.base import GIVEN_FILES
from llm_agent_builder.errors import SpecError
from llm_agent_builder.python_source.constants import BY_FIELD, Kind
from llm_agent_builder.spec.agent_spec import AgentSpec
from llm_agent_builder.user_code.schema_to_pydantic import SCHEMA_TEXT_MAX_BYTES

_Command = Callable[..., Any]
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _about(field: str) -> str:
    return str(AgentSpec.model_fields[field].description)


_SPECIAL: Mapping[str, Callable[[_Command], _Command] | None] = {
    "tools": click.option(
        *("--tool", "tools"),
        multiple=True,
        metavar="FILE|ID",
        help="A Python file with one function, or the ID of a gallery tool. Repeat for several. "
        "Replaces the tools of a --spec or --base file.",
    ),
    "answer": click.option(
        "--answer", type=_FILE, help="A Python file with Pydantic models, or a JSON Schema."
    ),
    "stop_sequences": click.option(
        *("--stop-sequence", "stop_sequences"),
        multiple=True,
        help="Generation stops at this text. Repeat for several.",
    ),
    "timeout_s": click.option("--timeout", "timeout_s", type=float, help=_about("timeout_s")),
    "mcp_servers": None,
}
"""Options with a name or type different from their field's; None for fields of spec files only."""
_TYPES: Mapping[Kind, Any] = {Kind.WHOLE: int, Kind.NUMBER: float, Kind.TEXT: str}


def _option(field: str) -> Callable[[_Command], _Command] | None:
    if field in _SPECIAL:
        return _SPECIAL[field]
    constant = BY_FIELD.get(field)
    kind: dict[str, Any] = {"is_flag": True}
    if constant is not None and constant.kind is Kind.CHOICE:
        literal, _ = get_args(AgentSpec.model_fields[field].annotation)
        kind = {"type": click.Choice(get_args(literal))}
    elif constant is not None:
        kind = {"type": _TYPES[constant.kind]}
    name = f"--{field.replace('_', '-')}"
    return click.option(name, default=None, help=_about(field), **kind)


_FIELDS = list(AgentSpec.model_fields)
_FIRST = _FIELDS.index("tools")  # `generate` defines options for the fields before this
_OPTIONS = [option for field in _FIELDS[_FIRST:] if (option := _option(field)) is not None]


def spec_options(command: _Command) -> _Command:
    """Add the options to a command; `option_values` reads them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def option_values(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that the options set, with the contents of files.

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
    if path.suffix != ".json" or len(text) > SCHEMA_TEXT_MAX_BYTES:
        return text
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError("answer", f"is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise SpecError("answer", "must be a JSON Schema: an object in braces")
    return schema


def _read(field: str, path: Path, files: dict[str, Path]) -> str:
    files[field] = path
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read(SCHEMA_TEXT_MAX_BYTES + 1)  # one more: it is refused
    except OSError as error:
        raise SpecError(field, f"can't be read: {error.strerror}") from None
    except ValueError:
        raise SpecError(field, "can't be read: it is not UTF-8 text") from None
