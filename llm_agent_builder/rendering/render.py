"""From a spec to text: the templates get its features, and its values as Python literals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.python_source.literals import (
    LINE_MAX,
    line_literal,
    list_literal,
    number_literal,
    python_literal,
    wrapped,
)
from llm_agent_builder.rendering.features import Features
from llm_agent_builder.spec.agent_spec import AgentSpec, McpServer
from llm_agent_builder.user_code.imports import import_block


@dataclass(frozen=True, slots=True)
class RenderedCode:
    """A user's code as it stands in a file, and the names that the file calls it by."""

    imports: tuple[tuple[str, ...], ...] = ()
    bodies: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    answer: str = ""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("llm_agent_builder"),
        undefined=StrictUndefined,
        auto_reload=False,  # templates don't change while the program runs: no look at each file
        autoescape=False,  # noqa: S701 - Python is rendered, not HTML; values pass python_literal
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["literal"] = python_literal
    environment.filters["number"] = number_literal
    environment.filters["wrapped"] = lambda parts: wrapped(*parts)
    return environment


def render(
    spec: AgentSpec, features: Features, code: RenderedCode, class_name: str, filename: str
) -> str:
    """Return the text of an agent file. The caller checks its shape."""
    provider = PROVIDERS[features.provider]
    context = {
        **_flags(features),
        **_requirements(features),
        **_phrases(features, code),
        "name": spec.name,
        "prompt": spec.prompt,
        "task": spec.task,
        "model": spec.model,
        "max_tokens": spec.max_tokens,
        "thinking_value": spec.thinking,
        "effort_value": spec.effort,
        "stops": list_literal("STOP_SEQUENCES = [", spec.stop_sequences),
        "servers": _servers_literal(spec.mcp_servers),
        "max_turns_value": spec.max_turns,
        "token_budget_value": spec.token_budget,
        "timeout_value": spec.timeout_s,
        "retries_value": spec.retries,
        "base_url_line": _base_url_line(base_url_of(spec)),
        "own_key_variable": provider.own_key_variable,
        "class_name": class_name,
        "filename": filename,
        "bodies": [body.rstrip("\n") for body in code.bodies],
    }
    own = _environment().get_template(f"{provider.parts}/imports.py.j2").render(context)
    context["imports"] = import_block(own.splitlines(), *code.imports)
    return _environment().get_template(provider.template).render(context)


def base_url_of(spec: AgentSpec) -> str:
    """Return the address that an agent calls where the environment names no other."""
    provider = PROVIDERS[spec.provider]
    return spec.base_url or provider.upstream + provider.base_url_suffix


def _base_url_line(base_url: str) -> str:
    variable = f'os.environ.get("{PROVIDERS[ProviderEnum.HUGGINGFACE].base_url_variable}")'
    choices = f"{variable} or {line_literal(base_url)}"
    if len(choices) <= LINE_MAX - len("BASE_URL = "):
        return f"BASE_URL = {choices}"
    if len(choices) > LINE_MAX - 4:
        choices = choices.replace(" or ", "\n    or ", 1)
    return f"BASE_URL = (\n    {choices}\n)"


@cache
def _flags(features: Features) -> Mapping[str, Any]:
    derived = ("mcp", "loops", "replies", "counts")
    names = [field.name for field in fields(Features)]
    return {name: getattr(features, name) for name in (*names, *derived)}


@cache
def _requirements(features: Features) -> Mapping[str, str]:
    provider = PROVIDERS[features.provider]
    sdk = provider.sdk_requirement
    needs = [sdk.replace(">", "[mcp]>", 1), *provider.mcp_requirements] if features.mcp else [sdk]
    needs += provider.answer_requirements if features.answer else ()
    quoted = [line_literal(need) for need in needs]
    return {"requirements": f"[{', '.join(quoted)}]"}


def _phrases(features: Features, code: RenderedCode) -> dict[str, Any]:
    """Return what the templates say in several places, put together once."""
    anthropic = features.provider is ProviderEnum.ANTHROPIC
    beta = "Beta" if features.loops else ""
    message_type = f"{beta}MessageParam" if anthropic else "Any"
    on_text = "on_text: Callable[[str], object] | None = None"
    client = [] if anthropic else ["base_url=BASE_URL", "api_key=ACCESS_TOKEN"]
    client += ["max_retries=RETRIES"] if anthropic and features.retries_shown else []
    client += ["timeout=TIMEOUT_S"] if features.timeout_s else []
    return {
        "answer_type": code.answer,
        "returns": code.answer or "str",
        "tool_calls": tool_calls(features, code),
        "tool_type": "BetaFunctionTool[Any]" if anthropic else "Tool",
        "message_type": message_type,
        "first_messages": '[{"role": "user", "content": task}]' if anthropic else "messages",
        "given": ["messages", "on_text"] if features.stream else ["messages"],
        "parameters": [f"messages: list[{message_type}]", *[on_text] * features.stream],
        "on_text_parameter": on_text,
        "client_arguments": client,
    }


def tool_calls(features: Features, code: RenderedCode) -> list[str]:
    """Return the items of a file's TOOLS."""
    anthropic = features.provider is ProviderEnum.ANTHROPIC
    return [f"{'beta_tool' if anthropic else 'as_tool'}({name})" for name in code.tools]


def _servers_literal(servers: Sequence[McpServer]) -> str:
    if not servers:
        return "[]"
    return "[\n" + "".join(map(_server_literal, servers)) + "]"


def _server_literal(server: McpServer) -> str:
    items = [f'"name": {line_literal(server.name)}']
    if server.url is None:
        lists = {"command": server.command, "env": server.env}
        items += [_list_item(key, values) for key, values in lists.items()]
    else:
        items.append(f'"url": {line_literal(server.url)}')
    return wrapped("    {", items, "},") + "\n"


def _list_item(key: str, values: Sequence[str]) -> str:
    """Return an item of a server's dictionary, as it stands there on lines of its own."""
    return list_literal(f'        "{key}": [', values, "],").strip().removesuffix(",")
