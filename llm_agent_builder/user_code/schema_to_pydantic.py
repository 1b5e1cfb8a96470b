"""Writes Pydantic models from the part of JSON Schema that structured answers support.

`ruff format` would not change the result, and `mypy --strict` accepts it.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

from llm_agent_builder.errors import SchemaProblem
from llm_agent_builder.python_source.reserved_names import FILE_IMPORTS, FILE_NAMES
from llm_agent_builder.user_code.answer_classes import NOT_FIELDS, PATHS, is_length, is_limit
from llm_agent_builder.user_code.answer_types import (
    Type,
    annotated,
    docstring,
    field_line,
    fits_line,
    list_of,
    literal_of,
    type_width,
    union_of,
)
from llm_agent_builder.user_code.imports import Import, import_block, render_imports
from llm_agent_builder.user_code.parse import has_surrogates
from llm_agent_builder.user_code.type_schema import fits

_MAX_DEPTH = 16
_MAX_PARTS = 1000
_NAME_MAX = 24
_FIELD_MAX = 40
SCHEMA_MAX_CHARS = 64 * 1024
"""Limit of a schema: the length of its strings, plus one for each other value."""
SCHEMA_TEXT_MAX_BYTES = 4 * SCHEMA_MAX_CHARS
"""Limit in UTF-8 bytes of a schema as JSON text: it has white space and punctuation, too."""
_DEFINITION_MAX = 200
_ENUM_MAX = 1000
_PROPERTY_MAX = 64  # the providers' limit for tool parameters
_IMPORTED = frozenset(path.rpartition(".")[2] for path in PATHS)
_TAKEN = FILE_NAMES | FILE_IMPORTS.keys() | _IMPORTED | frozenset(dir(builtins))
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_LIMITS = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
_LENGTHS = {"minLength": "min_length", "maxLength": "max_length"}
_ITEMS = {"minItems": "min_length", "maxItems": "max_length"}
_COMMON = frozenset({"title", "description", "default", "type"})
_OF_TYPE: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", *_ITEMS}),
    "string": frozenset({"format", *_LENGTHS}),
    "integer": frozenset({"format", *_LIMITS}),
    "number": frozenset({"format", *_LIMITS}),
    "boolean": frozenset(),
    "null": frozenset(),
}
_OF_WHOLE = frozenset({"$schema", "$id", "$defs", "definitions"})

Schema = Mapping[str, Any]
Notes = dict[str, object]
"""Keywords of `Field`, and their values."""


def source_of_schema(schema: Schema) -> str:
    """Return the source of Pydantic models for a JSON Schema; the last class is the answer's type.

    Raises:
        SchemaProblem: the schema is invalid or uses features that structured answers don't
            support; names the path and a fix.

    """
    check_schema_size(schema)
    writer = _Writer(schema)
    writer.whole()
    imports = import_block(render_imports(Import(*path.split(".")) for path in writer.used))
    blank = "\n\n" if writer.chunks[0].startswith("class ") else "\n"
    return imports + blank + "\n\n\n".join(writer.chunks) + "\n"


def check_schema_size(schema: object) -> None:
    """Refuse a schema that would take long to read, without reading all of it.

    Raises:
        SchemaProblem: it is larger than `SCHEMA_MAX_CHARS`.

    """
    left, rest = SCHEMA_MAX_CHARS, [schema]
    while rest:
        value = rest.pop()
        left -= len(value) if isinstance(value, str) else 1
        if isinstance(value, Mapping):
            left -= len(value)
            rest += [*value.keys(), *value.values()] if left > 0 else []
        elif isinstance(value, (list, tuple)):
            rest += value if len(value) <= left else []
            left -= len(value)
        if left < 0:
            message = f"the schema has more than {SCHEMA_MAX_CHARS:,} characters; make it smaller"
            raise SchemaProblem("", message)


class _Writer:
    """Turns a schema into classes; `chunks` lists them, each after the ones it needs."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.chunks: list[str] = []
        self.used: set[str] = {"pydantic.BaseModel"}
        self.names: set[str] = set(_TAKEN)
        self.references: dict[str, Type | None] = {}
        """The types of `$defs`, by name; None while one is being read."""
        self.parts = 0

    def whole(self) -> None:
        """Read the whole schema.

        Raises:
            SchemaProblem: it doesn't describe an object, or can't be used.

        """
        schema = _require_mapping(self.schema, "")
        if "$ref" in schema:
            self.read(schema, "", "Answer", 0)
            if not (self.chunks and self.chunks[-1].startswith("class ")):
                raise SchemaProblem("$ref", "must refer to an object with properties")
            return
        if schema.get("type") != "object" or not schema.get("properties"):
            message = 'an answer is an object: give it "type": "object" and "properties"'
            raise SchemaProblem("type" if schema.get("type") != "object" else "properties", message)
        inner = {key: value for key, value in schema.items() if key not in _OF_WHOLE}
        self.read(inner, "", "Answer", 0)

    def read(self, schema: object, path: str, hint: str, depth: int) -> tuple[Type, Notes]:
        """Return the type that a schema describes, and the keywords of its `Field`."""
        schema = _require_mapping(schema, path)
        self.parts += 1
        if depth > _MAX_DEPTH or self.parts > _MAX_PARTS:
            message = f"more than {_MAX_DEPTH} levels or {_MAX_PARTS} parts; make it smaller"
            raise SchemaProblem(path, message)
        if "$ref" in schema:
            _refuse_unknown(schema, _COMMON - {"type"} | _OF_WHOLE | {"$ref"}, path)
            return self._reference(schema["$ref"], _at(path, "$ref"), depth), _notes(schema, path)
        if "anyOf" in schema:
            _refuse_unknown(schema, _COMMON - {"type"} | {"anyOf"}, path)
            of, notes = self._any_of(schema["anyOf"], _at(path, "anyOf"), hint, depth)
            return of, notes | _notes(schema, path)
        if "enum" in schema or "const" in schema:
            return _literal(schema, path), _notes(schema, path)
        return self._typed(schema, path, hint, depth)

    def _inner(self, schema: object, path: str, hint: str, depth: int) -> Type:
        """Return the type of a schema inside another type, with its notes."""
        of, notes = self.read(schema, path, hint, depth + 1)
        return annotated(self.shortened(of, 60, hint), notes)

    def _any_of(self, members: object, path: str, hint: str, depth: int) -> tuple[Type, Notes]:
        listed = _require_list(members, path)
        only = [number for number, each in enumerate(listed) if each != {"type": "null"}]
        if len(only) == 1 < len(listed):  # one type or null: its notes can go to the field
            of, notes = self.read(listed[only[0]], f"{path}.{only[0]}", hint, depth + 1)
            return union_of([of, Type("None", {"type": "null"})]), notes
        inner = (
            self._inner(member, f"{path}.{number}", hint, depth)
            for number, member in enumerate(listed)
        )
        return union_of(inner), {}

    def _reference(self, reference: object, path: str, depth: int) -> Type:
        match = re.fullmatch(r"#/(\$defs|definitions)/([^/]+)", str(reference))
        if not match:
            raise SchemaProblem(path, "must refer to a definition in this schema: #/$defs/NAME")
        kind, name = match[1], match[2].replace("~1", "/").replace("~0", "~")
        if len(name) > _DEFINITION_MAX:
            raise SchemaProblem(
                path, f"names can have at most {_DEFINITION_MAX} characters; shorten it"
            )
        definitions = self.schema.get(kind)
        if not isinstance(definitions, Mapping) or name not in definitions:
            raise SchemaProblem(path, f"{_quoted(name)} is not in {kind}; define it there")
        if name not in self.references:
            self.references[name] = None
            of = self._inner(definitions[name], f"{kind}.{name}", name, depth)
            self.references[name] = of if of.text.isidentifier() else self._alias(of, name)
        found = self.references[name]
        if found is None:
            message = f"{_quoted(name)} contains itself; structured answers can't be recursive"
            raise SchemaProblem(path, message)
        return found

    def _typed(self, schema: Schema, path: str, hint: str, depth: int) -> tuple[Type, Notes]:
        kinds = schema.get("type")
        if isinstance(kinds, (list, tuple)):
            return self._one_of_types(schema, kinds, path, hint, depth)
        if not isinstance(kinds, str) or kinds not in _OF_TYPE:
            known = ", ".join(_OF_TYPE)
            raise SchemaProblem(_at(path, "type"), f"must be one of {known}")
        _refuse_unknown(schema, _COMMON | _OF_TYPE[kinds], path)
        if kinds == "object":
            return self._object(schema, path, hint, depth), {}
        if kinds == "array":
            if "items" not in schema:
                raise SchemaProblem(
                    _at(path, "items"), "is missing; describe the items of the list"
                )
            of = self._inner(schema["items"], _at(path, "items"), hint, depth)
            return list_of(of), _notes(schema, path)
        return Type(_PLAIN[kinds], {"type": kinds}), _notes(schema, path)

    def _one_of_types(
        self, schema: Schema, kinds: Sequence[object], path: str, hint: str, depth: int
    ) -> tuple[Type, Notes]:
        """Read `"type": ["string", "null"]`."""
        rest = [kind for kind in kinds if kind != "null"]
        if len(rest) != 1 or len(kinds) != 2:
            message = 'must be one type, or one type and "null"; use anyOf for others'
            raise SchemaProblem(_at(path, "type"), message)
        of, notes = self.read({**schema, "type": rest[0]}, path, hint, depth + 1)
        return union_of([of, Type("None", {"type": "null"})]), notes

    def _object(self, schema: Schema, path: str, hint: str, depth: int) -> Type:
        if schema.get("additionalProperties", False) is not False:
            message = "must be false: an answer's keys are fixed; name them in properties"
            raise SchemaProblem(_at(path, "additionalProperties"), message)
        title = schema.get("title")
        name = self._class_name(title if isinstance(title, str) else hint)
        properties = _require_mapping(schema.get("properties", {}), _at(path, "properties"))
        required = _required(schema, properties, path)
        fields = _Fields(self, name, depth)
        for key, value in properties.items():
            fields.add(key, value, key in required, _at(_at(path, "properties"), str(key)))
        description = docstring(_text(schema, "description", path))
        config = '    model_config = ConfigDict(extra="forbid")\n\n' * (
            "additionalProperties" in schema
        )
        self.used |= {"pydantic.ConfigDict"} if config else set()
        body = (description + config + "\n".join(fields.lines)).rstrip() or "    pass"
        self.chunks.append(f"class {name}(BaseModel):\n{body}")
        return Type(name, {"type": "object"})

    def _class_name(self, hint: str) -> str:
        words = re.findall(r"[A-Za-z0-9]+", hint)
        joined = "".join(word[:1].upper() + word[1:] for word in words)[:_NAME_MAX]
        joined = joined if joined.isidentifier() and not keyword.iskeyword(joined) else "Part"
        return _take_name(joined, self.names)

    def shortened(self, of: Type, width: int, hint: str) -> Type:
        """Return a type of at most `width` columns if possible: long parts become aliases."""
        if fits_line(of.text, width):
            return of
        if of.list_of is not None:
            shorter = list_of(self.shortened(of.list_of, max(width - 6, 30), hint))
            return shorter if len(shorter.text) <= width else self._alias(shorter, hint)
        if of.union_of:
            shorter = union_of(self.shortened(part, 30, hint) for part in of.union_of)
            return shorter if len(shorter.text) <= width else self._alias(shorter, hint)
        return self._alias(of, hint) if of.lines else of

    def _alias(self, of: Type, hint: str) -> Type:
        name = self._class_name(hint)
        self.used |= of.uses
        line = f"{name} = {of.text}"
        if not fits_line(line):
            lines = of.lines
            if of.union_of:
                lines = ("Union[", *(f"    {part.text}," for part in of.union_of), "]")
                self.used.add("typing.Union")
            line = f"{name} = " + "\n".join(lines)
        self.chunks.append(line)
        return Type(name, of.schema)


class _Fields:
    """The fields of one class."""

    def __init__(self, writer: _Writer, class_name: str, depth: int) -> None:
        self.writer = writer
        self.class_name = class_name
        self.depth = depth
        self.names: set[str] = set()
        self.lines: list[str] = []

    def add(self, key: object, schema: object, required: bool, path: str) -> None:
        """Add the field for one property."""
        if not isinstance(key, str) or not 0 < len(key) <= _PROPERTY_MAX or not key.isprintable():
            message = f"a property's name must have 1 to {_PROPERTY_MAX} printable characters"
            raise SchemaProblem(path[:200], message)
        of, notes = self.writer.read(schema, path, key, self.depth + 1)
        name = self._field_name(key)
        notes = self._default(schema, of, required, path) | notes
        if not required and notes.get("default") is None:
            of = union_of([of, Type("None", {"type": "null"})])
        if name != key:
            notes["alias"] = key
        of = self.writer.shortened(of, type_width(name), key)
        self.writer.used |= of.uses | ({"pydantic.Field"} if notes.keys() - {"default"} else set())
        line = field_line(name, of.text, notes)
        self.writer.used |= {"pydantic.Field"} if "= Field(" in line else set()
        self.lines.append(line)

    def _default(self, schema: object, of: Type, required: bool, path: str) -> Notes:
        assert isinstance(schema, Mapping)
        if "default" not in schema:
            return {} if required else {"default": None}
        value = schema["default"]
        empty = value == [] and of.list_of is not None
        null = value is None and not required
        if not (null or empty or (_is_plain(value) and fits(value, of.schema))):
            message = "must be a plain value of the property's type"
            raise SchemaProblem(_at(path, "default"), message)
        return {"default": value}

    def _field_name(self, key: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_]+", "_", key).strip("_") or "field"
        if plain[0].isdigit():
            plain = f"field_{plain}"
        if plain[0].isupper():  # else it might have the name of its own class
            plain = plain.lower() if plain.isupper() else plain[0].lower() + plain[1:]
        plain = plain[:_FIELD_MAX].rstrip("_")
        if keyword.iskeyword(plain) or plain in NOT_FIELDS or plain in self.writer.names:
            plain += "_"
        return _take_name(plain, self.names, "_")


def _take_name(wanted: str, taken: set[str], separator: str = "") -> str:
    """Return a name that is not taken yet, with a number if necessary, and add it to these."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}{separator}{number}"
    taken.add(name)
    return name


def _is_plain(value: object) -> bool:
    """Return whether a value can be written in source and in a request."""
    if isinstance(value, str):
        return not has_surrogates(value)
    if isinstance(value, (int, float)):
        return -(2**63) < value < 2**63  # neither infinite nor NaN
    return value is None


def _literal(schema: Schema, path: str) -> Type:
    key = "const" if "const" in schema else "enum"
    _refuse_unknown(schema, _COMMON | {key}, path)
    values = [schema[key]] if key == "const" else _require_list(schema[key], _at(path, key))
    if len(values) > _ENUM_MAX:
        message = f"has {len(values):,} values; at most {_ENUM_MAX:,} are allowed"
        raise SchemaProblem(_at(path, key), message)
    for value in values:
        if isinstance(value, float) or not _is_plain(value):
            message = (
                f"{_quoted(value)} can't be compared exactly; use strings, integers and booleans"
            )
            raise SchemaProblem(_at(path, key), message)
    plain = list({(type(value), value): value for value in values if value is not None}.values())
    null = [Type("None", {"type": "null"})] if None in values else []
    return union_of([*([literal_of(plain)] if plain else []), *null])


def _notes(schema: Schema, path: str) -> Notes:
    """Return the keywords of `Field`: description, limits, lengths."""
    notes: Notes = {}
    description = _text(schema, "description", path)
    form = _text(schema, "format", path)
    if form:  # not validated, but the model reads it
        description = f"{description} (format: {form})" if description else f"Format: {form}"
    if description:
        notes["description"] = description
    kind = schema.get("type")
    for key, name in (_LIMITS | _LENGTHS | _ITEMS).items():
        if key not in schema:
            continue
        value = schema[key]
        whole = isinstance(value, float) and value.is_integer() and kind == "integer"
        value = int(value) if whole else value
        good = is_limit(value, str(kind)) if key in _LIMITS else is_length(value, str(kind))
        if not good:
            raise SchemaProblem(
                _at(path, key), "must be a number that is a valid limit for this type"
            )
        notes[name] = value
    return notes


def _required(schema: Schema, properties: Schema, path: str) -> set[str]:
    required = schema.get("required", [])
    listed = _require_list(required, _at(path, "required")) if required else []
    for name in listed:
        if not isinstance(name, str) or name not in properties:
            message = f"{_quoted(name)} is not among the properties; add it there"
            raise SchemaProblem(_at(path, "required"), message)
    return set(listed)


def _refuse_unknown(schema: Schema, known: frozenset[str], path: str) -> None:
    for key in schema:
        if key not in known:
            message = "is not supported; remove it, or put it in the description"
            raise SchemaProblem(_at(path, _short(str(key))), message)


def _text(schema: Schema, key: str, path: str) -> str:
    value = schema.get(key, "")
    if not isinstance(value, str) or has_surrogates(value):
        raise SchemaProblem(_at(path, key), "must be a string without lone surrogates")
    return value.strip()


def _require_mapping(value: object, path: str) -> Schema:
    if not isinstance(value, Mapping):
        raise SchemaProblem(path, 'must be a JSON Schema, such as {"type": "string"}')
    return value


def _require_list(value: object, path: str) -> list[Any]:
    if not isinstance(value, (list, tuple)) or not value:
        raise SchemaProblem(path, "must be a list with at least one item")
    return list(value)


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _quoted(value: object) -> str:
    return _short(ascii(value)) if isinstance(value, str) else f"a {type(value).__name__}"
