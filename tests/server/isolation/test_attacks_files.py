"""Hostile programs against files, on every tier; each also runs once where it can succeed."""

from __future__ import annotations

import asyncio
import os
import sysconfig
from pathlib import Path

import pytest

from server.isolation.events import OutputEvent, Program
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.attacking import attack, attempt_outside, events_of, is_active

CANARY = "canary-" + "0123456789"


def secret_in(folder: Path) -> Path:
    folder.chmod(0o755)
    secret = folder / f"{CANARY}.db"
    secret.write_text(CANARY)
    return secret


def test_files_outside_can_not_be_read_by_any_way(tiered: Sandbox, tmp_path: Path) -> None:
    job = {"canary": CANARY, "files": [str(secret_in(tmp_path))]}
    seen = attack(tiered, "read_files", job)
    # Landlock alone doesn't hide the size of a file.
    expected = "" if is_active(tiered.report, "private root") else "knows size\n"
    assert seen == expected


def test_reading_program_does_read_where_nothing_is_in_its_way(tmp_path: Path) -> None:
    shown = attempt_outside(
        tmp_path, "read_files", {"canary": CANARY, "files": [str(secret_in(tmp_path))]}
    )
    for way in ("path", "descriptor", "path descriptor", "symbolic link", "hard link", "rename"):
        assert f"read {way}\n" in shown
    assert "listed folder" in shown


def test_usual_secrets_of_this_machine_can_not_be_read(tiered: Sandbox, tmp_path: Path) -> None:
    assert attack(tiered, "read_places", f"{secret_in(tmp_path)}:{tmp_path}:{Path.home()}") == ""


def test_reader_of_secrets_reads_what_it_may(tmp_path: Path) -> None:
    secret = secret_in(tmp_path)
    shown = attempt_outside(tmp_path, "read_places", f"{secret}:{tmp_path}")
    assert f"read {secret}\n" in shown
    assert f"listed {tmp_path}\n" in shown
    assert "read the users of this machine" in shown


def test_nothing_outside_the_scratch_folder_can_be_written(tiered: Sandbox, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    folders = [
        str(tmp_path),
        "/",
        "/etc",
        "/usr/lib",
        "/tmp",
        "/var/tmp",
        "/dev",
        "/dev/shm",
        "/proc",
    ]
    folders += [sysconfig.get_path("purelib"), os.path.dirname(os.__file__), str(Path.home())]
    files = [os.__file__, "/etc/passwd", "/etc/hosts", os.path.realpath("/proc/self/exe")]
    assert attack(tiered, "write_files", {"folders": folders, "files": files}) == ""
    assert list(tmp_path.iterdir()) == []


def test_writing_program_does_write_where_it_may(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shown = attempt_outside(
        tmp_path, "write_files", {"folders": [str(tmp_path)], "files": [str(tmp_path / "file")]}
    )
    assert shown.count("wrote in") == 6
    assert "may change" in shown


def test_folder_that_is_moved_leads_nowhere_outside(tiered: Sandbox, tmp_path: Path) -> None:
    assert "read" not in attack(tiered, "escape_by_move", str(secret_in(tmp_path)))


def test_climbing_program_does_reach_a_file_outside(tmp_path: Path) -> None:
    assert CANARY in attempt_outside(tmp_path, "escape_by_move", str(secret_in(tmp_path)))


def test_modes_owners_and_times_of_files_outside_stay_as_they_are(
    tiered: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "victim"
    file.write_text("x")
    file.chmod(0o600)
    files = [str(file), os.__file__]
    before = [os.stat(path) for path in files]
    attack(tiered, "change_modes", {"files": files})
    for old, new in zip(before, [os.stat(path) for path in files], strict=True):
        assert (new.st_mode, new.st_uid, new.st_mtime_ns) == (
            old.st_mode,
            old.st_uid,
            old.st_mtime_ns,
        )
    assert os.listxattr(file) == []


def test_changing_program_does_change_what_it_may(tmp_path: Path) -> None:
    file = tmp_path / "victim"
    file.write_text("x")
    attempt_outside(tmp_path, "change_modes", {"files": [str(file)]})
    assert (file.stat().st_mode & 0o7777, file.stat().st_mtime) == (0o4777, 1)


def test_device_nodes_can_be_neither_made_nor_opened(tiered: Sandbox) -> None:
    assert attack(tiered, "make_devices") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make device nodes anywhere")
def test_device_making_program_does_make_them_as_root(tmp_path: Path) -> None:
    assert "made null" in attempt_outside(tmp_path, "make_devices")


def test_files_inside_can_be_copied_with_their_attributes(tiered: Sandbox) -> None:
    code = "import shutil; shutil.copy2('agent.py', 'b.py'); print(open('b.py').read()[:6])"
    assert run_in_sandbox(code, "", sandbox=tiered) == "import\n"


@pytest.mark.parametrize("kind", ["long", "deep", "closed", "odd"])
def test_folder_that_is_hard_to_remove_is_removed_and_the_run_ends(
    tiered: Sandbox, kind: str
) -> None:
    before = set(Path("/tmp").glob(f"agent-run-{os.getpid()}-*"))
    events_of(tiered, "name_files_badly", kind)
    assert set(Path("/tmp").glob(f"agent-run-{os.getpid()}-*")) <= before


def test_scratch_of_another_run_can_not_be_seen(tiered: Sandbox) -> None:
    async def both() -> str:
        hide = (
            "import os, time\n"
            f"open('{CANARY}', 'w').write('{CANARY}')\n"
            "print(os.getcwd(), flush=True)\n"
        )
        other = await tiered.start(Program(f"{hide}time.sleep(10)", ""))
        async for event in other.events():
            assert isinstance(event, OutputEvent)
            job = {"canary": CANARY, "files": [f"{event.text.strip()}/{CANARY}"]}
            seen = await asyncio.to_thread(attack, tiered, "read_files", job)
            other.request_cancel()
            return seen
        raise AssertionError("the other run did not start")

    expected = "" if is_active(tiered.report, "private root") else "knows size\n"
    assert asyncio.run(both()) == expected
