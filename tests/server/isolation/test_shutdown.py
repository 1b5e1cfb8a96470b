"""The server and the command `run` always end in time, and leave nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from server.isolation.child.resource_monitor import descendants
from tests.support.api_client import start
from tests.support.attacking import sleeping_siblings
from tests.support.forked import Process
from tests.support.locked_database import locked
from tests.support.processes import ROOT, below, held_still, is_there, pinned
from tests.support.serving import (
    INSTALLED_MODEL,
    ServerFactory,
    Serving,
    bare_environment,
    command,
    marked_processes,
    wait_until,
)
from tests.support.upstream import Answer, message, scripted

pytestmark = pytest.mark.matrix(keep=1)

_PATIENCE_S = 60
"""Much less than what keeps it from ending: runs of 600 s, and clients and locks that stay."""
_STUBBORN = """
import os, signal, time
os.mkdir({mark!r}); os.chdir({mark!r})
for number in range(1, signal.NSIG):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
if os.fork():
    print('\\0' * 900_000, flush=True)  # six times that as JSON: more than sockets buffer
time.sleep(600)
"""


@contextlib.contextmanager
def going(server: Serving) -> Iterator[tuple[str, str]]:
    """Start a run that ignores all signals it can; yield its id and the mark of its processes."""
    mark = f"going-{time.monotonic_ns()}"
    with server.client() as client:
        run = start(client, _STUBBORN.format(mark=mark))
        wait_until(lambda: len(marked_processes(mark)) == 2, seconds=90)
        yield run, mark


def connected(server: Serving, request: str) -> socket.socket:
    """Return a client that sends a request, or the beginning of one, and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", httpx.URL(server.base).port or 0))
    client.sendall(request.encode())
    return client


def is_read(client: socket.socket) -> bool:
    """Return whether the server has read all that a client has sent, from /proc."""
    port = f":{client.getsockname()[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        remote, state, queues = line.split()[2:5]
        if remote.endswith(port) and state == "01":
            return int(queues.partition(":")[2], 16) == 0
    return False


def ends(process: Process, *numbers: signal.Signals) -> int:
    """Send the signals; return the exit code. All processes it had started must end soon."""
    started = descendants(process.pid)
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.2)  # as a person presses keys; signals that are sent at once are one
    code = process.wait(_PATIENCE_S)
    wait_until(lambda: not any(map(is_there, started)))
    return code


def stop_all(server: Serving) -> None:
    for pid in descendants(server.process.pid):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(pid, signal.SIGSTOP)


def stop_helpers(server: Serving) -> None:
    stopped = set()
    for pid in descendants(server.process.pid):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
            for name in re.findall(rb"server\.isolation\.child\.\w+", command_line):
                os.kill(pid, signal.SIGSTOP)
                stopped.add(name)
    assert stopped


def leave(server: Serving) -> None:
    """Do nothing."""


@pytest.mark.parametrize("stop", [leave, stop_helpers, stop_all])
def test_sigterm_ends_a_server_whose_run_ignores_everything(
    serve: ServerFactory, tier: str, stop: Callable[[Serving], None]
) -> None:
    server = serve(AGENT_BUILDER_SANDBOX_TIER=tier, AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL)
    with going(server) as (_, mark):
        stop(server)
        assert ends(server.process, signal.SIGTERM) == -signal.SIGTERM
        assert marked_processes(mark) == []


@pytest.mark.parametrize("stop", [leave, stop_all])
def test_ctrl_c_twice_ends_a_server_at_once(
    serve: ServerFactory, tier: str, stop: Callable[[Serving], None]
) -> None:
    server = serve(AGENT_BUILDER_SANDBOX_TIER=tier, AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL)
    with going(server) as (_, mark):
        stop(server)
        ends(server.process, signal.SIGINT, signal.SIGINT)
        wait_until(lambda: marked_processes(mark) == [])


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_server_ends_beside_runs_that_have_siblings(
    serve: ServerFactory, numbers: list[signal.Signals]
) -> None:
    server = serve(AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL)
    mark, request = sleeping_siblings()
    with server.client() as client:
        for _ in range(4):
            client.post("/api/runs", json=request)
        wait_until(lambda: len(marked_processes(mark)) >= 4)
    ends(server.process, *numbers)
    wait_until(lambda: marked_processes(mark) == [])


def test_runs_have_their_end_in_the_history_after_a_sigterm(serve: ServerFactory) -> None:
    server = serve()
    with going(server) as (run, _):
        stop_helpers(server)
        ends(server.process, signal.SIGTERM)
    with serve(folder=server.folder).client() as client:
        assert client.get(f"/api/runs/{run}").json()["status"] == "cancelled"


@pytest.mark.matrix
def test_sigterm_ends_a_server_whose_cell_can_not_be_ended(serve: ServerFactory) -> None:
    server = serve()
    with going(server) as (_, mark), pinned(marked_processes(mark)[0]):
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(_PATIENCE_S)
        assert re.search("can't be killed|left behind", server.log)


@pytest.mark.matrix
def test_request_that_the_end_of_the_server_cuts_off_is_answered(serve: ServerFactory) -> None:
    server = serve()
    with going(server) as (_, mark), pinned(marked_processes(mark)[0]), server.client() as client:
        second = f"cut-{time.monotonic_ns()}"
        code = _STUBBORN.format(mark=second)
        with ThreadPoolExecutor(1) as thread:
            asked = {"code": code, "task": ""}
            answer = thread.submit(client.post, "/api/execute", json=asked, timeout=60)
            wait_until(lambda: len(marked_processes(second)) == 2, seconds=90)
            with pinned(marked_processes(second)[0]):
                server.process.send_signal(signal.SIGTERM)
                server.process.wait(_PATIENCE_S)
            assert answer.result().status_code == 503
            assert answer.result().json()["code"] == "machinery_failed"


@pytest.mark.matrix
def test_sigterm_ends_a_server_with_a_silent_fork_server(serve: ServerFactory) -> None:
    server = serve()
    with going(server), held_still(below(server.process.pid, "server.isolation.child.fork_server")):
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(_PATIENCE_S)


def test_sigterm_ends_a_server_with_clients_that_never_go(serve: ServerFactory) -> None:
    server = serve()
    with going(server) as (run, _):
        half = (
            "POST /api/generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            "Content-Length: 1000\r\n\r\n{"
        )
        events = f"GET /api/runs/{run}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with connected(server, half) as waiting, connected(server, events) as answered:
            wait_until(lambda: is_read(waiting))
            assert answered.recv(1, socket.MSG_PEEK)
            ends(server.process, signal.SIGTERM)
    assert "a response was cut off: the server is stopping" in server.log
    assert "Traceback" not in server.log


@pytest.mark.matrix
def test_sigterm_ends_a_server_whose_database_is_locked(serve: ServerFactory) -> None:
    server = serve()
    with going(server) as (_, mark):
        with locked(server.folder / "data"):
            ends(server.process, signal.SIGTERM)
        assert marked_processes(mark) == []


def test_sigterm_ends_a_server_whose_upstream_never_answers(serve: ServerFactory) -> None:
    code = (
        "import os, urllib.request\n"
        "request = urllib.request.Request(os.environ['ANTHROPIC_BASE_URL'] + '/v1/messages',\n"
        '    b\'{"model": "claude-sonnet-5-5", "max_tokens": 1, "messages": []}\',\n'
        "    {'x-api-key': os.environ['ANTHROPIC_API_KEY'], 'Content-Type': 'application/json'})\n"
        "urllib.request.urlopen(request)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.settimeout(60)
        address = f"http://127.0.0.1:{upstream.getsockname()[1]}"
        server = serve(ANTHROPIC_API_KEY="key", AGENT_BUILDER_ANTHROPIC_UPSTREAM=address)
        with server.client() as client:
            asked = {"code": code, "task": "x", "backend": "provider"}
            assert client.post("/api/runs", json=asked).status_code == 202
        with upstream.accept()[0]:
            ends(server.process, signal.SIGTERM)


@pytest.mark.matrix
def test_plain_uvicorn_ends_beside_a_client_that_never_reads(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "uvicorn", "server.main:app", "--port", "0"]
    process = subprocess.Popen(
        arguments, cwd=ROOT, env=bare_environment(tmp_path), stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "running on" in line)
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found is not None
        server = Serving(process, found[0], tmp_path)
        with going(server) as (run, mark):
            events = f"GET /api/runs/{run}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            with connected(server, events) as answered:
                assert answered.recv(1, socket.MSG_PEEK)  # it is being answered
                ends(process, signal.SIGTERM)
            assert marked_processes(mark) == []


# ---------------------------------------------------------------- the command run


@contextlib.contextmanager
def running(folder: Path, tier: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command `run` with a program that ignores all signals it can."""
    mark = f"going-{time.monotonic_ns()}"
    (folder / "agent.py").write_text(_STUBBORN.format(mark=mark))
    environment = bare_environment(folder, PYTHONPATH=str(ROOT), AGENT_BUILDER_SANDBOX_TIER=tier)
    process = subprocess.Popen(
        ["env", "--default-signal=INT", *command("run", "agent.py", "--raw", "--task", "x")],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            wait_until(lambda: len(marked_processes(mark)) == 2, seconds=90)
            yield process, mark
        finally:
            process.kill()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_the_command_run(tmp_path: Path, tier: str, times: int) -> None:
    with running(tmp_path, tier) as (process, mark):
        assert ends(process, *[signal.SIGINT] * times) == 130
        wait_until(lambda: marked_processes(mark) == [])


def test_ctrl_c_in_a_run_prints_cancelled(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(600)\n")
    with subprocess.Popen(
        ["env", "--default-signal=INT", *command("run", "agent.py", "--task", "x")],
        cwd=tmp_path,
        env=bare_environment(tmp_path, PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        assert ends(process, signal.SIGINT) == 130
        assert process.stderr.read().endswith("[cancelled]\n")


@pytest.mark.matrix
def test_ctrl_c_in_a_run_keeps_the_calls_that_were_recorded(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(
        "import os, time, urllib.request\n"
        "request = urllib.request.Request(os.environ['ANTHROPIC_BASE_URL'] + '/v1/messages',\n"
        '    b\'{"model": "claude-sonnet-5-5", "max_tokens": 1, "messages": []}\',\n'
        "    {'x-api-key': os.environ['ANTHROPIC_API_KEY'], 'Content-Type': 'application/json'})\n"
        "urllib.request.urlopen(request).read()\nprint('ready', flush=True)\ntime.sleep(600)\n"
    )
    given = {"ANTHROPIC_API_KEY": "key", "PYTHONPATH": str(ROOT)}
    arguments = ("agent.py", "--task", "x", "--backend", "provider", "--record", "calls.json")
    with (
        scripted(lambda _: Answer(body=message("hi"))) as upstream,
        subprocess.Popen(
            ["env", "--default-signal=INT", *command("run", *arguments)],
            cwd=tmp_path,
            env=bare_environment(tmp_path, AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url, **given),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        assert ends(process, signal.SIGINT) == 130
        assert "[recorded: calls.json]" in process.stderr.read()
    assert len(json.loads((tmp_path / "calls.json").read_text())["calls"]) == 1


def loads(file: str) -> Callable[[int], bool]:
    """Return whether a process has loaded that library."""
    return lambda pid: file in Path(f"/proc/{pid}/maps").read_text()


STARTING: dict[str, Callable[[int], object]] = {
    "the first modules load": loads("_datetime"),
    "its settings load": loads("pydantic_core"),
    "its server loads": loads("aiohttp"),
    "its helpers start": descendants,
    "the sandbox starts": lambda pid: below(pid, "server.isolation.child.fork_server"),
}
"""Moments during a start, in order."""


@pytest.mark.parametrize("moment", STARTING)
def test_ctrl_c_ends_the_command_run_with_130_at_any_time(tmp_path: Path, moment: str) -> None:
    (tmp_path / "agent.py").write_text("import time\ntime.sleep(600)\n")
    process = subprocess.Popen(
        ["env", "--default-signal=INT", *command("run", "agent.py", "--task", "x")],
        cwd=tmp_path,
        env=bare_environment(tmp_path, PYTHONPATH=str(ROOT)),
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            wait_until(lambda: STARTING[moment](process.pid))
            assert ends(process, signal.SIGINT) == 130
            assert process.stderr is not None
            said = process.stderr.read()
        finally:
            process.kill()
    assert said.endswith(("interrupted\n", "[cancelled]\n"))
    assert "Aborted" not in said


@pytest.mark.matrix
def test_ctrl_c_twice_ends_the_command_run_with_stopped_helpers(tmp_path: Path) -> None:
    with running(tmp_path, "strong") as (process, _):
        for pid in descendants(process.pid):
            os.kill(pid, signal.SIGSTOP)
        assert ends(process, signal.SIGINT, signal.SIGINT) == 130


@pytest.mark.matrix
def test_ctrl_c_ends_the_command_run_whose_output_is_not_read(tmp_path: Path) -> None:
    with running(tmp_path, "strong") as (process, mark):
        assert process.stdout is not None
        wait_until(lambda: "pipe_write" in Path(f"/proc/{process.pid}/wchan").read_text())
        ends(process, signal.SIGINT)
        wait_until(lambda: marked_processes(mark) == [])


# ---------------------------------------------------------------- a start that fails


@pytest.mark.matrix
def test_server_whose_port_is_taken_when_it_has_started_leaves_no_helper(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = [sys.executable, "-m", "uvicorn", "server.main:app", "--port", port]
        process = subprocess.Popen(
            arguments, cwd=ROOT, env=bare_environment(tmp_path), stderr=subprocess.DEVNULL
        )
        started: set[int] = set()
        while process.poll() is None:
            started.update(descendants(process.pid))
            time.sleep(0.01)
    assert process.returncode != 0
    assert started
    wait_until(lambda: not any(map(is_there, started)))


@pytest.mark.matrix
def test_sigterm_ends_a_server_that_is_still_starting(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("serve", "--port", "0"),
        cwd=tmp_path,
        env=bare_environment(tmp_path, PYTHONPATH=str(ROOT)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    os.kill(
        below(process.pid, "server.isolation.child.cell_maker"), signal.SIGSTOP
    )  # and so it waits for it
    ends(process, signal.SIGTERM)
