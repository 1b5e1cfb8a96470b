"""`llm-agent-builder tools`: the gallery tools on the command line."""

from __future__ import annotations

import json

from click.testing import CliRunner

from llm_agent_builder.cli import cli
from llm_agent_builder.gallery import gallery


def test_tools_lists_them_with_what_they_need() -> None:
    done = CliRunner().invoke(cli, ["tools"])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [tool.id for tool in gallery()]
    assert lines[0] == "calculator    Works out arithmetic, without eval."
    assert lines[2].endswith("(run it with --file)")
    assert lines[3].endswith("(run it with --allow-host)")


def test_tools_prints_the_source_of_one() -> None:
    done = CliRunner().invoke(cli, ["tools", "calculator"])
    assert (done.exit_code, done.stdout) == (0, gallery()[0].code)


def test_tools_as_json_is_json_alone() -> None:
    done = CliRunner().invoke(cli, ["tools", "--json"])
    reported = json.loads(done.stdout)
    assert [each["id"] for each in reported] == [tool.id for tool in gallery()]
    assert set(reported[0]) == {"id", "label", "description", "needs", "code"}


def test_a_tool_that_is_not_there_is_wrong_usage() -> None:
    done = CliRunner().invoke(cli, ["tools", "abacus"])
    assert done.exit_code == 2
    assert "available: calculator, current_time" in done.stderr
