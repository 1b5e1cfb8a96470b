"""Hostile programs, each named by what must come of it. The programs are in tests/attacks/."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from llm_agent_builder.errors import MachineryError
from server.confine import Limits
from server.run_events import OutputEvent, Program
from server.sandbox import Sandbox, run_in_sandbox
from server.tiers import Layer, TierReport

ATTACKS = Path(__file__).parent.parent / "attacks"
CANARY = "canary-" + "0123456789"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """Return the sandbox of this machine."""
    found = Sandbox.probe()
    assert found.report.available, found.report.reason
    return found


def attack(sandbox: Sandbox, name: str, task: str = "") -> str:
    """Run a hostile program; what it got hold of is what it printed."""
    code = (ATTACKS / f"{name}.py").read_text("utf-8")
    return run_in_sandbox(code, task, limits=Limits(wall_s=20), sandbox=sandbox)


def test_files_outside_can_not_be_read(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / ".env"
    secret.write_text(CANARY)
    assert attack(sandbox, "read_files", str(secret)) == ""


def test_files_outside_can_not_be_written(sandbox: Sandbox, tmp_path: Path) -> None:
    assert attack(sandbox, "write_files", str(tmp_path)) == ""
    assert list(tmp_path.iterdir()) == []


def test_environment_and_memory_of_other_processes_can_not_be_read(sandbox: Sandbox) -> None:
    assert attack(sandbox, "read_processes") == ""


def test_other_processes_can_not_be_signalled(sandbox: Sandbox) -> None:
    assert attack(sandbox, "signal_processes") == ""


def test_capabilities_and_limits_can_not_be_raised(sandbox: Sandbox) -> None:
    assert attack(sandbox, "raise_privileges") == ""


def test_inherited_descriptors_are_the_standard_three_only(sandbox: Sandbox) -> None:
    assert attack(sandbox, "list_descriptors") == "0 1 2\n"


def test_ports_other_than_the_gateways_can_not_be_reached(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert attack(sandbox, "reach_port", str(listener.getsockname()[1])) == ""
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_sockets_that_landlock_does_not_see_can_not_be_made(sandbox: Sandbox) -> None:
    assert attack(sandbox, "make_sockets") == ""


def test_namespaces_mounts_and_kernel_interfaces_are_closed(sandbox: Sandbox) -> None:
    assert attack(sandbox, "reach_kernel") == ""


def test_modes_owners_and_times_of_files_outside_stay_as_they_are(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "victim"
    file.write_text("x")
    file.chmod(0o600)
    before, library = file.stat(), os.stat(os.__file__)
    assert attack(sandbox, "change_modes", str(file)) == ""
    after = file.stat()
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert os.listxattr(file) == []
    assert os.stat(os.__file__).st_mode == library.st_mode


def test_files_inside_can_be_copied_with_their_attributes(sandbox: Sandbox) -> None:
    code = "import shutil; shutil.copy2('agent.py', 'b.py'); print(open('b.py').read()[:6])"
    assert run_in_sandbox(code, "", sandbox=sandbox) == "import\n"


def test_other_processes_can_not_be_slowed_or_limited(sandbox: Sandbox) -> None:
    with subprocess.Popen(["sleep", "60"]) as victim:
        assert attack(sandbox, "touch_processes", str(victim.pid)) == ""
        assert os.sched_getaffinity(victim.pid) == os.sched_getaffinity(0)
        victim.kill()


def test_ways_out_beside_tcp_are_closed(sandbox: Sandbox, tmp_path: Path) -> None:
    libc = ctypes.CDLL(None)
    segment = libc.shmget(0, 4096, 0o1600)  # IPC_CREAT
    path = tmp_path / "socket"
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outside,
    ):
        outside.bind(str(path))
        task = f"{listener.getsockname()[1]},{path},{segment}"
        try:
            assert attack(sandbox, "leave_by_sockets", task) == ""
        finally:
            libc.shmctl(segment, 0, None)  # IPC_RMID


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (
            "scratch",
            "import os, time\nfiles = []\n"
            "while True:\n"
            "    files.append(open('x', 'wb')); os.unlink('x')\n"
            "    files[-1].write(b'x' * 2**20); files[-1].flush(); time.sleep(0.01)",
        ),
        ("scratch", "import time\nfor n in range(10**6): open(str(n), 'w').close()"),
        (
            "scratch",
            "import os, time\nfor n in range(200): os.mkdir('d'); os.chdir('d')\ntime.sleep(60)",
        ),
        (
            "cpu",
            "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
            "while True:\n"
            "    if os.fork() == 0:\n"
            "        end = time.time() + 0.4\n"
            "        while time.time() < end: pass\n"
            "        os._exit(0)\n"
            "    time.sleep(0.45)",
        ),
        (
            "memory",
            "import mmap, os, time\n"
            "for _ in range(4):\n"
            "    if os.fork() == 0:\n"
            "        m = mmap.mmap(-1, 100 * 2**20)\n"
            "        m[::4096] = b'x' * len(m[::4096])\n"
            "        m.madvise(mmap.MADV_DONTNEED); time.sleep(60)\n"
            "time.sleep(60)",
        ),
        (
            "processes",
            "import threading\nthreading.stack_size(65536)\n"
            "gate = threading.Event()\n"
            "for _ in range(100): threading.Thread(target=gate.wait, daemon=True).start()",
        ),
    ],
    ids=["unlinked", "empty-files", "deep", "unwaited", "shared", "threads"],
)
def test_limit_can_not_be_got_round(sandbox: Sandbox, kind: str, code: str) -> None:
    limits = Limits(cpu_s=2, wall_s=30, memory_mib=256, scratch_mib=8, processes=8)
    shown = run_in_sandbox(code, "", limits=limits, sandbox=sandbox)
    assert shown.rstrip().splitlines()[-1].startswith(f"limit: {kind}")


def test_threads_that_fork_are_ended_in_time(sandbox: Sandbox) -> None:
    code = (
        "import os, threading\n"
        "def bomb():\n"
        "    while True:\n"
        "        try: os.fork()\n"
        "        except OSError: pass\n"
        "for _ in range(40): threading.Thread(target=bomb).start()\n"
    )
    started = time.monotonic()
    shown = run_in_sandbox(code, "", limits=Limits(wall_s=15), sandbox=sandbox)
    assert shown.rstrip().splitlines()[-1].startswith(("limit: processes", "timeout: wall"))
    assert time.monotonic() - started < 25


@pytest.mark.parametrize(
    "code",
    [
        "import os\nfor i in range(20): os.mkdir('a' * 250); os.chdir('a' * 250)",
        "import os\nfor i in range(3000): os.mkdir('a'); os.chdir('a')",
        "import os\nos.mkdir('a', 0); os.mkfifo('b'); os.symlink('/', 'c')",
    ],
    ids=["long", "deep", "closed"],
)
def test_folder_that_is_hard_to_remove_is_removed_and_the_run_ends(
    sandbox: Sandbox, code: str
) -> None:
    before = set(Path("/tmp").glob(f"agent-run-{os.getpid()}-*"))
    run_in_sandbox(code, "", limits=Limits(wall_s=10), sandbox=sandbox)
    assert set(Path("/tmp").glob(f"agent-run-{os.getpid()}-*")) <= before


def test_name_of_a_process_can_not_confuse_the_keeper(sandbox: Sandbox) -> None:
    code = (
        "import ctypes, time\n"
        "ctypes.CDLL(None).prctl(15, b'\\xff) Z 1 (', 0, 0, 0)\n"
        "time.sleep(0.2); print('fine')"
    )
    assert run_in_sandbox(code, "", sandbox=sandbox) == "fine\n"


def test_layer_that_can_not_be_put_on_is_our_failure_and_the_program_does_not_run() -> None:
    layers = (Layer("landlock", True), Layer("seccomp", True))
    broken = Sandbox(TierReport("landlock", layers, True, None))

    async def inside() -> None:
        run = await broken.start(Program("print('ran')", "", Limits(memory_mib=2**60)))
        async for event in run.events():
            raise AssertionError(event)

    with pytest.raises(MachineryError, match="could not be put on"):
        asyncio.run(inside())


def test_scratch_of_another_run_can_not_be_seen(sandbox: Sandbox) -> None:
    async def both() -> str:
        victim = await sandbox.start(
            Program(
                f"import os, time\nopen('secret', 'w').write('{CANARY}')\n"
                "print(os.getcwd())\ntime.sleep(10)",
                "",
            )
        )
        async for event in victim.events():
            assert isinstance(event, OutputEvent)
            folder = event.text.strip()
            seen = await asyncio.to_thread(attack, sandbox, "read_files", f"{folder}/secret")
            victim.request_cancel()
            return seen
        raise AssertionError("the victim did not start")

    assert asyncio.run(both()) == ""


def test_gateway_port_that_was_given_can_be_reached(sandbox: Sandbox) -> None:
    """The attack program works: it does reach a port that is allowed."""

    async def inside() -> str:
        code = (ATTACKS / "reach_port.py").read_text("utf-8").replace("sys.argv[2]", "PORT")
        code = "import os\nPORT = os.environ['PORT']\n" + code
        listeners: list[socket.socket] = []

        async def way_out(listener: socket.socket) -> dict[str, str]:
            listeners.append(listener)
            return {"PORT": str(listener.getsockname()[1])}

        run = await sandbox.start(Program(code, "", Limits(wall_s=20), way_out))
        events = [event async for event in run.events()]
        listeners[0].close()
        return "".join(event.text for event in events if isinstance(event, OutputEvent))

    assert "reached" in asyncio.run(inside())


def test_hostile_code_does_not_slow_its_end(sandbox: Sandbox) -> None:
    started = time.monotonic()
    code = (
        "import signal, time\n"
        "for n in range(1, 65):\n"
        "    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "time.sleep(100)\n"
    )
    text = run_in_sandbox(code, "", limits=Limits(wall_s=0.5), sandbox=sandbox)
    assert text == "timeout: wall (0.5 s)\n"
    assert time.monotonic() - started < 20
