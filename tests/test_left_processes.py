"""A session fails where anything that it has started is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.serving import wait_until

ROOT = Path(__file__).resolve().parent.parent
LEAVES = """
import subprocess, sys

def test_leaves_an_orphan_of_an_orphan():
    orphan = [sys.executable, "-c", "import time; time.sleep(300)  # left here"]
    code = f"import subprocess; subprocess.Popen({orphan!r}, env={{}}, start_new_session=True)"
    subprocess.run([sys.executable, "-c", code], check=True)

def test_is_another():
    pass
"""
LEAVES_NOTHING = """
import subprocess, sys

def test_waits_for_its_child():
    subprocess.run([sys.executable, "-c", "pass"], check=True)
"""


def session(folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a session of its own, with this project's conftest."""
    (folder / "test_it.py").write_text(tests)
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "tests.conftest", "--rootdir", str(folder)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, *options, str(folder / "test_it.py")],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.matrix(keep=1)
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_session_that_leaves_a_process_fails_and_names_it(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    done = session(tmp_path, LEAVES, *workers)
    assert done.returncode == 1, done.stdout
    assert "have left processes" in done.stdout
    assert "# left here" in done.stdout
    wait_until(lambda: not left_over())


def left_over() -> list[str]:
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = each.read_bytes()
        except OSError:
            continue
        if b"# left here" in text and b"subprocess" not in text:
            found.append(each.parent.name)
    return found


def test_session_that_leaves_nothing_passes(tmp_path: Path) -> None:
    done = session(tmp_path, LEAVES_NOTHING)
    assert done.returncode == 0, done.stdout
