"""Pydantic models as a user writes them, checked field by field and never run."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from pydantic import BaseModel

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.user_code.tool_functions import constant_value
from llm_agent_builder.user_code.type_schema import Schema, Types, fits

PATHS = frozenset(
    {
        *("pydantic.BaseModel", "pydantic.ConfigDict", "pydantic.Field"),
        *("typing.Annotated", "typing.Literal", "typing.Optional", "typing.Union", "enum.Enum"),
    }
)
"""All that an answer's source may import."""
NO_DICTIONARY = "an answer's keys are fixed; use a model, or a list of models with its key"
_TEXTS = frozenset({"description", "title", "alias"})
_NUMBERS = frozenset({"ge", "gt", "le", "lt"})
_LENGTHS = frozenset({"min_length", "max_length"})
FIELD_KEYWORDS = frozenset({"default", "examples"}) | _TEXTS | _NUMBERS | _LENGTHS
BOUND_MAX = 10**15
"""Beyond it, floats no longer hold every whole number."""
_NOT_MEMBERS = frozenset({"name", "value", "mro"})
NOT_FIELDS = frozenset(dir(BaseModel)) | {"str", "int", "float", "bool", "list", "dict"}
"""Names that mean something else inside a model."""


class AnswerTypes(Types):
    """Reads annotations of answers: models and enums by name, `Annotated`, no dictionaries."""

    understood = (
        "str, int, float, bool, list[...], Literal[...], models and enums defined above, and "
        "these with | None"
    )

    def __init__(self, paths: Mapping[str, str]) -> None:
        super().__init__(paths)
        self.named: dict[str, Schema] = {}
        """Classes and aliases so far."""

    def schema(self, node: ast.expr) -> Schema:
        """Return the JSON Schema of values that an annotation allows."""
        if isinstance(node, ast.Name) and node.id in self.named:
            return self.named[node.id]
        if isinstance(node, ast.Name) and node.id[:1].isupper() and node.id not in self.paths:
            message = f"{node.id} is not defined above; define it there (none contains itself)"
            raise CodeProblem(node.lineno, message)
        if isinstance(node, (ast.Name, ast.Subscript)):
            self._refuse_dictionary(node)
        if isinstance(node, ast.Subscript) and self.path(node.value) == "typing.Annotated":
            return self._annotated(node)
        return super().schema(node)

    def _refuse_dictionary(self, node: ast.Name | ast.Subscript) -> None:
        path = self.path(node.value if isinstance(node, ast.Subscript) else node)
        # The Anthropic SDK sends `additionalProperties: false` for every object: a dictionary
        # could only come back empty.
        if path in {"dict", "Dict"}:
            raise CodeProblem(node.lineno, NO_DICTIONARY)

    def _annotated(self, node: ast.Subscript) -> Schema:
        match node.slice:
            case ast.Tuple(elts=[of, ast.Call() as call]) if self.is_field(call):
                schema = self.schema(of)
                check_field(call, schema, False)
                return schema
        raise CodeProblem(node.lineno, "Annotated should be written Annotated[type, Field(...)]")

    def is_field(self, node: ast.expr) -> bool:
        """Return whether an expression is a call of pydantic's `Field`."""
        return isinstance(node, ast.Call) and self.path(node.func) == "pydantic.Field"

    def literal(self, node: ast.Subscript, inner: list[ast.expr]) -> Schema:
        """Return the schema of `Literal[...]`, whose values may be of several kinds here."""
        values = [constant_value(each) for each in inner]
        plain = all(value is None or isinstance(value, (str, int)) for value in values)
        if not plain or not values:
            raise CodeProblem(
                node.lineno, "Literal can contain strings, integers and booleans only"
            )
        return {"enum": values, "type": "literal"}


def check_field(call: ast.Call, schema: Schema, as_default: bool) -> None:
    """Check a call of `Field`; `as_default`: it stands where a default would.

    Raises:
        CodeProblem: pydantic would refuse it, or it does more than describe.

    """
    if call.args or any(keyword.arg is None for keyword in call.keywords):
        raise CodeProblem(call.lineno, "give Field its values by name: Field(description=...)")
    given = {keyword.arg or "": keyword.value for keyword in call.keywords}
    for name, node in given.items():
        if name not in FIELD_KEYWORDS:
            known = ", ".join(sorted(FIELD_KEYWORDS))
            message = f"Field({name}=...) is not understood; use {known}"
            raise CodeProblem(node.lineno, message)
        _check_keyword(name, node, schema)
    if "default" in given:
        if not as_default:
            message = "in Annotated, write the default behind it: = value"
            raise CodeProblem(given["default"].lineno, message)
        check_default(given["default"], schema)


def _check_keyword(name: str, node: ast.expr, schema: Schema) -> None:
    value = constant_value(node)
    kind = _kind(schema)
    if name in _TEXTS and not isinstance(value, str):
        raise CodeProblem(node.lineno, f"{name} should be a text")
    if name in _NUMBERS and not is_bound(value, kind):
        raise CodeProblem(node.lineno, f"{name} goes with a number, for int or float")
    if name in _LENGTHS and not is_length(value, kind):
        raise CodeProblem(node.lineno, f"{name} goes with a whole number, for str or list")
    if name == "examples" and not _is_literal(node):
        raise CodeProblem(node.lineno, "examples should be a list of plain values")


def is_bound(value: object, kind: str) -> bool:
    """Return whether a number can bound values of a JSON type."""
    numbers = {"integer": (int,), "number": (int, float)}.get(kind, ())
    return type(value) in numbers and abs(value) <= BOUND_MAX  # type: ignore[arg-type]


def is_length(value: object, kind: str) -> bool:
    """Return whether a number can bound the length of values of a JSON type."""
    return type(value) is int and 0 <= value < 2**31 and kind in {"string", "array"}


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.List) and all(
        constant_value(each) is not each for each in node.elts
    )


def _kind(schema: Schema) -> str:
    """Return the one kind of values, None aside, that bounds can apply to; else nothing."""
    kinds = {each["type"] for each in schema.get("anyOf", [schema])} - {"null"}
    return kinds.pop() if len(kinds) == 1 else ""


def check_default(node: ast.expr, schema: Schema) -> None:
    """Check the default of a field.

    Raises:
        CodeProblem: it is computed, or not of the field's type.

    """
    value = constant_value(node)
    if isinstance(node, ast.List) and not node.elts and _kind(schema) == "array":
        return
    if value is node:
        message = "a default is a plain value: a text, a number, True, False, None or []"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Field":
            message = "Field is not imported; write from pydantic import Field above"
        raise CodeProblem(node.lineno, message)
    if not fits(value, schema):
        hint = "write ... | None for it" if value is None else "give it one that is"
        raise CodeProblem(node.lineno, f"this default is not of its field's type; {hint}")


def check_model(node: ast.ClassDef, types: AnswerTypes, inherited: frozenset[str]) -> set[str]:
    """Return the fields of a model, those it inherits included.

    Raises:
        CodeProblem: something in its body is no field.

    """
    fields = set(inherited)
    for statement in _below_docstring(node):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)):
                _check_field_name(name, fields, statement.lineno, types)
                fields.add(name)
                _check_annotated_field(statement, types)
            case ast.Assign(targets=[ast.Name(id="model_config")], value=ast.Call() as call):
                _check_config(call, types)
            case ast.Pass():
                pass
            case _:
                message = f"{node.name} should contain fields only (name: type), and no code"
                raise CodeProblem(statement.lineno, message)
    return fields


def _below_docstring(node: ast.ClassDef) -> list[ast.stmt]:
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def _check_field_name(name: str, fields: set[str], line: int, types: AnswerTypes) -> None:
    if name in fields:
        raise CodeProblem(line, f"the field {name} exists already; rename one")
    taken = name in NOT_FIELDS or name in types.named or name in types.paths
    if taken or name.startswith(("_", "model_validate", "model_dump")):
        raise CodeProblem(
            line,
            f"{name} can't be a field: the name means something else in a model; write "
            f'{name.strip("_")}_: ... = Field(alias="{name}")',
        )


def _check_annotated_field(field: ast.AnnAssign, types: AnswerTypes) -> None:
    schema = types.schema(field.annotation)
    value = field.value
    if isinstance(value, ast.Call) and types.is_field(value):
        check_field(value, schema, True)
    elif value is not None:
        check_default(value, schema)


def _check_config(call: ast.Call, types: AnswerTypes) -> None:
    plain = {key.arg: constant_value(key.value) for key in call.keywords}
    known = not call.args and plain in ({"extra": "forbid"}, {"extra": "ignore"})
    if types.path(call.func) != "pydantic.ConfigDict" or not known:
        message = 'of ConfigDict only ConfigDict(extra="forbid") and "ignore" are understood'
        raise CodeProblem(call.lineno, message)


def check_enum(node: ast.ClassDef, kinds: tuple[type, ...]) -> None:
    """Check an enum: members with values of one of `kinds`.

    Raises:
        CodeProblem: something in its body is no member.

    """
    members: set[str] = set()
    for statement in _below_docstring(node):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if (
                type(constant_value(value)) in kinds
            ):
                if name in members or name in _NOT_MEMBERS or name.startswith("_"):
                    message = f"{name} can't be a member of {node.name} (again); rename it"
                    raise CodeProblem(statement.lineno, message)
                members.add(name)
            case _:
                message = f'{node.name} should contain members of its own type only: NAME = "value"'
                raise CodeProblem(statement.lineno, message)
    if not members:
        raise CodeProblem(node.lineno, f'{node.name} has no members; write NAME = "value"')
