"""Renders a spec: the templates receive its features, and its values as Python literals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from llm_agent_builder.providers import PROVIDERS, Provider
from llm_agent_builder.python_source.constants import (
    ALWAYS,
    CONSTANTS,
    EXIT_STOPPED_EARLY,
    GIVEN,
    OPTIONAL,
    Constant,
)
from llm_agent_builder.python_source.literals import LINE_MAX, line_literal, wrapped
from llm_agent_builder.rendering.constants import constant_line
from llm_agent_builder.rendering.features import Features
from llm_agent_builder.rendering.sdk_terms import SDK_TERMS
from llm_agent_builder.spec.agent_spec import AgentSpec
from llm_agent_builder.user_code.imports import import_block


@dataclass(frozen=True, slots=True)
class RenderedCode:
    """The user's code in a file, and the names of its tools and its answer type."""

    imports: tuple[tuple[str, ...], ...] = ()
    bodies: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    answer: str = ""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("llm_agent_builder"),
        undefined=StrictUndefined,
        auto_reload=False,  # templates don't change at run time
        autoescape=False,  # noqa: S701 - Python is rendered, not HTML; values are Python literals
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["wrapped"] = lambda parts: wrapped(*parts)
    return environment


def render(
    spec: AgentSpec, features: Features, code: RenderedCode, class_name: str, filename: str
) -> str:
    """Return the text of an agent file, which the caller must check with `verify`."""
    provider = PROVIDERS[features.provider]
    context = {
        **_flags(features),
        **_requirements(features),
        **_phrases(features, code),
        "folder": provider.parts,
        "constants": [
            (row.name, constant_line(row, getattr(spec, row.field))) for row in _constants(features)
        ],
        "base_url_line": _base_url_line(provider, base_url_of(spec)),
        "own_key_variable": provider.own_key_variable,
        "class_name": class_name,
        "filename": filename,
        "exit_stopped_early": EXIT_STOPPED_EARLY,
        "bodies": [body.rstrip("\n") for body in code.bodies],
    }
    own = _environment().get_template(f"{provider.parts}/imports.py.j2").render(context)
    context["imports"] = import_block(own.splitlines(), *code.imports)
    return _environment().get_template(provider.template).render(context)


def base_url_of(spec: AgentSpec) -> str:
    """Return the base URL of an agent, unless the environment sets another."""
    return spec.base_url or PROVIDERS[spec.provider].base_url


def _base_url_line(provider: Provider, base_url: str) -> str:
    variable = f'os.environ.get("{provider.base_url_variable}")'
    choices = f"{variable} or {line_literal(base_url)}"
    if len(choices) <= LINE_MAX - len("BASE_URL = "):
        return f"BASE_URL = {choices}"
    if len(choices) > LINE_MAX - 4:
        choices = choices.replace(" or ", "\n    or ", 1)
    return f"BASE_URL = (\n    {choices}\n)"


@cache
def _flags(features: Features) -> Mapping[str, Any]:
    """Return all features by name, and whether each optional field is given."""
    derived = ("mcp", "loops", "replies", "counts")
    names = [field.name for field in fields(Features)]
    given = {row.field: row.field in features.given for row in OPTIONAL}
    return given | {name: getattr(features, name) for name in (*names, *derived)}


@cache
def _constants(features: Features) -> tuple[Constant, ...]:
    """Return the constants that a file has."""
    flags = _flags(features)
    return tuple(row for row in CONSTANTS if _has(row, flags))


def _has(constant: Constant, flags: Mapping[str, Any]) -> bool:
    if constant.when == ALWAYS:
        return True
    name = constant.field if constant.when == GIVEN else constant.when
    return bool(flags[name])


@cache
def _requirements(features: Features) -> Mapping[str, str]:
    provider = PROVIDERS[features.provider]
    sdk = provider.sdk_requirement
    needs = [sdk.replace(">", "[mcp]>", 1), *provider.mcp_requirements] if features.mcp else [sdk]
    needs += provider.answer_requirements if features.answer else ()
    quoted = [line_literal(need) for need in needs]
    return {"requirements": f"[{', '.join(quoted)}]"}


def _phrases(features: Features, code: RenderedCode) -> dict[str, Any]:
    """Return code fragments that several templates use."""
    provider, terms = PROVIDERS[features.provider], SDK_TERMS[features.provider]
    message_type = terms.loop_message_type if features.loops else terms.message_type
    on_text = "on_text: Callable[[str], object] | None = None"
    client = [*terms.client_arguments]
    if provider.retries_by_itself and features.retries_shown:
        client.append("max_retries=RETRIES")
    if "timeout_s" in features.given:
        client.append("timeout=TIMEOUT_S")
    return {
        "answer_type": code.answer,
        "returns": code.answer or "str",
        "tool_calls": tool_calls(features, code),
        "tool_type": terms.tool_type,
        "tools_annotation": terms.tools_annotation,
        "system_message": terms.system_message,
        "message_type": message_type,
        "first_messages": "messages"
        if terms.system_message
        else '[{"role": "user", "content": task}]',
        "given": ["messages", "on_text"] if features.stream else ["messages"],
        "parameters": [f"messages: list[{message_type}]", *[on_text] * features.stream],
        "on_text_parameter": on_text,
        "client_arguments": client,
    }


def tool_calls(features: Features, code: RenderedCode) -> list[str]:
    """Return the items of a file's TOOLS."""
    return [f"{SDK_TERMS[features.provider].tool_maker}({name})" for name in code.tools]
