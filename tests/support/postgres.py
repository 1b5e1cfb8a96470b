"""A real PostgreSQL for tests: a temporary cluster that only listens on a Unix socket.

`initdb` refuses to run as root: as root, the cluster belongs to `nobody`. Debian's package
`postgresql` brings the programs; `make test` installs it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from tests.support.serving import wait_until

_INSTALLED = Path("/usr/lib/postgresql")
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "max_connections": "60",
    "logging_collector": "off",
    "shared_buffers": "16MB",
}


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs, or None if there is none."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


def require_programs() -> Path:
    """Return the folder of PostgreSQL's programs; skip the test without, but never in CI."""
    if (found := programs()) is not None:
        return found
    reason = "no PostgreSQL here: apt-get install postgresql"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class Postgres:
    """One cluster, running from `start` to `stop`."""

    def __init__(self) -> None:
        self._programs = require_programs()
        self._user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        self._folder = Path(tempfile.mkdtemp(prefix="agent-builder-pg-"))
        if os.getuid() == 0:
            account = pwd.getpwnam(self._user)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        options = ("--username=test", "--auth=trust", "--no-sync", "--encoding=UTF8")
        self._run("initdb", "-D", str(self._data), "--locale=C", *options).check_returncode()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _command(self, program: str, *arguments: str) -> list[str]:
        command = [str(self._programs / program), *arguments]
        if os.getuid() != 0:
            return command
        # It ends with the tests, however they end.
        as_user = ["--reuid", self._user, "--clear-groups", "--pdeathsig", "INT"]
        return ["setpriv", *as_user, "--", *command]

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = self._command(program, *arguments)
        return subprocess.run(command, check=False, capture_output=True, cwd="/")

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        settings = [f"--{name.replace('_', '-')}={value}" for name, value in _SETTINGS.items()]
        place = ["-D", str(self._data), "-k", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", *place, *settings), stdout=log, stderr=log, cwd="/"
            )
        wait_until(self._answers, 60)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            psycopg.connect(self.conninfo("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def conninfo(self, database: str) -> str:
        """Return psycopg's connection string for a database."""
        return f"host={self._folder} user=test dbname={database}"

    def database(self, options: str = "", alter: str = "") -> str:
        """Make an empty database, and return its SQLAlchemy URL; the arguments are SQL."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} {options}".encode())
            if alter:
                connection.execute(f"ALTER DATABASE {name} {alter}".encode())
        return f"postgresql://test@/{name}?host={self._folder}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to each of its processes: SIGSTOP suspends it, SIGCONT resumes it."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        for process in (self._process.pid, *map(int, children.split())):
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(process, number)

    def stop(self) -> None:
        """End it at once; clients lose their connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        """Stop it and delete its files."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
