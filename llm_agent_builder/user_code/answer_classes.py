"""Checks a user's Pydantic models and enums, field by field, without running them."""

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
"""Everything that an answer's source may import."""
NO_DICTIONARY = "an answer's keys are fixed; use a model, or a list of models with the key"
_TEXTS = frozenset({"description", "title", "alias"})
_NUMBERS = frozenset({"ge", "gt", "le", "lt"})
_LENGTHS = frozenset({"min_length", "max_length"})
FIELD_KEYWORDS = frozenset({"default", "examples"}) | _TEXTS | _NUMBERS | _LENGTHS
LIMIT_MAX = 10**15
"""Larger floats can't represent every integer."""
_NOT_MEMBERS = frozenset({"name", "value", "mro"})
NOT_FIELDS = frozenset(dir(BaseModel)) | {"str", "int", "float", "bool", "list", "dict"}
"""Names with another meaning inside a model."""


class AnswerTypes(Types):
    """Reads annotations of answers: models and enums by name, `Annotated`, no dictionaries."""

    supported = (
        "str, int, float, bool, list[...], Literal[...], models and enums defined above, and "
        "these with | None"
    )

    def __init__(self, paths: Mapping[str, str]) -> None:
        super().__init__(paths)
        self.named: dict[str, Schema] = {}
        """The classes and aliases read so far."""

    def schema(self, node: ast.expr) -> Schema:
        """Return the JSON Schema of values that an annotation allows."""
        if isinstance(node, ast.Name) and node.id in self.named:
            return self.named[node.id]
        if isinstance(node, ast.Name) and node.id[:1].isupper() and node.id not in self.paths:
            message = (
                f"{node.id} is not defined above; define it there (a type can't contain itself)"
            )
            raise CodeProblem(node.lineno, message)
        if isinstance(node, (ast.Name, ast.Subscript)):
            self._refuse_dictionary(node)
        if isinstance(node, ast.Subscript) and self.path(node.value) == "typing.Annotated":
            return self._annotated(node)
        return super().schema(node)

    def _refuse_dictionary(self, node: ast.Name | ast.Subscript) -> None:
        path = self.path(node.value if isinstance(node, ast.Subscript) else node)
        # The Anthropic SDK sends `additionalProperties: false` for every object: a dictionary
        # would always be empty.
        if path in {"dict", "Dict"}:
            raise CodeProblem(node.lineno, NO_DICTIONARY)

    def _annotated(self, node: ast.Subscript) -> Schema:
        match node.slice:
            case ast.Tuple(elts=[of, ast.Call() as call]) if self.is_field(call):
                schema = self.schema(of)
                check_field(call, schema, False)
                return schema
        raise CodeProblem(node.lineno, "Annotated must be written Annotated[type, Field(...)]")

    def is_field(self, node: ast.expr) -> bool:
        """Return whether an expression is a call of pydantic's `Field`."""
        return isinstance(node, ast.Call) and self.path(node.func) == "pydantic.Field"

    def literal(self, node: ast.Subscript, inner: list[ast.expr]) -> Schema:
        """Return the schema of `Literal[...]`; the values may have several types here."""
        values = [constant_value(each) for each in inner]
        plain = all(value is None or isinstance(value, (str, int)) for value in values)
        if not plain or not values:
            raise CodeProblem(
                node.lineno, "Literal can contain strings, integers and booleans only"
            )
        return {"enum": values, "type": "literal"}


def check_field(call: ast.Call, schema: Schema, as_default: bool) -> None:
    """Check a call of `Field`; `as_default` means that it is in the place of a default.

    Raises:
        CodeProblem: pydantic would refuse it, or it uses keywords that aren't supported.

    """
    if call.args or any(keyword.arg is None for keyword in call.keywords):
        raise CodeProblem(call.lineno, "give Field its values by name: Field(description=...)")
    arguments = {keyword.arg or "": keyword.value for keyword in call.keywords}
    for name, node in arguments.items():
        if name not in FIELD_KEYWORDS:
            known = ", ".join(sorted(FIELD_KEYWORDS))
            message = f"Field({name}=...) is not supported; use {known}"
            raise CodeProblem(node.lineno, message)
        _check_keyword(name, node, schema)
    if "default" in arguments:
        if not as_default:
            message = "with Annotated, write the default after the type: = value"
            raise CodeProblem(arguments["default"].lineno, message)
        check_default(arguments["default"], schema)


def _check_keyword(name: str, node: ast.expr, schema: Schema) -> None:
    value = constant_value(node)
    kind = _kind(schema)
    if name in _TEXTS and not isinstance(value, str):
        raise CodeProblem(node.lineno, f"{name} must be a string")
    if name in _NUMBERS and not is_limit(value, kind):
        raise CodeProblem(node.lineno, f"{name} must be a number, and is only for int or float")
    if name in _LENGTHS and not is_length(value, kind):
        raise CodeProblem(node.lineno, f"{name} must be an integer, and is only for str or list")
    if name == "examples" and not _is_literal(node):
        raise CodeProblem(node.lineno, "examples must be a list of plain values")


def is_limit(value: object, kind: str) -> bool:
    """Return whether a number can limit values of a JSON type."""
    numbers = {"integer": (int,), "number": (int, float)}.get(kind, ())
    return type(value) in numbers and abs(value) <= LIMIT_MAX  # type: ignore[arg-type]


def is_length(value: object, kind: str) -> bool:
    """Return whether a number can limit the length of values of a JSON type."""
    return type(value) is int and 0 <= value < 2**31 and kind in {"string", "array"}


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.List) and all(
        constant_value(each) is not each for each in node.elts
    )


def _kind(schema: Schema) -> str:
    """Return the schema's only JSON type besides null, for limits; else an empty string."""
    kinds = {each["type"] for each in schema.get("anyOf", [schema])} - {"null"}
    return kinds.pop() if len(kinds) == 1 else ""


def check_default(node: ast.expr, schema: Schema) -> None:
    """Check the default of a field.

    Raises:
        CodeProblem: it is computed, or doesn't match the field's type.

    """
    value = constant_value(node)
    if isinstance(node, ast.List) and not node.elts and _kind(schema) == "array":
        return
    if value is node:
        message = "a default must be a plain value: a string, a number, True, False, None or []"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Field":
            message = "Field is not imported; write from pydantic import Field above"
        raise CodeProblem(node.lineno, message)
    if not fits(value, schema):
        hint = "add | None to the type" if value is None else "use a value of that type"
        raise CodeProblem(node.lineno, f"this default doesn't match its field's type; {hint}")


def check_model(node: ast.ClassDef, types: AnswerTypes, inherited: frozenset[str]) -> set[str]:
    """Return the fields of a model, including inherited ones.

    Raises:
        CodeProblem: something in its body is not a field.

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
                message = f"{node.name} must contain fields only (name: type), and no code"
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
            f"{name} can't be a field: the name has another meaning in a model; write "
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
        message = 'only ConfigDict(extra="forbid") and ConfigDict(extra="ignore") are supported'
        raise CodeProblem(call.lineno, message)


def check_enum(node: ast.ClassDef, kinds: tuple[type, ...]) -> None:
    """Check an enum: members with values of one of `kinds`.

    Raises:
        CodeProblem: something in its body is not a member.

    """
    members: set[str] = set()
    for statement in _below_docstring(node):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if (
                type(constant_value(value)) in kinds
            ):
                if name in members:
                    message = f"{name} is defined twice in {node.name}; rename one"
                    raise CodeProblem(statement.lineno, message)
                if name in _NOT_MEMBERS or name.startswith("_"):
                    message = f"{name} is a reserved name; rename this member of {node.name}"
                    raise CodeProblem(statement.lineno, message)
                members.add(name)
            case _:
                message = f'{node.name} must contain members of its own type only: NAME = "value"'
                raise CodeProblem(statement.lineno, message)
    if not members:
        raise CodeProblem(node.lineno, f'{node.name} has no members; write NAME = "value"')
