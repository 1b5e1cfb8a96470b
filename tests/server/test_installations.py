"""The product installed where a run has folders of its own: below /tmp, and below /var."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.isolation.tiers.detection import ACCEPTED
from tests.support.serving import bare_environment

ROOT = Path(__file__).resolve().parent.parent.parent
# The self-check is a program in the sandbox, to which the interpreter must be there.
TRY = """
from server.isolation.tiers.detection import ACCEPTED, probe_tier
for tier in ACCEPTED:
    print(tier, probe_tier(force=tier).reason)
"""


@pytest.fixture(params=["/tmp", "/var/tmp"])
def installation(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return a folder with a checkout and its own environment."""
    with tempfile.TemporaryDirectory(dir=request.param) as name:
        folder = Path(name)
        folder.chmod(0o755)
        for package in ("server", "llm_agent_builder"):
            unwanted = shutil.ignore_patterns("static", "__pycache__")
            shutil.copytree(ROOT / package, folder / "checkout" / package, ignore=unwanted)
        venv.create(folder / "venv", symlinks=True)
        [packages] = (folder / "venv/lib").glob("python*/site-packages")
        (packages / "all.pth").write_text(sysconfig.get_path("purelib"))
        yield folder


def test_every_tier_works_from_there(installation: Path) -> None:
    done = subprocess.run(
        [installation / "venv/bin/python", "-c", TRY],
        env=bare_environment(installation, PYTHONPATH=str(installation / "checkout")),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "".join(f"{tier} None\n" for tier in ACCEPTED), done.stderr
