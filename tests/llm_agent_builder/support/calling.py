"""Tools of the gallery, called in a process of their own, as an agent calls them."""

from __future__ import annotations

import json
from pathlib import Path

from llm_agent_builder.gallery import gallery_tool
from tests.llm_agent_builder.support.processes import run_python

_CALL = """
import json, sys
namespace = {"__name__": "tool"}
exec(compile("from __future__ import annotations\\n" + sys.argv[2], "tool.py", "exec"), namespace)
answers = []
for argument in json.load(sys.stdin):
    try:
        answers.append(namespace[sys.argv[1]](argument))
    except Exception as error:
        answers.append(f"{type(error).__name__}: {error}")
json.dump(answers, sys.stdout)
"""


def call(
    name: str,
    *arguments: str,
    home: Path,
    change: dict[str, str] | None = None,
    **variables: str,
) -> list[str]:
    """Return the tool's answer to each argument, or its exception, in one process.

    `change` edits the tool first, as its owner would: text that is there, and what replaces it.
    """
    code = gallery_tool(name).code
    for there, instead in (change or {}).items():
        assert there in code, there
        code = code.replace(there, instead)
    done = run_python(
        "-W", "error", "-c", _CALL, name, code,
        home=home, cwd=home, stdin=json.dumps(arguments), **variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers: list[str] = json.loads(done.stdout)
    assert all(isinstance(answer, str) for answer in answers)
    return answers
