"""The sandbox, as observed by a program inside and a caller outside."""

from __future__ import annotations

import asyncio
import os
import re

import pytest

from llm_agent_builder.errors import SandboxUnavailableError
from server.isolation.events import ExitEvent, OutputEvent, Program, Status
from server.isolation.tiers.detection import Layer, TierReport, with_advice
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.attacking import text_of
from tests.support.sandbox_runs import Runner, collect


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


def test_cancelled_run_has_that_status_and_its_output(sandbox: Sandbox) -> None:
    program = Program("import time\nprint('started')\ntime.sleep(60)", "x")
    *output, last = collect(sandbox, program, until=text_of)
    assert output == [OutputEvent("stdout", "started\n")]
    assert isinstance(last, ExitEvent)
    assert last.status is Status.CANCELLED
    assert last.duration < 60  # as long as the program would have slept


def test_first_output_arrives_while_the_program_runs(sandbox: Sandbox) -> None:
    program = Program("import time\nprint('first')\ntime.sleep(60)\nprint('last')", "x")
    *output, last = collect(sandbox, program, until=text_of)
    assert text_of(output) == "first\n"
    assert isinstance(last, ExitEvent)
    assert last.time_to_first_output is not None
    assert 0 < last.time_to_first_output < last.duration


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
    assert TierReport("landlock", layers, True, None, "").child_layers == ("landlock", "seccomp")
