"""The sandbox for ordinary users."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.serving import bare_environment

ROOT = Path(__file__).resolve().parents[3]


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
