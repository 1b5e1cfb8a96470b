"""Hostile programs against other processes, on every tier."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from server.isolation.events import OutputEvent, Program, Status
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.attacking import (
    ATTACKS,
    attack,
    attempt_outside,
    descendants,
    end_of,
    events_of,
    victim,
)

REACHED = {
    *("signal", "signal by pidfd", "read environ", "read maps", "read mem", "read cmdline"),
    *("read status", "open root", "open cwd", "list descriptors", "copy memory", "compare"),
    *("take a descriptor", "limit", "pin", "schedule", "renice", "trace", "adjust its end"),
}
TICKER = Program("import time\nwhile True: print('undisturbed', flush=True); time.sleep(0.1)", "")


def reached(tiered: Sandbox, pids: list[int]) -> set[str]:
    """Return the operations on processes and on its parent that a program succeeded in."""
    shown = attack(tiered, "reach_processes", {"pids": pids, "parent": True})
    # A cell of bubblewrap contains its supervisor: /proc shows its name and state, and to root's
    # user the numbers of its descriptors, but not their targets.
    known = {"read cmdline of its parent", "read status of its parent"}
    known |= {"list descriptors of its parent"} if os.geteuid() == 0 else set()
    return set(shown.splitlines()) - (known if tiered.report.tier == "bubblewrap" else set())


def test_other_processes_can_not_be_seen_traced_signalled_slowed_or_robbed(
    tiered: Sandbox,
) -> None:
    run_in_sandbox("", "", sandbox=tiered)  # so that the helper processes are there
    with victim() as pid:
        helpers = descendants(os.getpid()) - {pid}
        assert helpers
        assert reached(tiered, [pid, os.getpid(), *helpers]) == set()


def test_reaching_program_does_reach_a_process_of_its_user(tmp_path: Path) -> None:
    with victim() as pid:
        shown = attempt_outside(tmp_path, "reach_processes", {"pids": [pid], "parent": False})
    assert set(map(str.strip, shown.splitlines())) >= REACHED


def test_sibling_run_is_unreachable_and_continues(tiered: Sandbox) -> None:
    async def both() -> set[str]:
        before = descendants(os.getpid())
        sibling = await tiered.start(TICKER)
        ticks = sibling.events()
        await anext(ticks)
        siblings = sorted(descendants(os.getpid()) - before) or sorted(descendants(os.getpid()))
        seen = await asyncio.to_thread(reached, tiered, siblings)
        started = time.monotonic()
        async for event in ticks:
            assert isinstance(event, OutputEvent)
            if time.monotonic() > started + 0.3:
                break
        return seen

    assert asyncio.run(both()) == set()


def test_nothing_is_known_of_other_processes_but_that_they_are_there(tiered: Sandbox) -> None:
    with victim() as pid:
        assert attack(tiered, "landlock_processes", str(pid)) == ""
    shown = attack(tiered, "landlock_processes", "0").splitlines()
    assert {"processor time 2", "session", "group", "priority", "processors"} < set(shown)


def test_query_about_a_process_succeeds_outside(tmp_path: Path) -> None:
    with victim() as pid:
        shown = attempt_outside(tmp_path, "landlock_processes", str(pid)).splitlines()
    assert {"processor time 2", "session", "group", "priority", "processors"} < set(shown)


def test_program_that_kills_its_parent_harms_itself_at_most(tiered: Sandbox) -> None:
    events = events_of(tiered, "kill_parent")
    assert end_of(events).status in {Status.SUCCESS, Status.ERROR}
    assert run_in_sandbox("print('next')", "", sandbox=tiered) == "next\n"


def test_parent_killing_program_does_kill_a_parent_of_its_user() -> None:
    attacking = [sys.executable, str(ATTACKS / "kill_parent.py")]
    program = f"import subprocess; subprocess.run({attacking})"
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    shown, _ = parent.communicate(timeout=60)
    assert (parent.returncode, shown) == (-signal.SIGTERM, b"still here\n")


def test_run_is_born_with_nothing_but_its_three_streams(tiered: Sandbox) -> None:
    # One more descriptor is for the exit note, and is write-only.
    shown = attack(tiered, "hold_terminal").splitlines()
    assert len(shown) <= 1
    assert all(line.startswith("can not read") for line in shown)


def test_descriptor_and_terminal_are_found_where_a_program_is_born_with_them() -> None:
    ours, theirs = os.openpty()
    os.write(ours, b"typed\n")
    # The first terminal that a session leader opens becomes its controlling terminal.
    program = (
        f"import os, runpy; os.set_inheritable(os.open({os.ttyname(theirs)!r}, os.O_RDWR), True)\n"
        f"runpy.run_path({str(ATTACKS / 'hold_terminal.py')!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        check=True,
    )
    os.close(ours)
    os.close(theirs)
    assert done.stdout == b"can read 3 b'typed\\n'\nhas a terminal\n"


def test_capabilities_limits_and_ids_can_not_be_raised(tiered: Sandbox) -> None:
    assert attack(tiered, "raise_privileges") == ""


def test_raising_program_does_see_what_it_has_outside(tmp_path: Path) -> None:
    shown = attempt_outside(tmp_path, "raise_privileges")
    assert "no_new_privs is off" in shown
    assert "has no limit" in shown


def test_name_of_a_process_can_not_confuse_the_monitor(tiered: Sandbox) -> None:
    code = (
        "import ctypes, time\n"
        "ctypes.CDLL(None).prctl(15, b'\\xff) Z 1 (', 0, 0, 0)\n"
        "time.sleep(0.2); print('fine')"
    )
    assert run_in_sandbox(code, "", sandbox=tiered) == "fine\n"
