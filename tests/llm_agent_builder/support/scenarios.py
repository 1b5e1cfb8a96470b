"""Many generated files, run one after the other in one process: an SDK is imported but once.

Each runs as its owner would start it: `main()` of its module, with arguments, standard input, an
environment and a folder. It has a script of its own at the upstream.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_agent_builder import PROVIDERS, AgentBuilder
from llm_agent_builder.spec.agent_spec import make_spec
from tests.llm_agent_builder.support.processes import run_python
from tests.llm_agent_builder.support.scripted_upstream import Received, Reply, ScriptedUpstream

ROW = {"name": "Test Agent", "prompt": "Be brief.", "task": "The example.", "model": "m1"}


@dataclass(frozen=True)
class Scenario:
    """An agent, the upstream's answers, and the command line."""

    spec: Mapping[str, Any]
    replies: Sequence[Reply]
    arguments: Sequence[str] = ("--task", "Do it.")
    stdin: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a scenario's agent did."""

    code: int
    out: str
    err: str
    received: Sequence[Received]

    @property
    def bodies(self) -> list[Mapping[str, Any]]:
        return [request.body for request in self.received]


_DRIVER = """
import contextlib, importlib, io, json, os, sys, tempfile
plays = json.load(sys.stdin)
outcomes = []
for play in plays:
    os.environ.update(play["variables"])
    sys.argv = [play["module"] + ".py", *play["arguments"]]
    sys.stdin = io.StringIO(play["stdin"])
    # Real files: what an agent starts writes there, too.
    out, err, code = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+"), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            importlib.import_module(play["module"]).main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else end.code is not None
            print(end.code if isinstance(end.code, str) else "", end="", file=err)
    out.seek(0), err.seek(0)
    outcomes.append([int(code), out.read(), err.read()])
json.dump(outcomes, sys.__stdout__)
"""


def play(
    folder: Path, upstream: ScriptedUpstream, scenarios: Mapping[str, Scenario]
) -> dict[str, Outcome]:
    """Return the outcome of each scenario, by its name: letters, digits and _ only."""
    plays = []
    for name, scenario in scenarios.items():
        spec = make_spec({**ROW, **scenario.spec})
        (folder / f"{name}.py").write_text(AgentBuilder().build(spec), "utf-8")
        upstream.scripts[name].extend(scenario.replies)
        row = PROVIDERS[spec.provider]
        variables = {
            row.key_env: "sk-test",
            row.base_url_variable: f"{upstream.url}/{name}{row.base_url_suffix}",
            **scenario.variables,
        }
        plays.append(
            {
                "module": name,
                "arguments": list(scenario.arguments),
                "stdin": scenario.stdin,
                "variables": variables,
            }
        )
    done = run_python(
        *("-B", "-c", _DRIVER),
        home=folder,
        cwd=folder,
        stdin=json.dumps(plays),
        PYTHONPATH=str(folder),
    )
    assert done.returncode == 0, done.stderr
    return dict(
        zip(scenarios, _outcomes(json.loads(done.stdout), upstream, scenarios), strict=True)
    )


def _outcomes(
    reported: Iterable[tuple[int, str, str]], upstream: ScriptedUpstream, names: Iterable[str]
) -> Iterable[Outcome]:
    for name, (code, out, err) in zip(names, reported, strict=True):
        mine = [one for one in upstream.received if one.path.startswith(f"/{name}/")]
        yield Outcome(code, out, err, mine)


def tool_results(outcome: Outcome) -> list[Any]:
    """Return the tools in the last request, in either provider's format."""
    found = []
    for message in outcome.bodies[-1]["messages"]:
        if message["role"] == "tool":
            found.append(message["content"])
        elif message["role"] == "user" and isinstance(message["content"], list):
            found += [part["content"] for part in message["content"]]
    return found


def all_of(outcome: Outcome) -> tuple[int, str, str]:
    return outcome.code, outcome.out, outcome.err
