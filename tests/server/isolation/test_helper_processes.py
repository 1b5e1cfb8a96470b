"""The helper processes of the sandbox: hidden from runs, and gone without a trace when they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_agent_builder.errors import MachineryError
from server.isolation.child.resource_monitor import descendants
from server.isolation.environment import BASE_ENVIRONMENT
from server.isolation.events import (
    ExitEvent,
    LimitEvent,
    OutputEvent,
    Program,
    SandboxEvent,
    Status,
)
from server.isolation.fork_server_client import ForkServerClient
from server.isolation.helper_process import Helper
from server.isolation.tiers.detection import PRELOADED, make_engine
from server.limits import Limits
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.processes import below
from tests.support.serving import ServerFactory, bare_environment, marked_processes, wait_until

ROOT = Path(__file__).resolve().parents[3]


HelperOf = Callable[[str], int]
"""Returns the process id of a sandbox's helper by its module, once it is running."""


@contextlib.contextmanager
def probed(**options: Any) -> Iterator[tuple[Sandbox, HelperOf]]:
    """Probe a sandbox of the tier that prepares cells, and find its own helpers.

    Other tests of this process may share sandboxes, which have helpers of the same names.
    """
    others = descendants(os.getpid())
    found = Sandbox.probe(force="strong", **options)
    try:
        assert found.report.available, found.report.reason
        yield (
            found,
            lambda name: below(os.getpid(), f"server.isolation.child.{name}", besides=others),
        )
    finally:
        found.close()


@pytest.fixture(scope="module")
def probed_once() -> Iterator[tuple[Sandbox, HelperOf]]:
    with probed() as found:
        yield found


@pytest.fixture
def sandbox(probed_once: tuple[Sandbox, HelperOf]) -> Sandbox:
    """Return a sandbox that the tests of this module share."""
    return probed_once[0]


async def all_events(sandbox: Sandbox, program: Program) -> list[SandboxEvent]:
    started = await sandbox.start(program)
    return [event async for event in started.events()]


def run(sandbox: Sandbox, code: str, **limits: float) -> tuple[str, ExitEvent]:
    """Run a program; return what it printed on standard output, and its end."""
    limited = Limits(**limits)  # type: ignore[arg-type]
    events = asyncio.run(all_events(sandbox, Program(code, "x", limited)))
    shown = [e.text for e in events if isinstance(e, OutputEvent) and e.stream == "stdout"]
    assert isinstance(events[-1], ExitEvent)
    return "".join(shown), events[-1]


def children_of(process: int) -> list[str]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [pid for task in tasks for pid in (task / "children").read_text().split()]


def helpers_of(process: int) -> dict[str, int]:
    """Return the helper processes below a process, by their modules."""
    found: dict[str, int] = {}
    for pid in children_of(process):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        for name in ("cell_maker", "fork_server"):
            if f"server.isolation.child.{name}".encode() in command:
                found[name] = int(pid)
    return found


# ---------------------------------------------------------------- a fresh interpreter

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


def test_program_finds_the_interpreter_as_a_fresh_one_is(sandbox: Sandbox, tmp_path: Path) -> None:
    inside = json.loads(run(sandbox, STATE)[0])
    outside = json.loads(plainly(STATE, tmp_path).stdout)
    assert inside == outside


def test_random_numbers_and_temporary_names_differ_between_runs(sandbox: Sandbox) -> None:
    code = (
        "import os, random, secrets, ssl, tempfile, uuid\n"
        "print(random.random(), secrets.token_hex(8), ssl.RAND_bytes(8), uuid.uuid4())\n"
        "print(tempfile.mkdtemp(), tempfile.NamedTemporaryFile().name)\n"
    )
    first, second = (run(sandbox, code)[0].split() for _ in range(2))
    assert not set(first) & set(second)


@pytest.mark.matrix
def test_poisoned_modules_and_handlers_do_not_reach_the_next_run(sandbox: Sandbox) -> None:
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
    run(sandbox, poison)
    shown, _ = run(sandbox, code)
    assert shown == "2 Anthropic False\nTrue False\n['agent.py', 'tmp']\n"


def test_own_module_of_a_program_takes_precedence_over_a_loaded_one(sandbox: Sandbox) -> None:
    code = (
        "open('email.py', 'w').write('mine = 1'); import email; print(email.mine)\n"
        "import anthropic; print(anthropic.__name__)\n"
    )
    assert run(sandbox, code)[0] == "1\nanthropic\n"


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
def test_program_ends_as_a_plain_one_does(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    plain = plainly(ENDS[name], tmp_path)
    events = asyncio.run(all_events(sandbox, Program(ENDS[name], "x")))
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
def test_fatal_signal_has_the_shells_exit_code(sandbox: Sandbox, number: signal.Signals) -> None:
    code = f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(1)"
    _, last = run(sandbox, code)
    assert (last.status, last.returncode) == (Status.ERROR, 128 + number)


def test_multiprocessing_works_with_every_start_method(sandbox: Sandbox) -> None:
    code = (
        "import multiprocessing as mp\n"
        "def double(n): return 2 * n\n"
        "if __name__ == '__main__':\n"
        "    for way in ('fork', 'spawn', 'forkserver'):\n"
        "        with mp.get_context(way).Pool(2) as pool: print(way, pool.map(double, [1, 2]))\n"
    )
    shown = run_in_sandbox(code, "x", sandbox=sandbox)
    assert shown == "fork [2, 4]\nspawn [2, 4]\nforkserver [2, 4]\n"


# ---------------------------------------------------------------- processes that are killed


def test_killed_fork_server_fails_its_runs_and_those_that_wait_go_on() -> None:
    mark = f"carried-{time.monotonic_ns()}"
    code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(60)"

    async def inside() -> str:
        with probed(preload=()) as (sandbox, helper):
            started = await sandbox.start(Program(code, "x"))
            killed = False
            try:
                async for _ in started.events():
                    if not killed:
                        killed = True
                        os.kill(helper("fork_server"), signal.SIGKILL)
            except MachineryError as error:
                failure = str(error)
            later = await all_events(sandbox, Program("print('later')", "x"))
            assert later[0] == OutputEvent("stdout", "later\n")
            return failure

    assert "fork server was killed" in asyncio.run(inside())
    assert marked_processes(mark) == []


@pytest.mark.matrix
def test_run_that_the_fork_server_had_not_started_starts_in_its_successor() -> None:
    async def inside() -> list[SandboxEvent]:
        with probed() as (sandbox, helper):
            sandbox.warm_up()  # it is loading, and takes orders meanwhile
            fork_server = helper("fork_server")
            started = await sandbox.start(Program("print('hi')", "x"))
            os.kill(fork_server, signal.SIGKILL)
            return [event async for event in started.events()]

    assert asyncio.run(inside())[0] == OutputEvent("stdout", "hi\n")


def test_killed_cell_maker_is_replaced() -> None:
    async def inside() -> list[SandboxEvent]:
        with probed(preload=()) as (sandbox, helper):
            await all_events(sandbox, Program("pass", "x"))
            os.kill(helper("cell_maker"), signal.SIGKILL)
            await asyncio.sleep(0.1)
            return await all_events(sandbox, Program("print('hi')", "x"))

    assert asyncio.run(inside())[0] == OutputEvent("stdout", "hi\n")


def test_killed_server_leaves_no_process_behind(serve: ServerFactory) -> None:
    server = serve()
    mark = f"orphan-{time.monotonic_ns()}"
    code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nos.fork(); time.sleep(600)"
    with server.client() as client:
        client.post("/api/runs", json={"code": code, "task": "x"})
        wait_until(lambda: len(marked_processes(mark)) == 2)
        helpers = helpers_of(server.process.pid)
        assert set(helpers) == {"cell_maker", "fork_server"}
        server.process.kill()
    wait_until(lambda: not marked_processes(mark))
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in helpers.values()))


def test_fork_server_has_an_empty_environment_one_thread_and_an_unprivileged_user() -> None:
    with probed() as (sandbox, helper):
        run(sandbox, "pass")
        process = Path(f"/proc/{helper('fork_server')}")
        assert (process / "environ").read_bytes() == b""
        assert len(list((process / "task").iterdir())) == 1
        uid = next(
            line.split()[1]
            for line in (process / "status").read_text().splitlines()
            if line.startswith("Uid:")
        )
        assert int(uid) != 0


def test_run_is_an_unprivileged_user_of_the_host(sandbox: Sandbox) -> None:
    mark = f"user-{time.monotonic_ns()}"
    code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(60)"

    async def inside() -> int:
        started = await sandbox.start(Program(code, "x"))
        async for _ in started.events():
            [pid] = marked_processes(mark)
            return os.stat(f"/proc/{pid}").st_uid
        raise AssertionError("nothing came")

    assert asyncio.run(inside()) != 0


def test_nothing_accumulates_over_runs(probed_once: tuple[Sandbox, HelperOf]) -> None:
    sandbox, helper = probed_once

    def there() -> tuple[int, int, int]:
        descriptors = len(os.listdir("/proc/self/fd"))
        fork_server = len(os.listdir(f"/proc/{helper('fork_server')}/fd"))
        return descriptors, fork_server, len(children_of(helper("cell_maker")))

    async def many() -> None:
        for _ in range(20):
            await all_events(sandbox, Program("print('hi')", "x"))
        await asyncio.sleep(0.3)

    asyncio.run(many())
    before = there()
    asyncio.run(many())
    assert there() == before


# ---------------------------------------------------------------- limits


def test_memory_over_many_processes_is_a_limit(sandbox: Sandbox) -> None:
    code = (
        "import os, time\n"
        "for _ in range(8):\n"
        "    if os.fork() == 0:\n"
        "        held = []\n"
        "        for _ in range(40): held.append(b'x' * 2**20); time.sleep(0.02)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    _, last = run(sandbox, code, memory_mib=128)
    assert (last.status, last.reason) == (Status.LIMIT, "memory")


def test_file_that_is_too_large_names_the_limit(sandbox: Sandbox) -> None:
    events = asyncio.run(all_events(sandbox, Program("open('f', 'wb').truncate(2**40)", "x")))
    assert LimitEvent("file size", "file size (64 MiB)") in events


def test_many_empty_files_reach_the_scratch_limit(sandbox: Sandbox) -> None:
    code = "import os\nfor n in range(10**6): os.close(os.open(f'{n}', os.O_CREAT, 0o600))"
    events = asyncio.run(all_events(sandbox, Program(code, "x", Limits(scratch_mib=1))))
    assert LimitEvent("scratch", "scratch (1 MiB)") in events
    assert isinstance(events[-1], ExitEvent)
    assert events[-1].status is Status.ERROR


# ---------------------------------------------------------------- as an ordinary user

AS_USER = """
import asyncio, os
from server.sandbox import Sandbox, run_in_sandbox
from server.isolation.tiers.detection import PRELOADED, make_engine
from server.isolation.fork_server_client import ForkServerClient
assert os.geteuid() != 0
for tier, preload in (("strong", PRELOADED), ("bubblewrap", ("anthropic",)), ("landlock", ())):
    sandbox = Sandbox.probe(force=tier, preload=preload)
    assert sandbox.report.available, (tier, sandbox.report.reason)
    print(tier, run_in_sandbox("import anthropic; print('hi')", "x", sandbox=sandbox).strip())
    sandbox.close()
"""


@pytest.mark.matrix
@pytest.mark.skipif(os.geteuid() != 0, reason="all other tests run as an ordinary user then")
def test_every_tier_works_for_an_ordinary_user(tmp_path: Path) -> None:
    """In a mount namespace in which that user may enter all folders above the interpreter."""
    steps = ["set -e"]
    for closed in sorted({*closed_folders(sys.executable), *closed_folders(str(ROOT))}):
        inner = next(Path(closed, part) for part in os.listdir(closed) if is_above(closed, part))
        steps += [
            f"mkdir -p {tmp_path}/inner",
            f"mount --bind {inner} {tmp_path}/inner",
            f"mount -t tmpfs -o mode=755 none {closed}",
            f"mkdir -p {inner}",
            f"mount --move {tmp_path}/inner {inner}",
        ]
    (tmp_path / "program.py").write_text(AS_USER)
    tmp_path.chmod(0o755)
    environment = bare_environment(Path("/nonexistent"), PYTHONPATH=str(ROOT))
    given = " ".join(f"{name}={value}" for name, value in environment.items())
    program = (tmp_path / "program.py").read_text()
    steps.append(
        "exec setpriv --reuid 65533 --regid 65533 --clear-groups "
        f'env -i {given} {sys.executable} -c "$PROGRAM"'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "\n".join(steps)],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PROGRAM": program},
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert done.stdout == "strong hi\nbubblewrap hi\nlandlock hi\n", done.stderr


def closed_folders(path: str) -> Iterator[str]:
    """Yield the folders above `path`, and above its target, that other users can't enter."""
    for each in (Path(path), Path(path).resolve()):
        for folder in reversed(each.parents):
            if not folder.stat().st_mode & 0o001:
                yield str(folder)
                break


def is_above(closed: str, part: str) -> bool:
    inside = f"{closed}/{part}/"
    return any(str(path).startswith(inside) for path in (Path(sys.executable).resolve(), ROOT))


def members_of_group(group: int) -> list[str]:
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    return [stat for stat in stats if int(stat.rpartition(")")[2].split()[2]) == group]


@pytest.mark.parametrize("stopped", [False, True])
def test_fork_server_that_still_loads_is_ended_at_once_and_leaves_no_process(stopped: bool) -> None:
    others = descendants(os.getpid())  # of sandboxes that tests share
    warm = ForkServerClient(PRELOADED, BASE_ENVIRONMENT)
    warm.start()
    loading = below(os.getpid(), "server.isolation.child.fork_server", besides=others)
    if stopped:
        os.kill(loading, signal.SIGSTOP)
    warm.end()
    assert not warm.alive
    wait_until(lambda: not members_of_group(loading))


def test_helper_that_can_not_be_started_leaves_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(MachineryError, match="can't start a helper"):
        Helper.spawn("", command=["/no/such/program"])
    assert len(os.listdir("/proc/self/fd")) == before


def test_repair_that_ends_after_the_sandbox_closed_starts_no_process(tier: str) -> None:
    engine = make_engine(tier, preload=())
    engine.start()
    engine.close()
    before = set(descendants(os.getpid()))
    with contextlib.suppress(MachineryError):
        engine.start()
    assert set(descendants(os.getpid())) <= before
