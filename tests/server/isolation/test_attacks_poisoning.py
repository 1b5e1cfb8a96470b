"""Hostile programs that prepare something for the next run, on every tier."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from server.sandbox import Sandbox
from tests.support.attacking import attack, attempt_outside, source

DESCRIBE, POISON = "describe_interpreter", "poison_interpreter"


def test_planted_modules_are_imported_by_no_later_run(tiered: Sandbox) -> None:
    before = attack(tiered, DESCRIBE)
    folders = [sysconfig.get_path("purelib"), os.path.dirname(os.__file__), "/tmp", "/"]
    planted = attack(tiered, "plant_modules", {"folders": folders})
    for folder in folders:
        if folder != "/tmp":
            assert f"planted in {folder}\n" not in planted
    after = json.loads(attack(tiered, DESCRIBE))
    assert after == json.loads(before)
    assert not after["planted"]


def test_planting_program_does_plant_where_it_may(tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    shown = attempt_outside(tmp_path, "plant_modules", {"folders": [str(folder)]})
    assert f"planted in {folder}\n" in shown
    place = tmp_path / "outside"
    done = subprocess.run(
        [sys.executable, "-c", "import builtins; print(hasattr(builtins, 'planted'))"],
        env={"PYTHONPATH": str(place)},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"True\n"


def test_poisoned_interpreter_is_gone_with_its_run(tiered: Sandbox) -> None:
    before = json.loads(attack(tiered, DESCRIBE))
    attack(tiered, POISON)
    assert json.loads(attack(tiered, DESCRIBE)) == before


def test_poison_works_in_its_own_interpreter(tmp_path: Path) -> None:
    program = tmp_path / "both.py"
    program.write_text(source(POISON) + "\nprint(json.loads('[1]'), gc.isenabled())\n")
    done = subprocess.run(
        [sys.executable, str(program), "--task", ""], capture_output=True, check=False
    )
    assert done.stdout == b"poisoned False\nleft behind\n"


def test_random_state_differs_between_runs(tiered: Sandbox) -> None:
    first, second = (attack(tiered, "draw_random").split() for _ in range(2))
    assert not set(first) & set(second)
