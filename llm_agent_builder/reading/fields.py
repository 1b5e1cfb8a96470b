"""Reads the values of a spec's fields from an agent file."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_agent_builder.errors import NotOursError
from llm_agent_builder.providers import PROVIDERS, Provider
from llm_agent_builder.python_source.constants import BY_FIELD, BY_NAME, CONSTANTS
from llm_agent_builder.reading.constants import own_base_url, provider_of
from llm_agent_builder.reading.literal_values import NotLiteralError, literal_value
from llm_agent_builder.reading.parts import FileParts, method, names_of
from llm_agent_builder.reading.source import Source
from llm_agent_builder.reading.user_code import read_code
from llm_agent_builder.spec.agent_spec import AgentSpec

_REQUIRED = [row.name for row in CONSTANTS if AgentSpec.model_fields[row.field].is_required()]
_SHOWN_MAX = 200


@dataclass(slots=True)
class FileFields:
    """The field values found in an agent file."""

    agent: ast.ClassDef
    values: dict[str, Any]
    stand_ins: dict[str, Any]
    """Placeholder values of required fields that can't be read."""
    warnings: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """Names of constants that exist but can't be read."""


def read_fields(file: FileParts) -> FileFields:
    """Return the field values of an agent file.

    Raises:
        NotOursError: the file lacks constants or a class that every agent file has.

    """
    source, agent = file.source, file.agent
    provider = PROVIDERS[provider_of(source.tree)]
    constants = _constants(source.tree)
    missing = [name for name in _REQUIRED if name not in constants]
    if missing:
        raise NotOursError(f"has no {missing[0]} = ..., which agents made here have")
    if agent is None:
        raise NotOursError("has no class with a run(task) method, which agents made here have")
    found = FileFields(agent, {"provider": provider.id.value}, {})
    found.stand_ins = _stand_ins(source, constants, agent, provider)
    stored = _stores(source.tree)
    for name, node in constants.items():
        if name in BY_NAME:
            _read_constant(found, name, node, stored[name])
    # Where the SDK has no retries, the file retries RETRIES times itself; no RETRIES means none.
    if BY_FIELD["retries"].name not in constants and not provider.retries_by_itself:
        found.values["retries"] = 0
    code = read_code(file)
    found.values |= {"tools": code.tools, "answer": code.answer}
    found.warnings += code.warnings
    found.values |= _signs(source.tree, agent)
    if (base_url := own_base_url(source.tree)) is not None:
        found.values["base_url"] = base_url
    return found


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the last value assigned to each name at module level."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found[name] = value
    return found


def _stores(tree: ast.Module) -> Counter[str]:
    """Count the assignments to each name, in the whole file."""
    return Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    )


def _stand_ins(
    source: Source, constants: Mapping[str, ast.expr], agent: ast.ClassDef, provider: Provider
) -> dict[str, Any]:
    """Return placeholders for required fields that can't be read; equal code gives equal values."""
    found: dict[str, Any] = {"name": agent.name, "model": provider.default_model}
    for name in ("SYSTEM_PROMPT", "EXAMPLE_TASK"):
        code = " ".join(source.segment(constants[name]).split())
        shown = code if len(code) <= _SHOWN_MAX else code[:_SHOWN_MAX] + " ..."
        found[BY_NAME[name].field] = f"(the file computes this: {shown})"
    return found


def _read_constant(found: FileFields, name: str, node: ast.expr, stores: int) -> None:
    field_name = BY_NAME[name].field
    try:
        value = literal_value(node)
    except NotLiteralError:
        problem = "is computed by the file"
    else:
        problem = "is assigned in several places" if stores > 1 else ""
    if not problem:
        found.values[field_name] = value
        return
    found.unread.add(name)
    found.warnings.append(
        f"{field_name}: {name} (line {node.lineno}) {problem}, so it can't be loaded; it stays "
        "unchanged unless you change the field"
    )
    if field_name in found.stand_ins:
        found.values[field_name] = found.stand_ins[field_name]


def _signs(tree: ast.Module, agent: ast.ClassDef) -> dict[str, Any]:
    """Return the fields that have no constant: the code's structure shows them."""
    run = method(agent, "run")
    assert run is not None
    arguments = {each.arg for each in (*run.args.args, *run.args.kwonlyargs)}
    defined = {name for node in tree.body for name in names_of(node)}
    return {
        "stream": "on_text" in arguments,
        "chat": "chat" in defined,
        "cache_prompt": any(
            isinstance(node, ast.keyword) and node.arg == "cache_control"
            for node in ast.walk(agent)
        ),
        "usage": any(_is_option(node, "--json") for node in ast.walk(tree)),
    }


def _is_option(node: ast.AST, name: str) -> bool:
    """Return whether a node adds this command line option."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr="add_argument"), args=[ast.Constant(value=option), *_]
        ):
            return option == name
    return False
