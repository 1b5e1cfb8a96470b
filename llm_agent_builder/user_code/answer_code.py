"""Parses the type of an agent's answers: Pydantic models, from source or from a JSON Schema.

The agent file contains the source; it is checked and never run.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.user_code.answer_classes import (
    NO_DICTIONARY,
    PATHS,
    AnswerTypes,
    check_enum,
    check_model,
)
from llm_agent_builder.user_code.layout import Layout, Name, check_names, split_code
from llm_agent_builder.user_code.parse import parse_code, refuse_surrogates
from llm_agent_builder.user_code.schema_to_pydantic import source_of_schema
from llm_agent_builder.user_code.type_schema import OLD_NAMES, is_none

_ENUMS: Mapping[tuple[str, ...], tuple[type, ...]] = {
    (): (str, int),
    ("str",): (str,),
    ("int",): (int,),
}
"""The bases allowed before `Enum`, and the types allowed for the members."""


@dataclass(frozen=True, slots=True)
class AnswerCode:
    """A Pydantic model that an agent file can ask its model to fill."""

    class_name: str
    """The answer's type: the last class."""
    imports: tuple[str, ...]
    """One statement each, as ruff and isort would write them."""
    body: str
    """The code below the imports; ends with a newline."""
    names: tuple[Name, ...]
    """Every name at module level, including imported ones."""
    source: str
    """Canonical: imports, blank lines, body; parsing it gives the same again."""


def parse_answer(value: str | Mapping[str, Any]) -> AnswerCode:
    """Return the answer type that Python source or a JSON Schema describes.

    Raises:
        CodeProblem: the source can't be used; names the line and a fix.
        SchemaProblem: the schema can't be used; names the path in it and a fix.

    """
    return _parse_source(value if isinstance(value, str) else source_of_schema(value))


@lru_cache(maxsize=128)
def _parse_source(source: str) -> AnswerCode:
    parsed = parse_code(source)
    refuse_surrogates(parsed.tree)
    layout = split_code(parsed)
    for each in layout.imports:
        if each.imported.path not in PATHS:
            raise CodeProblem(each.line, _import_problem(each.imported.path))
    names, class_name = _read_classes(layout)
    check_names(parsed, layout, names)
    return AnswerCode(
        class_name=class_name,
        imports=layout.statements,
        body=layout.body,
        names=(*layout.imported_names, *names),
        source=layout.source,
    )


def _import_problem(path: str) -> str:
    module, _, name = path.rpartition(".")
    if path == "typing.Dict":
        return f"{path}: {NO_DICTIONARY}"
    if module == "typing" and name in OLD_NAMES:
        return f"{path} is not used in answers; write {OLD_NAMES[name]}, which needs no import"
    known = ", ".join(sorted(each.rpartition(".")[2] for each in PATHS))
    return f"{path} is not used in answers; import only: {known}"


def _read_classes(layout: Layout) -> tuple[list[Name], str]:
    types = AnswerTypes({each.imported.bound: each.imported.path for each in layout.imports})
    reader = _Reader(types)
    names = [Name(reader.read(node), node.lineno) for node in layout.rest]
    last = layout.rest[-1] if layout.rest else None
    if not isinstance(last, ast.ClassDef) or last.name not in reader.fields:
        line = last.lineno if last else 1
        message = "the code ends without the answer's model; write class Answer(BaseModel):"
        raise CodeProblem(line, message)
    if not reader.fields[last.name]:
        raise CodeProblem(last.lineno, f"{last.name} has no fields; write for example text: str")
    return names, last.name


class _Reader:
    """Reads classes and aliases, top to bottom."""

    def __init__(self, types: AnswerTypes) -> None:
        self.types = types
        self.fields: dict[str, frozenset[str]] = {}
        """The fields of each model read so far."""

    def read(self, node: ast.stmt) -> str:
        """Return the name that a statement defines.

        Raises:
            CodeProblem: it is not a model, an enum or a type alias.

        """
        if isinstance(node, ast.ClassDef):
            self._read_class(node)
            return node.name
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value) if name[
                :1
            ].isupper() and not is_none(value):
                self.types.named[name] = self.types.schema(value)
                return name
        message = "an answer's source can contain models, enums and type aliases only; remove this"
        raise CodeProblem(node.lineno, message)

    def _read_class(self, node: ast.ClassDef) -> None:
        if node.decorator_list or node.keywords:
            message = f"class {node.name} must have neither decorators nor keywords"
            raise CodeProblem(node.lineno, message)
        bases = [self.types.path(base) for base in node.bases]
        if bases and bases[-1] == "enum.Enum" and tuple(bases[:-1]) in _ENUMS:
            check_enum(node, _ENUMS[tuple(bases[:-1])])
            self.types.named[node.name] = {"type": "enum"}
            return
        known = len(bases) == 1 and (bases[0] == "pydantic.BaseModel" or bases[0] in self.fields)
        if not known:
            raise CodeProblem(node.lineno, _base_problem(node, self.types))
        inherited = self.fields.get(bases[0], frozenset())
        self.fields[node.name] = frozenset(check_model(node, self.types, inherited))
        self.types.named[node.name] = {"type": "object"}


def _base_problem(node: ast.ClassDef, types: AnswerTypes) -> str:
    modules = {"BaseModel": "pydantic", "Enum": "enum"}
    for base in node.bases:
        if isinstance(base, ast.Name) and types.path(base) in modules:
            return (
                f"{base.id} is not imported; write from {modules[base.id]} import {base.id} above"
            )
    return f"class {node.name} is neither (BaseModel) nor (Enum); write one of them"
