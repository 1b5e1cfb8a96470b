"""A layer of isolation that can't be applied: nothing runs, and our own short reason is shown.

What was to be run, its task, its folder and the run's token stay out of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from llm_agent_builder.errors import MachineryError
from server.isolation.child.agent_process import failures_written_to
from server.isolation.engine import failure_in, new_job_file
from server.isolation.events import Program
from server.isolation.tiers.detection import with_advice
from server.limits import Limits
from server.sandbox import Sandbox
from tests.support.api_client import start
from tests.support.attacking import open_sandbox
from tests.support.serving import ServerFactory, bare_environment, command

TASK = "SECRET-" + "TASK"
TOKEN = "hf_run_" + "canary-0123456789"
ROOT = str(Path(__file__).resolve().parents[3])


async def token_as_way_out(listener: socket.socket) -> Mapping[str, str]:
    listener.close()
    return {"ANTHROPIC_API_KEY": TOKEN}


def failure_of(sandbox: Sandbox, limits: Limits) -> str:
    """Run a program that can't be isolated; return the error message."""

    async def work() -> str:
        program = Program("print('it ran')", TASK, limits, token_as_way_out)
        try:
            run = await sandbox.start(program)
            events = [event async for event in run.events()]
        except MachineryError as error:
            return str(error)
        raise AssertionError(f"it ran: {events}")

    return asyncio.run(work())


def test_layer_that_fails_is_named_and_nothing_of_the_job_is(tiered: Sandbox) -> None:
    said = failure_of(tiered, Limits(cpu_s=10**30))
    assert said == "the run can't be isolated: rlimits: OverflowError"


@pytest.mark.matrix
def test_helpers_without_free_descriptors_come_with_the_right_advice(tier: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(open_sandbox(tier)) as sandbox:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))  # which the helpers inherit
        try:
            said = failure_of(sandbox, Limits())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "Too many open files" in said
    assert "ulimit -n" in said
    assert "Linux 6.7" not in said
    assert TOKEN not in said
    assert TASK not in said


def test_command_under_a_low_limit_of_open_files_prints_only_that_error(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text("print('it ran')")
    low = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))"
    done = subprocess.run(
        command("run", "agent.py", "--task", TASK, before=low),
        cwd=tmp_path,
        env=bare_environment(tmp_path, PYTHONPATH=ROOT),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "its open files: Too many open files. Raise the limit of open files" in done.stderr
    assert TASK not in done.stderr
    assert "Linux 6.7" not in done.stderr
    assert len(done.stderr) < 1000


def test_failure_replaces_the_whole_job_and_quotes_no_error() -> None:
    job = new_job_file()
    os.write(
        job, json.dumps({"task": TASK, "environment": {"KEY": TOKEN}, "x": "y" * 9000}).encode()
    )
    for error, said in (
        (KeyError(TOKEN), "its test: KeyError"),
        (OSError(22, "Invalid argument", f"/{TASK}"), "its test: Invalid argument"),
        (OSError(TOKEN), "its test: OSError"),
        (KeyboardInterrupt(), "its test: KeyboardInterrupt"),
    ):
        pid = os.fork()
        if pid == 0:
            with failures_written_to(job) as at:
                at("its test")
                raise error
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
        assert failure_in(job) == said
        assert os.fstat(job).st_size == len(said) + 1
    os.close(job)


def test_advice_is_shown_only_with_its_problem() -> None:
    assert with_advice("something else") == "something else"
    assert "Linux 6.7" in with_advice("this kernel has Landlock ABI 1; 4 is needed")
    assert "sysctls" in with_advice("unshare: Operation not permitted")


def test_run_token_in_a_refusal_is_masked(serve: ServerFactory) -> None:
    code = (
        "import os, urllib.request\n"
        "base, token = os.environ['ANTHROPIC_BASE_URL'], os.environ['ANTHROPIC_API_KEY']\n"
        "headers = {'x-api-key': token}\n"
        "try: urllib.request.urlopen(urllib.request.Request(f'{base}/{token}', headers=headers))\n"
        "except OSError as error: print(error)\n"
    )
    server = serve(ANTHROPIC_API_KEY="canary-key-" + "1")
    with server.client() as client:
        events = client.get(f"/api/runs/{start(client, code)}/events").text
    assert "event: denied" in events
    assert "(the run's token)" in events
    assert "hf_run_" not in events + server.log
