"""POST /api/inspect: a form that is still being filled in."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from llm_agent_builder.spec.agent_spec import SERVERS_MAX_COUNT
from llm_agent_builder.spec.parts import ARGUMENT_MAX_CHARS, TOOLS_MAX
from llm_agent_builder.user_code.parse import CODE_MAX_BYTES, TOOL_MAX_BYTES
from llm_agent_builder.user_code.schema_to_pydantic import SCHEMA_TEXT_MAX_BYTES
from server.settings import Settings
from tests.support.api_client import fields
from tests.support.serving import ServerFactory

FETCH = 'FETCH_HOSTS = ("a.example",)\n\n\ndef fetch(url: str) -> str:\n    """Fetch."""'
LOAD = "def load(path):\n    return open(path).read()"


def inspect(client: httpx.Client, **draft: Any) -> dict[str, Any]:
    answer = client.post("/api/inspect", json={"provider": "huggingface", **draft})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_tools_are_named_with_what_they_need(client: httpx.Client) -> None:
    found = inspect(client, tools=[FETCH, "import httpx\ndef get(", LOAD, ""])
    assert [tool["name"] for tool in found["tools"]] == ["fetch", "get", "load", None]
    assert found["tools"][0]["summary"] == "Fetch."
    assert (found["need_files"], found["need_hosts"]) == (["load"], ["get"])


def test_each_host_is_named_once_with_what_asks_for_it_first(client: httpx.Client) -> None:
    servers = [
        {"name": "docs", "url": "http://mcp.example/x"},
        {"name": "", "url": "https://a.example"},
        {"name": "half", "url": "https:/"},
        {"name": "wrong", "url": "https://b.example:port"},
    ]
    assert inspect(client, tools=[FETCH], mcp_servers=servers)["hosts"] == [
        {"host": "a.example:443", "by": "fetch"},
        {"host": "mcp.example:80", "by": "docs"},
    ]


def test_typed_address_says_who_answers_there_and_why_not(serve: ServerFactory) -> None:
    listed = "http://127.0.0.1:9/v1, https://b.example/v1 MY_KEY"
    server = serve(AGENT_BUILDER_MODEL_SERVERS=listed, AGENT_BUILDER_LOCAL_MODEL_PATH="none")
    with server.client() as client:

        def reason(address: str) -> str | None:
            answerer = inspect(client, base_url=address)["answerer"]
            assert answerer["own"]
            text: str | None = answerer["reason"]
            return text

        for address in ("http://127.0.0.1:9", " http://127.0.0.1:9/v1/chat/completions "):
            assert reason(address) is None
        assert "AGENT_BUILDER_MODEL_SERVERS" in (reason("http://elsewhere:1") or "")
        assert "MY_KEY is not set" in (reason("https://b.example") or "")
        assert inspect(client, base_url="http:")["answerer"] is None
        assert inspect(client)["answerer"] is None


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://[::1]:5", "[::1]:5"),
        ("https://[2001:DB8::1]/mcp", "[2001:db8::1]:443"),
        ("http://bücher.example/", "xn--bcher-kva.example:80"),
        ("HTTPS://A.Example:8443", "a.example:8443"),
        ("//x.com:5", None),
        ("ftp://x.com:5", None),
        ("https://x.com:0", None),
        ("https://*.x.com", None),
        ("https://x..y", None),
        ("https://" + "ü" * 300, None),
        ("https://x.com/" + "a" * ARGUMENT_MAX_CHARS, None),
    ],
)
def test_host_of_a_url_has_the_form_that_a_run_is_granted(
    client: httpx.Client, url: str, host: str | None
) -> None:
    hosts = inspect(client, mcp_servers=[{"url": url}])["hosts"]
    assert [each["host"] for each in hosts] == ([host] if host else [])
    assert host is None or Settings(egress_allow=(host,)).egress_allow == (host,)


def test_listed_hosts_have_the_form_that_a_run_is_granted(client: httpx.Client) -> None:
    code = 'HOSTS = ("Bücher.example", "a.example:99999", "b.example:0443")\n\n\ndef get(): ...'
    hosts = [each["host"] for each in inspect(client, tools=[code])["hosts"]]
    assert hosts == ["xn--bcher-kva.example:443", "b.example:443"]


def test_answer_lists_a_limited_number_of_hosts(client: httpx.Client) -> None:
    codes = [
        f"HOSTS = {tuple(f'{letter}{number}' for number in range(400))}" for letter in "abcdefgh"
    ]
    assert len(inspect(client, tools=codes)["hosts"]) == 64


def test_long_sources_are_read_too(client: httpx.Client) -> None:
    long = f"{LOAD}\n".ljust(TOOL_MAX_BYTES, "#")
    assert inspect(client, tools=[long] * 4)["need_files"] == ["load"] * 4


def test_tools_beyond_the_limits_of_a_spec_are_not_read(client: httpx.Client) -> None:
    too_long = f"{LOAD}\n".ljust(TOOL_MAX_BYTES + 1, "#")
    long = f"{LOAD}\n".ljust(TOOL_MAX_BYTES, "#")
    found = inspect(client, tools=[too_long, "é" * TOOL_MAX_BYTES, *[long] * 4, LOAD])
    assert [tool["name"] for tool in found["tools"]] == [None, None, *["load"] * 4, None]


def test_answer_type_beyond_the_limit_has_no_name(client: httpx.Client) -> None:
    code = "class City: ...\n"
    assert inspect(client, answer=code.ljust(CODE_MAX_BYTES, "#"))["answer_name"] == "City"
    assert inspect(client, answer=code.ljust(CODE_MAX_BYTES + 1, "#"))["answer_name"] is None
    schema = '{"title": "City"}'
    assert inspect(client, answer=schema.ljust(SCHEMA_TEXT_MAX_BYTES))["answer_name"] == "City"
    assert inspect(client, answer=schema.ljust(SCHEMA_TEXT_MAX_BYTES + 1))["answer_name"] is None


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("tools", [""] * (TOOLS_MAX + 1), "has too many items; at most 16 are allowed"),
        ("mcp_servers", [{}] * (SERVERS_MAX_COUNT + 1), "has too many items; at most 8"),
        ("tools", None, "must be a list"),
        ("mcp_servers", "x", "must be a list"),
    ],
)
def test_what_is_no_list_of_a_form_is_a_problem_at_its_field(
    client: httpx.Client, field: str, value: Any, problem: str
) -> None:
    answer = client.post("/api/inspect", json={"provider": "anthropic", field: value})
    found = fields(answer)
    assert list(found) == [field]
    assert found[field].startswith(problem)
    assert "such as" not in found[field]


def test_largest_form_fits_and_a_larger_body_is_refused(client: httpx.Client) -> None:
    tools = ["\x01" * TOOL_MAX_BYTES] * (CODE_MAX_BYTES // TOOL_MAX_BYTES)
    inspect(client, tools=tools, answer="\x01" * CODE_MAX_BYTES)
    # In JSON text, an escape has at most two characters.
    inspect(client, tools=tools, answer="{".ljust(SCHEMA_TEXT_MAX_BYTES, "\n"))
    draft = {"provider": "anthropic", "answer": "x" * 1024 * 1024}
    answer = client.post("/api/inspect", json=draft)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.json()["detail"] == "requests are limited to 1,048,576 bytes"
