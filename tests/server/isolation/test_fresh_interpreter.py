"""A program in the sandbox finds a fresh interpreter, and ends as it does outside."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.isolation.environment import BASE_ENVIRONMENT
from server.isolation.events import ExitEvent, OutputEvent, Program, Status
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.attacking import all_events
from tests.support.sandbox_runs import output_and_end

STATE = """
import sys
state = {"modules": sorted(sys.modules)}
import gc, json, os, random, signal, tempfile, warnings
state["environment"] = sorted(os.environ)
state["argv"] = sys.argv
state["path"] = sys.path[0] == os.path.dirname(os.path.abspath(__file__))
state["main"] = sorted(name for name in vars() if name != "state")
state["name"] = __name__
state["spec"] = repr(__spec__)
state["handlers"] = {n.name: repr(signal.getsignal(n)) for n in sorted(signal.valid_signals())
                     if isinstance(n, signal.Signals)}
state["blocked"] = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
state["descriptors"] = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) < 200)
state["hooks"] = [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__]
state["collecting"] = gc.isenabled()
state["encodings"] = [sys.stdout.encoding, sys.stderr.encoding, sys.getfilesystemencoding()]
state["recursion"] = sys.getrecursionlimit()
print(json.dumps(state))
"""


def plainly(code: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a program as a fresh `python agent.py`, with the environment of a run."""
    (folder / "agent.py").write_text(code)
    environment = {**BASE_ENVIRONMENT, "HOME": str(folder), "TMPDIR": str(folder)}
    # In the background of a shell, tests and their children ignore SIGINT.
    command = ["env", "--default-signal=INT", sys.executable, "agent.py", "--task", "x"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


def test_program_finds_the_interpreter_as_a_fresh_one_is(strong: Sandbox, tmp_path: Path) -> None:
    inside = json.loads(output_and_end(strong, STATE)[0])
    outside = json.loads(plainly(STATE, tmp_path).stdout)
    assert inside == outside


def test_random_numbers_and_temporary_names_differ_between_runs(strong: Sandbox) -> None:
    code = (
        "import os, random, secrets, ssl, tempfile, uuid\n"
        "print(random.random(), secrets.token_hex(8), ssl.RAND_bytes(8), uuid.uuid4())\n"
        "print(tempfile.mkdtemp(), tempfile.NamedTemporaryFile().name)\n"
    )
    first, second = (output_and_end(strong, code)[0].split() for _ in range(2))
    assert not set(first) & set(second)


@pytest.mark.matrix
def test_poisoned_modules_and_handlers_do_not_reach_the_next_run(strong: Sandbox) -> None:
    poison = (
        "import anthropic, builtins, json, os, signal, sys\n"
        "json.dumps = anthropic.Anthropic = builtins.len = None\n"
        "os.environ['PYTHONPATH'] = '/scratch'; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "sys.modules['re'] = None; sys.path.insert(0, '/planted')\n"
        "open('sitecustomize.py', 'w').write('print(1)'); open('json.py', 'w').write('print(2)')\n"
        "os.makedirs(os.path.expanduser('~/.local/lib/python3.11/site-packages'))\n"
    )
    code = (
        "import anthropic, json, os, re, signal, sys\n"
        "print(json.dumps(len('ab')), anthropic.Anthropic.__name__, 'PYTHONPATH' in os.environ)\n"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, '/planted' in sys.path)\n"
        "print(sorted(os.listdir()))\n"
    )
    output_and_end(strong, poison)
    shown, _ = output_and_end(strong, code)
    assert shown == "2 Anthropic False\nTrue False\n['agent.py', 'tmp']\n"


def test_own_module_of_a_program_takes_precedence_over_a_loaded_one(strong: Sandbox) -> None:
    code = (
        "open('email.py', 'w').write('mine = 1'); import email; print(email.mine)\n"
        "import anthropic; print(anthropic.__name__)\n"
    )
    assert output_and_end(strong, code)[0] == "1\nanthropic\n"


ENDS = {
    "nothing": "",
    "code": "import sys; sys.exit(3)",
    "large code": "import sys; sys.exit(259)",
    "message": "import sys; sys.exit('bye')",
    "exception": "def f():\n    raise ValueError('é')\nf()",
    "chained": "try:\n    1 / 0\nexcept Exception as e:\n    raise RuntimeError('x') from e",
    "syntax": "x = (\n",
    "atexit": "import atexit; atexit.register(print, 'bye'); raise SystemExit(2)",
    "thread": (
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()\nprint('first')"
    ),
    "unclosed": "f = open('x', 'w'); f.write('kept'); print(open('x').read())",
    "destructor": "class A:\n    def __del__(self): print('gone')\na = A()",
    "cycle": "class A:\n    def __del__(self): print('gone')\na = A(); a.me = a; del a",
    "excepthook": "import sys; sys.excepthook = lambda *a: print('mine', a[0]); 1 / 0",
    "closed output": "import sys; sys.stdout.close(); sys.exit(4)",
    "fork": "import os\nif os.fork(): os.wait()\nprint('twice')",
    "pickle": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))).__name__)",
    "main": "import __main__; print(__main__.__file__.endswith('agent.py'), __name__)",
    "source": "import inspect\ndef f(): return 1\nprint(inspect.getsource(f))",
}


@pytest.mark.parametrize("name", ENDS)
def test_program_ends_as_a_plain_one_does(strong: Sandbox, tmp_path: Path, name: str) -> None:
    plain = plainly(ENDS[name], tmp_path)
    events = asyncio.run(all_events(strong, Program(ENDS[name], "x")))
    last = events[-1]
    assert isinstance(last, ExitEvent)
    shown = {
        stream: "".join(
            e.text for e in events if isinstance(e, OutputEvent) and e.stream == stream
        ).replace("/scratch", str(tmp_path))
        for stream in ("stdout", "stderr")
    }
    assert (last.returncode, shown) == (
        plain.returncode,
        {"stdout": plain.stdout.decode(), "stderr": plain.stderr.decode()},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGKILL])
def test_fatal_signal_has_the_shells_exit_code(strong: Sandbox, number: signal.Signals) -> None:
    code = f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(1)"
    _, last = output_and_end(strong, code)
    assert (last.status, last.returncode) == (Status.ERROR, 128 + number)


def test_multiprocessing_works_with_every_start_method(strong: Sandbox) -> None:
    code = (
        "import multiprocessing as mp\n"
        "def double(n): return 2 * n\n"
        "if __name__ == '__main__':\n"
        "    for way in ('fork', 'spawn', 'forkserver'):\n"
        "        with mp.get_context(way).Pool(2) as pool: print(way, pool.map(double, [1, 2]))\n"
    )
    shown = run_in_sandbox(code, "x", sandbox=strong)
    assert shown == "fork [2, 4]\nspawn [2, 4]\nforkserver [2, 4]\n"
