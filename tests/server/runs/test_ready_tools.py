"""Agents with gallery tools, end to end: with files, with allowed hosts, and with neither."""

from __future__ import annotations

import asyncio
import base64
import socket
import sqlite3
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from llm_agent_builder import AgentBuilder
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.spec.agent_spec import make_spec
from server.gateway.egress_proxy import Egress
from server.gateway.gateway import Gateway, Grant, Upstream
from server.isolation.events import OutputEvent, Program
from server.limits import Limits
from server.sandbox import Sandbox
from server.secret import Secret
from tests.support.api_client import SPEC, events_of, execute
from tests.support.serving import call, start_server
from tests.support.tool_calls import TOOL_RESULT, obey, wants
from tests.support.upstream import Answer, scripted

KEY = "canary-key-" + "77"
MODELS = {"anthropic": "claude-sonnet-5-5", "huggingface": "openai/gpt-oss-20b"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client of a server whose models call the tool that the task names."""
    with scripted(obey) as upstream:
        server = start_server(
            tmp_path_factory.mktemp("server"),
            ANTHROPIC_API_KEY=KEY,
            HF_TOKEN=KEY,
            AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url,
            AGENT_BUILDER_HUGGINGFACE_UPSTREAM=upstream.url,
            AGENT_BUILDER_PRELOAD="1",
        )
        with server.client() as client:
            yield client
        server.stop()


def written(client: httpx.Client, provider: str, *tools: str) -> dict[str, Any]:
    spec = {**SPEC, "provider": provider, "model": MODELS[provider]}
    answer = client.post("/api/generate", json={**spec, "tools": [{"gallery": t} for t in tools]})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def database(folder: Path) -> bytes:
    file = folder / "data.sqlite3"
    with closing(sqlite3.connect(file)) as opened:
        opened.execute("CREATE TABLE people (name TEXT)")
        opened.execute("INSERT INTO people VALUES ('Ada')")
        opened.commit()
    return file.read_bytes()


@pytest.mark.matrix
@pytest.mark.parametrize("provider", MODELS)
def test_tools_find_the_files_that_the_run_was_given(
    client: httpx.Client, tmp_path: Path, provider: str
) -> None:
    files = [
        {"name": "notes/today.txt", "text": "buy milk"},
        {"name": "data.sqlite3", "base64": base64.b64encode(database(tmp_path)).decode()},
    ]
    agent = written(client, provider, "read_file", "query_sqlite")
    assert agent["needs"] == [
        {"tool": "query_sqlite", "kind": "files", "names": ["data.sqlite3"]},
        {"tool": "read_file", "kind": "files", "names": []},
    ]
    task = wants("read_file", path="notes/today.txt")
    read = execute(client, agent["code"], task=task, files=files)
    assert (read["stdout"], read["missing"]) == (f"{TOOL_RESULT}buy milk\n", [])
    task = wants("query_sqlite", sql="SELECT name FROM people")
    asked = execute(client, agent["code"], task=task, files=files)
    assert asked["stdout"] == f'{TOOL_RESULT}{{"columns": ["name"], "rows": [["Ada"]]}}\n'


def test_missing_needs_of_tools_are_reported_and_the_run_continues(
    client: httpx.Client,
) -> None:
    code = written(client, "anthropic", "read_file", "fetch_url")["code"]
    task = wants("fetch_url", url="https://example.com/")
    run = execute(client, code, task=task)
    started = events_of(client.get(f"/api/runs/{run['run_id']}/events").text)[0][2]
    assert run["status"] == "success"
    assert run["stdout"].startswith(TOOL_RESULT)
    assert "fetch_url" in run["stderr"]
    assert run["missing"] == [
        "fetch_url can't reach example.com:443, www.example.com:443 in this run; allow the host "
        "with --allow-host, or select it on the page (only hosts in AGENT_BUILDER_EGRESS_ALLOW can "
        "be selected)",
        "read_file finds no file in this run; attach files with --file, or under Files on the page",
    ]
    assert started["granted"] == {"files": [], "hosts": []}
    assert [each["message"] for each in started["missing"]] == run["missing"]


@pytest.mark.matrix
def test_command_line_passes_a_file_and_lists_what_else_is_needed(tmp_path: Path) -> None:
    database(tmp_path)
    tools = [{"gallery": "query_sqlite"}, {"gallery": "fetch_url"}]
    spec = make_spec({**SPEC, "task": wants("query_sqlite", sql="SELECT 1 AS a"), "tools": tools})
    (tmp_path / "agent.py").write_text(AgentBuilder().build(spec))
    with scripted(obey) as upstream:
        variables = {"ANTHROPIC_API_KEY": KEY, "AGENT_BUILDER_ANTHROPIC_UPSTREAM": upstream.url}
        given = ("--file", "data.sqlite3", "--allow-host", "example.com:443")
        done = call(tmp_path, "run", "agent.py", *given, **variables)
    assert done.stdout == f'{TOOL_RESULT}{{"columns": ["a"], "rows": [[1]]}}\n', done.stderr
    assert "query_sqlite finds" not in done.stderr
    assert "[fetch_url can't reach www.example.com:443 in this run; allow the host " in done.stderr


@pytest.mark.matrix
def test_a_granted_page_is_fetched_from_inside_the_sandbox(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("pages.example").configure_cert(tls)
    page = Answer(headers={"Content-Type": "text/plain"}, body=b"hello from outside")
    with scripted(lambda _: page, tls) as website, scripted(obey) as upstream:
        place = f"pages.example:{website.url.rpartition(':')[2]}"
        task = wants("fetch_url", url=f"https://{place}/hello")
        program = Program(fetching(place), task, Limits(wall_s=30), None, certificates(tmp_path))
        shown = asyncio.run(run_with(program, place, upstream.url))
    assert shown == f"{TOOL_RESULT}hello from outside\n"
    assert [request.path for request in website.received] == ["/hello"]


def certificates(folder: Path) -> dict[str, bytes]:
    return {"authority.pem": (folder / "authority.pem").read_bytes()}


def fetching(place: str) -> str:
    spec = make_spec({**SPEC, "tools": [{"gallery": "fetch_url"}]})
    code = AgentBuilder().build(spec)
    return code.replace('("example.com", "www.example.com")', f'("{place}",)')


async def run_with(program: Program, place: str, upstream: str) -> str:
    """Run a program in the sandbox with one allowed host, which leads to this machine."""

    async def policy(provider: ProviderEnum) -> Upstream:
        return Upstream("provider", upstream, Secret(KEY))

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    grants: list[Grant] = []
    egress = Egress({place}, resolve=here, may_reach=lambda address: True)

    async def way_out(listener: socket.socket) -> Mapping[str, str]:
        grants.append(
            await gateway.open(policy, lambda call: None, listener=listener, egress=egress)
        )
        return {**grants[0].environment(), "SSL_CERT_FILE": "authority.pem"}

    gateway = Gateway(environ={})
    await gateway.start()
    sandbox = Sandbox.probe()
    try:
        run = await sandbox.start(replace(program, network_handler=way_out))
        events = [event async for event in run.events()]
    finally:
        for grant in grants:
            await grant.close()
        await gateway.close()
        await asyncio.to_thread(sandbox.close)
    shown = [event.text for event in events if isinstance(event, OutputEvent)]
    return "".join(shown)
