"""Child processes whose environment is made from nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

Done = subprocess.CompletedProcess[str]


def clean_environment(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment with these variables only."""
    return {"PATH": os.defpath, "HOME": str(home), **variables}


def run_python(
    *arguments: str | Path,
    home: Path,
    cwd: Path | None = None,
    stdin: str | bytes = "",
    **variables: str,
) -> Done:
    """Run this interpreter to its end; both streams are read as UTF-8, line ends as they are."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=clean_environment(home, **variables),
        cwd=cwd,
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        check=False,
        timeout=300,
    )
    return Done(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
