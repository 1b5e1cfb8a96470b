"""Reads and writes spec files (YAML or JSON), and gives their JSON Schema for editors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import yaml

from llm_agent_builder.errors import SpecFileError
from llm_agent_builder.gallery import gallery
from llm_agent_builder.json_input.limits import JsonLimits, JsonProblem, check_json_size
from llm_agent_builder.providers import DEFAULT_PROVIDER, PROVIDERS, ProviderEnum
from llm_agent_builder.spec.agent_spec import AgentSpec, make_spec, spec_json_schema
from llm_agent_builder.spec.yaml_input import YamlProblem, load_yaml
from llm_agent_builder.validation.text import KEYS_MAX

SUFFIXES = (".yaml", ".yml", ".json")
_MAX_BYTES = 4 * 1024 * 1024
_SCHEMA_KEY = "$schema"
_NEEDED = ("name", "prompt", "task")


class _Dumper(yaml.SafeDumper):
    """Writes strings with several lines as blocks, which are easy to read and edit."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # YAML also treats these as line ends, and would read them back as a different one.
    style = '"' if set(text) & set("\x85\u2028\u2029") else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def load_spec_file(path: Path) -> dict[str, Any]:
    """Return the fields of a spec file, unchanged.

    Raises:
        SpecFileError: the file isn't YAML or JSON, isn't a mapping of fields, or has too many keys.
        OSError: the file can't be read.

    """
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise SpecFileError(f"can't read {path}: it has more than {_MAX_BYTES:,} bytes")
    try:
        return parse_spec(data.decode(), path)
    except UnicodeDecodeError:
        raise SpecFileError(f"can't read {path}: it is not UTF-8 text") from None


def parse_spec(text: str, path: PurePath) -> dict[str, Any]:
    """Return the fields in the text of a spec file, unchanged; `path` tells whether it is JSON.

    Raises:
        SpecFileError: the text isn't YAML or JSON, isn't a mapping of fields, or has too many keys.

    """
    text = text.removeprefix("\ufeff")
    try:
        # JSON should be valid YAML, but PyYAML accepts neither tabs nor pairs of \\u escapes.
        values = _load_json(text) if path.suffix.lower() == ".json" else load_yaml(text)
    except YamlProblem as error:
        raise SpecFileError(f"can't read {path}: {error}", error.problem, error.line) from None
    except json.JSONDecodeError as error:
        problem = f"it is not JSON: {error.msg}"
        raise SpecFileError(f"can't read {path}: {error}", problem, error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise SpecFileError(f"can't read {path}: {error}", str(error)) from None
    if not isinstance(values, dict):
        problem = "it must be a mapping of fields"
        raise SpecFileError(f"{path} is not a spec: {problem}", problem)
    values.pop(_SCHEMA_KEY, None)  # for editors, as JSON has no comments
    if len(values) > KEYS_MAX:
        problem = f"it has {len(values):,} keys; at most {KEYS_MAX} are allowed"
        raise SpecFileError(f"{path} is not a spec: {problem}", problem)
    return {str(key): value for key, value in values.items()}


def _load_json(text: str) -> Any:
    try:
        check_json_size(text.encode("utf-8", "surrogatepass"), JsonLimits())
    except JsonProblem as problem:
        raise ValueError(f"it {problem}") from None
    return json.loads(text, object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; raises ValueError for a duplicate key."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f'"{key}" is given twice')
        found[key] = value
    return found


def with_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields, with defaults for provider and model, which spec files may omit."""
    found: dict[str, Any] = {"provider": DEFAULT_PROVIDER.value, **values}
    provider = found["provider"]
    if "model" not in found and isinstance(provider, str) and provider in PROVIDERS:
        found["model"] = PROVIDERS[ProviderEnum(provider)].default_model
    return found


def plain_values(spec: AgentSpec) -> dict[str, Any]:
    """Return the fields of a spec that differ from their defaults, as written in a file."""
    values = spec.model_dump(mode="python", exclude_defaults=True)
    values["provider"] = spec.provider.value
    for server in values.get("mcp_servers", ()):
        server |= {key: list(server[key]) for key in ("command", "env") if key in server}
    for name in ("tools", "mcp_servers", "stop_sequences"):
        if name in values:
            values[name] = list(values[name])
    return values


def dump_spec(values: Mapping[str, Any], suffix: str = ".yaml") -> str:
    """Return the text of a spec file; `suffix` decides whether it is YAML or JSON."""
    if suffix == ".json":
        return json.dumps(values, indent=2) + "\n"
    dumped: str = yaml.dump(
        dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return dumped


def spec_of_file(path: Path) -> AgentSpec:
    """Return the spec in a file.

    Raises:
        SpecFileError, OSError: the file can't be read.
        SpecError: a field is invalid.

    """
    return make_spec(with_defaults(load_spec_file(path)))


def file_schema() -> dict[str, Any]:
    """Return the JSON Schema of spec files: all accepted forms, without defaults."""
    schema = spec_json_schema()
    properties = schema["properties"]
    properties["tools"]["items"] = {
        "anyOf": [
            {"$ref": "#/$defs/ToolSpec"},
            {"type": "string", "description": "The source alone."},
            {
                "type": "object",
                "description": "A gallery tool.",
                "properties": {"gallery": {"enum": [tool.id for tool in gallery()]}},
                "required": ["gallery"],
                "additionalProperties": False,
            },
        ]
    }
    properties["answer"]["anyOf"].insert(1, {"type": "object", "description": "A JSON Schema."})
    properties["provider"]["default"] = DEFAULT_PROVIDER.value
    properties[_SCHEMA_KEY] = {"type": "string", "description": "Where editors find this schema."}
    schema["required"] = list(_NEEDED)
    return {_SCHEMA_KEY: "https://json-schema.org/draft/2020-12/schema", **schema}
