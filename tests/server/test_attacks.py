"""Hostile programs, each named by what must come of it. The programs are in tests/attacks/."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from pathlib import Path

import pytest

from server.confine import Limits
from server.run_events import OutputEvent, Program
from server.sandbox import Sandbox, run_in_sandbox

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
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def accept() -> None:
            listener.accept()[0].close()

        threading.Thread(target=accept, daemon=True).start()
        code = (ATTACKS / "reach_port.py").read_text("utf-8")

        async def inside() -> str:
            run = await sandbox.start(Program(code, str(port), Limits(wall_s=20), port=port))
            events = [event async for event in run.events()]
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
