"""Descriptions of fields for the OpenAPI document, from the docstrings below them in the source.

Pydantic can do that (`use_attribute_docstrings`), but reads the source of each class when its
module is imported: the server would start 0.15 s later, although few ask for the document.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import BaseModel

__all__ = ["add_descriptions"]

_PACKAGES = ("server.", "llm_agent_builder.")


def add_descriptions(schemas: Mapping[str, dict[str, Any]]) -> None:
    """Describe properties that have no description yet. `schemas` has them by name of a class."""
    classes = {each.__name__: each for each in _classes()}
    for name, schema in schemas.items():
        if name not in classes:
            continue
        for field, text in _documented(classes[name]).items():
            property_ = schema.get("properties", {}).get(field)
            if property_ is not None:
                property_.setdefault("description", text)


def _classes() -> Iterator[type]:
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGES):
            for value in list(vars(module).values()):
                if isinstance(value, type) and value.__module__ == name:
                    yield value


def _documented(owner: type) -> dict[str, str]:
    """Return the docstrings of a class's fields, inherited ones included, by name in JSON."""
    found: dict[str, str] = {}
    for each in reversed(owner.__mro__):
        if each.__module__.startswith(_PACKAGES):
            found |= _docstrings(sys.modules[each.__module__]).get(each.__qualname__, {})
    if issubclass(owner, BaseModel):
        names = {name: field.alias or name for name, field in owner.model_fields.items()}
        return {names.get(name, name): text for name, text in found.items()}
    return found


@cache
def _docstrings(module: ModuleType) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(module))
    return {
        each.name: dict(_of_class(each)) for each in tree.body if isinstance(each, ast.ClassDef)
    }


def _of_class(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)
