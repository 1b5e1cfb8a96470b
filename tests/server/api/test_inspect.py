"""POST /api/inspect: a form that is still being filled in."""

from __future__ import annotations

from typing import Any

import httpx

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


def test_long_sources_are_read_too(client: httpx.Client) -> None:
    long = f"{LOAD}\n{'# x' * 20_000}\n"
    assert inspect(client, tools=[long, long])["need_files"] == ["load", "load"]
