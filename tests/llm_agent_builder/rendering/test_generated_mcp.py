"""Generated files that use the tools of MCP servers: real ones, on standard streams and by HTTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_agent_builder import ProviderEnum
from tests.llm_agent_builder.support.combinations import ADD
from tests.llm_agent_builder.support.processes import clean_environment
from tests.llm_agent_builder.support.scenarios import Outcome, Scenario, all_of, play, tool_results
from tests.llm_agent_builder.support.scripted_upstream import ScriptedUpstream, answer, tool_call

SERVER = str(Path(__file__).parents[1] / "support" / "mcp_server.py")
BOTH = pytest.mark.parametrize("provider", list(ProviderEnum))
Outcomes = Mapping[ProviderEnum, dict[str, Outcome]]


@pytest.fixture(scope="module")
def http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, SERVER, "http"],
        env=clean_environment(tmp_path_factory.mktemp("server")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        yield process.stdout.readline().strip()


def scenarios_of(provider: ProviderEnum, url: str) -> dict[str, Scenario]:
    stdio = {"name": "files", "command": [sys.executable, SERVER], "env": ["SHOWN"]}
    servers = [stdio, {"name": "web", "url": url}]

    def use(name: str, arguments: str) -> Any:
        return tool_call(provider, name, arguments, stream=False)

    done = answer(provider, ["Done."], stream=False)
    base = {"provider": provider.value, "mcp_servers": servers}
    variables = {"SHOWN": "a value", "HIDDEN": "another"}
    return {
        "with_mcp": Scenario(
            {**base, "tools": [ADD], "chat": True},
            [
                use("double_stdio", '{"number": 4}'),
                use("double_http", '{"number": 5}'),
                use("add", '{"first": 1}'),
                done,
                use("look_stdio", '{"name": "SHOWN"}'),
                use("look_stdio", '{"name": "HIDDEN"}'),
                use("double_http", '{"number": -1}'),
                done,
            ],
            arguments=("--chat",),
            stdin="first\nsecond\n",
            variables=variables,
        ),
        "mcp_missing": Scenario(
            {**base, "mcp_servers": [{"name": "gone", "command": ["./not-there"]}]}, []
        ),
        "mcp_refused": Scenario(
            {**base, "mcp_servers": [{"name": "gone", "url": "http://127.0.0.1:9/mcp"}]}, []
        ),
        "mcp_one_task": Scenario(
            {**base, "mcp_servers": [servers[1]]},
            [use("double_http", '{"number": 21}'), done],
        ),
    }


@pytest.fixture(scope="module")
def outcomes(http_server: str, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    found = {}
    for provider in ProviderEnum:
        upstream = ScriptedUpstream()
        try:
            scenarios = scenarios_of(provider, http_server)
            found[provider] = play(tmp_path_factory.mktemp(provider.value), upstream, scenarios)
        finally:
            upstream.close()
    return found


def texts(results: list[Any]) -> list[str]:
    """Return the tools' results, from text or blocks."""
    return [
        result if isinstance(result, str) else "".join(block["text"] for block in result)
        for result in results
    ]


@pytest.mark.matrix(keep=1)
@BOTH
def test_tools_of_all_servers_and_of_the_file_are_used_over_a_whole_conversation(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["with_mcp"]
    assert (done.code, done.out) == (0, "Done.\nDone.\n"), done.err
    offered = {tool.get("function", tool)["name"] for tool in done.bodies[0]["tools"]}
    names = {f"{what}_{kind}" for what in ("double", "look") for kind in ("stdio", "http")}
    assert offered == names | {"add"}
    *said, shown, hidden, refused = texts(tool_results(done))
    assert said == ["8", "10", "1"]
    assert (shown, hidden) == ("a value", "not there")
    assert "only what is there can be doubled" in refused


@BOTH
@pytest.mark.parametrize(
    ("name", "words"), [("mcp_missing", "not-there"), ("mcp_refused", "onnect")]
)
def test_a_server_that_cannot_be_reached_is_a_failure_in_one_line(
    provider: ProviderEnum, name: str, words: str, outcomes: Outcomes
) -> None:
    done = outcomes[provider][name]
    assert (done.code, done.out, done.received) == (1, "", [])
    assert done.err.startswith("Test Agent: ")
    assert words in done.err.splitlines()[-1]
    assert "TaskGroup" not in done.err


@BOTH
def test_one_task_connects_for_itself(provider: ProviderEnum, outcomes: Outcomes) -> None:
    done = outcomes[provider]["mcp_one_task"]
    assert all_of(done)[:2] == (0, "Done.\n")
    assert texts(tool_results(done)) == ["42"]
