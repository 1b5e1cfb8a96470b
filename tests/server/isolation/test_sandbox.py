"""The sandbox, as observed by a program inside and a caller outside."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from llm_agent_builder.errors import MachineryError, SandboxUnavailableError
from server.isolation.events import (
    ExitEvent,
    LimitEvent,
    OutputEvent,
    Program,
    SandboxEvent,
    Status,
)
from server.isolation.tiers.detection import Layer, TierReport, with_advice
from server.limits import Limits
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.serving import marked_processes, wait_until


@pytest.fixture
def sandbox(tiered: Sandbox) -> Sandbox:
    """Return the sandbox of each tier in turn."""
    return tiered


Runner = Callable[..., str]


@pytest.fixture
def run(sandbox: Sandbox) -> Runner:
    """Run code and return the result of `run_in_sandbox`."""
    return runner_in(sandbox)


@pytest.fixture
def run_with_sdks(sandbox: Sandbox) -> Iterator[Runner]:
    """Do the same with preloaded SDKs on every tier, as in a server."""
    loaded = sandbox
    if sandbox.report.tier == "bubblewrap":
        loaded = Sandbox.probe(force="bubblewrap")
    yield runner_in(loaded)
    if loaded is not sandbox:
        loaded.close()


def runner_in(sandbox: Sandbox) -> Runner:
    def runner(code: str, task: str = "task", **limits: float) -> str:
        return run_in_sandbox(code, task, limits=Limits(**limits), sandbox=sandbox)  # type: ignore[arg-type]

    return runner


def leftovers() -> set[str]:
    """Return the existing scratch folders."""
    return {path.name for path in Path("/tmp").glob(f"agent-run-{os.getpid()}-*")}


# ---------------------------------------------------------------- what is returned


def test_output_of_a_program_that_succeeds_is_returned_as_it_is(run: Runner) -> None:
    assert run("print('hi')") == "hi\n"


def test_program_gets_its_task_as_an_argument(run: Runner) -> None:
    assert run("import sys; print(sys.argv)", "say 'é'") == "['agent.py', '--task', \"say 'é'\"]\n"


def test_task_that_begins_with_a_dash_is_not_an_option(run: Runner) -> None:
    code = (
        "from argparse import ArgumentParser\n"
        "parser = ArgumentParser()\n"
        "parser.add_argument('--task')\n"
        "print(parser.parse_args().task)\n"
    )
    assert run(code, "--help") == "--help\n"


def test_both_streams_arrive_in_the_order_they_were_written(run: Runner) -> None:
    code = (
        "import sys, time\n"
        "for i in range(4):\n"
        "    print(i, file=sys.stderr if i % 2 else sys.stdout); time.sleep(float(sys.argv[2]))\n"
    )
    # Text that is in both pipes before the server reads has no order; a busy server reads late.
    shown = (run(code, pause) for pause in ("0.05", "0.2", "1"))
    assert "0\n1\n2\n3\n" in shown


def test_program_finds_the_interpreter_by_its_name(run: Runner) -> None:
    code = "import subprocess\nsubprocess.run(['python', '-c', 'print(6 * 7)'], check=True)"
    assert run(code) == "42\n"


def test_exit_code_is_named_after_the_output(run: Runner) -> None:
    assert run("import sys; print('x', end=''); sys.exit(3)") == "x\nerror: exit code 3\n"


def test_exit_message_goes_to_stderr_and_ends_with_1(run: Runner) -> None:
    assert run("import sys; sys.exit('bye')") == "bye\nerror: exit code 1\n"


def files_in(traceback: str) -> set[str]:
    return {os.path.basename(path) for path in re.findall(r'File "([^"]+)"', traceback)}


def test_traceback_shows_the_programs_own_lines_only(run: Runner) -> None:
    shown = run("def f():\n    1 / 0\n\nf()\n")
    assert 'agent.py", line 4, in <module>' in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert files_in(shown) == {"agent.py"}


def test_syntax_error_shows_pythons_own_message(run: Runner) -> None:
    shown = run("print(")
    assert "SyntaxError: '(' was never closed" in shown
    assert files_in(shown) == {"agent.py"}


def test_fatal_signal_is_named(run: Runner) -> None:
    assert run("import os; os.kill(os.getpid(), 11)") == "error: killed by SIGSEGV\n"


def test_atexit_and_unflushed_output_are_not_lost(run: Runner) -> None:
    assert run("import atexit; atexit.register(print, 'bye'); print('x', end='')") == "xbye\n"


def test_bytes_that_are_not_text_are_shown_as_replacements(run: Runner) -> None:
    code = "import sys; sys.stdout.buffer.write(b'a\\xff' + 'é'.encode())"
    assert run(code) == "a\ufffdé"


def test_it_works_inside_a_running_event_loop(run: Runner) -> None:
    async def inside() -> str:
        return run("print('hi')")

    assert asyncio.run(inside()) == "hi\n"


def test_a_program_that_imports_the_sdks_works(run_with_sdks: Runner) -> None:
    assert run_with_sdks("import anthropic, huggingface_hub; print('ok')") == "ok\n"


def test_sixty_four_threads_fit(run: Runner) -> None:
    code = (
        "import threading\n"
        "barrier = threading.Barrier(65)\n"
        "for _ in range(64): threading.Thread(target=barrier.wait).start()\n"
        "barrier.wait(); print('all')\n"
    )
    assert run(code) == "all\n"


def test_subprocesses_sqlite_and_asyncio_work(run: Runner) -> None:
    code = (
        "import asyncio, sqlite3, subprocess, sys\n"
        "print(subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout)\n"
        "print(sqlite3.connect('x.db').execute('select 2').fetchall())\n"
        "async def three(): return 3\n"
        "print(asyncio.run(three()))\n"
    )
    assert run(code) == "b'1\\n'\n[(2,)]\n3\n"


# ---------------------------------------------------------------- limits


def test_cpu_limit_ends_the_run(run: Runner) -> None:
    assert run("while True: pass", cpu_s=1) == "limit: cpu (1 s)\n"


def test_cpu_limit_counts_the_whole_tree(run: Runner) -> None:
    code = "import os\nos.fork(); os.fork()\nwhile True: pass"
    assert run(code, cpu_s=1, wall_s=120) == "limit: cpu (1 s)\n"


def test_wall_clock_limit_is_a_timeout(run: Runner) -> None:
    assert run("import time; time.sleep(60)", wall_s=0.5) == "timeout: wall (0.5 s)\n"


def test_memory_limit_of_one_process_ends_the_run_as_limit(run: Runner) -> None:
    assert run("x = bytearray(10**9)").endswith("\nlimit: memory (512 MiB)\n")


def test_memory_limit_counts_the_whole_tree(run: Runner) -> None:
    code = (
        "import os, time\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        x = bytearray(100 * 2**20)\n"
        "        x[::4096] = b'1' * len(x[::4096])\n"
        "        time.sleep(30)\n"
        "time.sleep(30)\n"
    )
    assert run(code, memory_mib=256) == "limit: memory (256 MiB)\n"


def test_address_space_is_limited_before_the_code_runs(run: Runner) -> None:
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_AS)[0] // 2**20)"
    assert run(code) == "512\n"


def test_output_flood_is_cut_at_the_limit(run: Runner) -> None:
    shown = run("while True: print('x' * 1000)", output_kib=64)
    assert shown.endswith("\nlimit: output (64 KiB a stream)\n")
    assert 64 * 1024 <= len(shown) < 64 * 1024 + 200


def test_scratch_limit_ends_the_run_where_scratch_is_a_folder_of_the_host() -> None:
    code = (
        "import time\nfor i in range(20): open(f'f{i}', 'wb').write(b'x' * 2**20)\ntime.sleep(30)\n"
    )
    sandbox = Sandbox.probe(force="landlock", preload=())
    shown = run_in_sandbox(code, "x", limits=Limits(scratch_mib=8), sandbox=sandbox)
    assert shown == "limit: scratch (8 MiB)\n"


def limits_met(events: list[SandboxEvent]) -> list[str]:
    return [event.message for event in events if isinstance(event, LimitEvent)]


def test_full_scratch_answers_no_space_and_says_so_where_it_is_bounded(sandbox: Sandbox) -> None:
    code = (
        "import errno\n"
        "try:\n"
        "    open('f', 'wb').write(b'x' * 2**20 * 7); open('g', 'wb').write(b'x' * 2**20 * 7)\n"
        "except OSError as error: print(errno.errorcode[error.errno])\n"
    )
    if sandbox.report.tier == "landlock":
        assert not is_active(sandbox, "bounded scratch")
        return
    events = collect(sandbox, Program(code, "x", Limits(scratch_mib=8)))
    assert text_of(events) == "ENOSPC\n"
    assert limits_met(events) == ["scratch (8 MiB)"]
    assert last_of(events).status is Status.SUCCESS


def test_fork_bomb_is_answered_with_eagain_and_leaves_no_process(sandbox: Sandbox) -> None:
    mark = f"bomb-{time.monotonic_ns()}"
    code = (
        f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\n"
        "children = 0\n"
        "while True:\n"
        "    try:\n"
        "        if os.fork() == 0: time.sleep(60)\n"
        "    except BlockingIOError: break\n"
        "    children += 1\n"
        "print(children); time.sleep(3)\n"  # a busy machine is slow to see the limit
    )
    events = collect(sandbox, Program(code, "x"))
    assert text_of(events) == "64\n"
    assert limits_met(events) == ["processes (64)"]
    assert last_of(events).status is Status.SUCCESS
    assert marked_processes(mark) == []


# ---------------------------------------------------------------- nothing is left over


def test_child_that_detaches_itself_does_not_outlive_the_run(run: Runner) -> None:
    mark = f"detached-{time.monotonic_ns()}"
    code = (
        f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\n"
        "if os.fork() == 0:\n"
        "    for detach in (os.setsid, lambda: os.setpgid(0, 0)):\n"
        "        try: detach()\n"
        "        except OSError: pass\n"
        "    os.closerange(0, 100)\n"
        "    if os.fork() == 0: time.sleep(600)\n"
        "    time.sleep(600)\n"
        "time.sleep(0.1); print('parent ends')\n"
    )
    assert run(code) == "parent ends\n"
    assert marked_processes(mark) == []


def test_scratch_is_removed_even_when_made_read_only(run: Runner) -> None:
    before = leftovers()
    code = (
        "import os\nos.makedirs('a/b'); open('a/b/c', 'w').close()\n"
        "os.symlink('/etc', 'a/link')\n"
        "os.chmod('a/b', 0); os.chmod('a', 0); print('done')\n"
    )
    assert run(code) == "done\n"
    assert leftovers() <= before


def is_active(sandbox: Sandbox, name: str) -> bool:
    return next(layer.active for layer in sandbox.report.layers if layer.name == name)


def text_of(events: list[SandboxEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, OutputEvent))


def last_of(events: list[SandboxEvent]) -> ExitEvent:
    assert isinstance(events[-1], ExitEvent)
    return events[-1]


def collect(sandbox: Sandbox, program: Program, stop_at: str | None = None) -> list[SandboxEvent]:
    async def inside() -> list[SandboxEvent]:
        started = await sandbox.start(program)
        seen: list[SandboxEvent] = []
        async for event in started.events():
            seen.append(event)
            if isinstance(event, OutputEvent) and stop_at and stop_at in event.text:
                started.request_cancel()
        return seen

    return asyncio.run(inside())


def test_cancelled_run_has_that_status_and_its_output(sandbox: Sandbox) -> None:
    program = Program("import time\nprint('started')\ntime.sleep(60)", "x")
    *output, last = collect(sandbox, program, stop_at="started")
    assert output == [OutputEvent("stdout", "started\n")]
    assert isinstance(last, ExitEvent)
    assert last.status is Status.CANCELLED
    assert last.duration < 30


def test_first_output_arrives_while_the_program_runs(sandbox: Sandbox) -> None:
    program = Program("import time\nprint('first')\ntime.sleep(0.5)\nprint('last')", "x")
    *_, last = collect(sandbox, program)
    assert isinstance(last, ExitEvent)
    assert last.time_to_first_output is not None
    assert last.time_to_first_output < last.duration - 0.4


def test_abandoned_event_stream_ends_the_run(sandbox: Sandbox) -> None:
    mark = f"abandoned-{time.monotonic_ns()}"

    async def inside() -> None:
        code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(60)"
        started = await sandbox.start(Program(code, "x"))
        events = started.events()
        async for _ in events:
            break
        await events.aclose()  # type: ignore[attr-defined]

    asyncio.run(inside())
    assert marked_processes(mark) == []


def test_runs_end_with_their_event_loop(sandbox: Sandbox) -> None:
    mark = f"ended-{time.monotonic_ns()}"

    async def inside(code: str) -> None:
        started = await sandbox.start(Program(code, "x"))
        async for _ in started.events():
            loop = asyncio.get_running_loop()
            loop.run = started  # type: ignore[attr-defined] # nobody lets go of it before the loop
            return

    asyncio.run(inside("print(1)"))
    descriptors, folders = len(os.listdir("/proc/self/fd")), leftovers()
    asyncio.run(
        inside(f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(60)")
    )
    assert marked_processes(mark) == []
    assert leftovers() <= folders
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_event_loop_that_ends_while_a_run_ends_leaves_nothing_open(sandbox: Sandbox) -> None:
    async def inside(turns: int) -> None:
        started = await sandbox.start(Program("print(1)", "x"))
        async for _ in started.events():
            loop = asyncio.get_running_loop()
            loop.run = started  # type: ignore[attr-defined] # nobody lets go of it before the loop
            for _ in range(turns):
                await asyncio.sleep(0.0005)
            return

    def open_now() -> int:
        """Count the open descriptors, once all prepared workspaces exist."""
        engine: Any = sandbox._engine
        wait_until(lambda: len(getattr(engine, "_prepared", ())) == getattr(engine, "_wanted", 0))
        return len(os.listdir("/proc/self/fd"))

    asyncio.run(inside(0))
    descriptors = open_now()
    # On bubblewrap each run waits for a new worker.
    for turns in (0, 2, 5, 9) if sandbox.report.tier == "bubblewrap" else range(10):
        asyncio.run(inside(turns))
        wait_until(lambda: open_now() == descriptors)


def niceness(process: str) -> int:
    """Return the nice value of a process's session."""
    return int(Path(f"/proc/{process}/autogroup").read_text().split()[-1])


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="no scheduling by sessions")
def test_run_that_uses_much_cpu_lets_others_go_first_and_is_not_starved(sandbox: Sandbox) -> None:
    async def begin(work: str) -> tuple[AsyncGenerator[SandboxEvent, None], str]:
        mark = f"long-{time.monotonic_ns()}"
        code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1, flush=True)\n"
        started = await sandbox.start(Program(f"{code}{work}", "x"))
        events = cast("AsyncGenerator[SandboxEvent, None]", started.events())
        await anext(events)
        [process] = marked_processes(mark)
        return events, process

    async def inside() -> tuple[int, int]:
        idle, asleep = await begin("time.sleep(60)")
        hog, busy = await begin("while True: pass")
        found = await asyncio.to_thread(wait_until, functools.partial(niceness, busy), 50)
        both = int(found), niceness(asleep)
        await hog.aclose()
        await idle.aclose()
        return both

    # Then the session has a fifth of another's processor share; at 19, a seventieth.
    assert asyncio.run(inside()) == (7, 0)


def test_run_with_the_least_memory_can_import_the_sdks(run_with_sdks: Runner) -> None:
    assert run_with_sdks("import anthropic; print('ok')", memory_mib=64) == "ok\n"


def test_certificates_are_found_one_by_one_and_a_client_need_not_read_them_all(run: Runner) -> None:
    code = (
        "import os, ssl\nfolder = os.environ['SSL_CERT_DIR']\n"
        "files = [f'{folder}/{name}' for name in os.listdir(folder) if name.endswith('.0')]\n"
        "found = ssl.create_default_context(capath=folder)\n"
        "print(bool(files), found.cert_store_stats()['x509'])\n"
        "for file in files: found.load_verify_locations(file)\n"
    )
    assert run(code) == "True 0\n"


def test_no_descriptor_is_left_open(sandbox: Sandbox) -> None:
    async def inside() -> tuple[int, int]:
        async def once() -> None:
            started = await sandbox.start(Program("print(1)", "x"))
            async for _ in started.events():
                pass

        await once()
        gc.collect()  # what earlier tests left must not be closed in between
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            await once()
        return before, len(os.listdir("/proc/self/fd"))

    before, after = asyncio.run(inside())
    assert after == before


def test_killed_supervisor_fails_the_run_and_ends_the_program() -> None:
    mark = f"orphan-{time.monotonic_ns()}"
    code = (
        f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\n"
        "print(os.getppid(), flush=True); os.fork(); time.sleep(60)\n"
    )

    async def inside() -> None:
        started = await Sandbox.probe(force="landlock", preload=()).start(Program(code, "x"))
        async for event in started.events():
            assert isinstance(event, OutputEvent)
            os.kill(int(event.text.split()[0]), 9)

    with pytest.raises(MachineryError, match="supervisor"):
        asyncio.run(inside())
    wait_until(lambda: not marked_processes(mark), 5)


# ---------------------------------------------------------------- fail closed


def test_weak_machine_refuses_to_run_with_a_remedy() -> None:
    weak = Sandbox.probe(force="limits")
    assert not weak.report.available
    with pytest.raises(SandboxUnavailableError, match="AGENT_BUILDER_ALLOW_WEAK_SANDBOX"):
        run_in_sandbox("print(1)", "x", sandbox=weak)


@pytest.mark.matrix
def test_weak_machine_runs_code_with_a_warning_if_allowed() -> None:
    weak = Sandbox.probe(force="limits", allow_weak=True)
    assert weak.report.reason is not None
    assert "WEAK" in weak.report.reason
    assert run_in_sandbox("print(1)", "x", sandbox=weak) == "1\n"


def test_tier_that_is_forced_is_never_replaced_by_a_weaker_one() -> None:
    report = Sandbox.probe(force="limits").report
    assert not report.available
    assert report.tier == "limits"


def test_refused_namespaces_come_with_advice() -> None:
    advised = with_advice("the cell maker failed: [Errno 1] unshare: Operation not permitted")
    assert "user.max_user_namespaces" in advised
    assert with_advice("something else") == "something else"


def test_layer_that_is_reported_active_is_applied_or_the_program_does_not_run() -> None:
    layers = (Layer("landlock", True), Layer("seccomp", True))
    assert TierReport("landlock", layers, True, None).child_layers == ("landlock", "seccomp")
