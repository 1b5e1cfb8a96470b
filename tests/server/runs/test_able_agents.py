"""Agents with tools, typed answers and conversation, in the sandbox and through the gateway."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from llm_agent_builder import PROVIDERS, AgentBuilder, ProviderEnum
from llm_agent_builder.spec.agent_spec import make_spec
from server.sandbox import Sandbox, run_in_sandbox
from tests.llm_agent_builder.support.combinations import ADD, CITY
from tests.llm_agent_builder.support.scripted_upstream import ScriptedUpstream, answer, tool_call
from tests.support.api_client import SPEC, execute, fields
from tests.support.serving import ServerFactory

SETTINGS = {
    ProviderEnum.ANTHROPIC: ("ANTHROPIC_API_KEY", "AGENT_BUILDER_ANTHROPIC_UPSTREAM"),
    ProviderEnum.HUGGINGFACE: ("HUGGINGFACEHUB_API_TOKEN", "AGENT_BUILDER_HUGGINGFACE_UPSTREAM"),
}
ABLE: dict[str, Any] = {"tools": [ADD], "answer": CITY, "usage": True, "token_budget": 1000}
FOUND = '{"name": "Oslo", "size": "large"}'


def spec_of(provider: ProviderEnum, **values: Any) -> dict[str, Any]:
    return {
        "name": "Able",
        "prompt": "Be brief.",
        "task": "Do it.",
        "provider": provider.value,
        "model": PROVIDERS[provider].default_model,
        **values,
    }


_TRY_OUT = {
    ProviderEnum.ANTHROPIC: "TOOLS[0].call({'first': 40, 'second': 2}), TOOLS[0].input_schema",
    ProviderEnum.HUGGINGFACE: "TOOLS[0].function(40, 2), TOOLS[0].definition",
}


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_tools_and_types_of_an_agent_work_on_every_tier(
    tiered: Sandbox, provider: ProviderEnum
) -> None:
    source = AgentBuilder().build(make_spec(spec_of(provider, **ABLE)))
    assert source.endswith("    main()\n")
    trial = f"    print({_TRY_OUT[provider]}, City.model_validate_json('{FOUND}'))\n"
    out = run_in_sandbox(source.removesuffix("    main()\n") + trial, "", sandbox=tiered)
    assert out.startswith("42 {"), out
    assert "'first': {" in out
    assert out.endswith("name='Oslo' size='large' mayors=None\n")


@pytest.fixture(scope="module")
def provided(serve_all: ServerFactory) -> Iterator[tuple[httpx.Client, ScriptedUpstream]]:
    """Return a client of a server with both keys, and the upstream that replaces both providers.

    Under a budget: all that a generated agent sends must be understood.
    """
    upstream = ScriptedUpstream()
    try:
        settings: dict[str, Any] = {"AGENT_BUILDER_RUN_BUDGET_USD": "100"}
        for key, address in SETTINGS.values():
            settings |= {key: "test-key", address: upstream.url}
        with serve_all(**settings).client() as client:
            yield client, upstream
    finally:
        upstream.close()


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_an_agent_with_tools_reaches_its_provider_from_the_sandbox(
    provided: tuple[httpx.Client, ScriptedUpstream], provider: ProviderEnum
) -> None:
    client, upstream = provided
    upstream.received.clear()
    upstream.replies.append(tool_call(provider, "add", '{"first": 40, "second": 2}', stream=False))
    upstream.replies.append(answer(provider, [FOUND], stream=False))
    written = client.post("/api/generate", json=spec_of(provider, **ABLE))
    assert written.status_code == 200, written.text
    result = execute(client, written.json()["code"])
    assert (result["status"], result["backend"]) == ("success", "provider"), result
    assert json.loads(result["stdout"])["name"] == "Oslo"
    assert "calls: 2, input_tokens: 6, output_tokens: 10" in result["stderr"]
    assert "42" in json.dumps(upstream.received[1].body["messages"][-1])
    assert result["usage"]["output_tokens"] == 10


# By hand: it starts at once, where a framework takes seconds on a busy machine.
_SMALL_SERVER = """
import json, sys
SCHEMA = {"type": "object", "properties": {"number": {"type": "integer"}}}
def answer(method, params):
    if method == "initialize":
        about = {"name": "small", "version": "1"}
        version = params["protocolVersion"]
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
    if method == "tools/list":
        return {"tools": [{"name": "double", "inputSchema": SCHEMA}]}
    text = str(2 * params["arguments"]["number"])
    return {"content": [{"type": "text", "text": text}]}
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        result = answer(asked["method"], asked.get("params"))
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


def test_an_agent_starts_its_mcp_server_in_the_sandbox(
    provided: tuple[httpx.Client, ScriptedUpstream],
) -> None:
    provider = ProviderEnum.ANTHROPIC
    client, upstream = provided
    upstream.received.clear()
    upstream.replies.append(tool_call(provider, "double", '{"number": 21}', stream=False))
    upstream.replies.append(answer(provider, ["Done."], stream=False))
    command = [sys.executable, "-S", "given.py"]
    spec = spec_of(provider, mcp_servers=[{"name": "given", "command": command}])
    code = client.post("/api/generate", json=spec).json()["code"]
    files = [{"name": "given.py", "text": _SMALL_SERVER}]
    result = execute(client, code, files=files, limits={"wall_s": 85})
    assert (result["status"], result["stdout"]) == ("success", "Done.\n"), result
    assert "42" in json.dumps(upstream.received[1].body["messages"][-1])


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_the_local_model_answers_an_agent_with_tools(
    client: httpx.Client, provider: ProviderEnum
) -> None:
    able = {"tools": [ADD], "usage": True, "stream": True, "timeout_s": 60, "chat": True}
    spec = {**SPEC, **spec_of(provider, **able), "prompt": SPEC["prompt"]}
    code = client.post("/api/generate", json=spec).json()["code"]
    result = execute(client, code, task=SPEC["task"], backend="local")
    assert result["status"] == "success", result
    assert result["stdout"].strip()
    assert "calls: 1, input_tokens: " in result["stderr"]


TYPED = """from pydantic import BaseModel


class Greeting(BaseModel):
    polite: bool
    times: int
"""


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_the_local_model_holds_an_answer_to_its_type(
    client: httpx.Client, provider: ProviderEnum
) -> None:
    spec = spec_of(provider, answer=TYPED, usage=True, timeout_s=60)
    written = client.post("/api/generate", json=spec).json()
    result = execute(client, written["code"], task="Greet me twice.", backend="local")
    assert result["status"] == "success", result
    found = json.loads(result["stdout"])
    assert (type(found["polite"]), type(found["times"])) == (bool, int)
    assert "calls: 1, input_tokens: " in result["stderr"]
    assert result["missing"] == []


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"tools": [ADD, "def f(x): return 1"]}, "tools.1.code", "line 1: "),
        ({"answer": CITY, "stream": True}, "answer", "turn off streaming"),
        ({"mcp_servers": [{"name": "x"}]}, "mcp_servers.0", "either a command or a url"),
        ({"max_tokens": 0}, "max_tokens", "must be at least 1"),
    ],
)
def test_unsupported_choice_is_422_at_its_field(
    client: httpx.Client, values: dict[str, Any], field: str, words: str
) -> None:
    refused = client.post("/api/generate", json=spec_of(ProviderEnum.ANTHROPIC, **values))
    found = fields(refused)
    assert list(found) == [field]
    assert words in found[field]
