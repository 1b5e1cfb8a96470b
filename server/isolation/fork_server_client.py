"""The server's side of the fork server: start it, send it requests, replace it when silent.

All functions here may block for a moment; no event loop calls them directly, except `ask`.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from server.isolation.helper_process import PACKAGE_ROOT, Helper

_BOOT = (
    f"import sys; fresh = list(sys.modules); sys.path[0] = {PACKAGE_ROOT!r}\n"
    "from server.isolation.child.preload import Preloaded\n"
    "preloaded = Preloaded(fresh)\n"
    "with preloaded.recording():\n"
    "    from server.isolation.child.fork_server import main, serve\n"
    "    main(preloaded)\n"
    "del sys.path[0]\n"
    "serve(preloaded)\n"
)
_log = logging.getLogger(__name__)


class ForkServerClient:
    """The fork server of one engine, which calls this from one thread at a time."""

    def __init__(self, preload: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """`preload` names SDK modules; they see `environment` while they load."""
        self._job = {"preload": list(preload), "environment": dict(environment)}
        self._helper: Helper | None = None

    @property
    def alive(self) -> bool:
        """Whether a fork server is running."""
        return self._helper is not None and self._helper.alive

    def start(self) -> None:
        """Start a fork server in place of one that has ended; it accepts requests while loading.

        Blocks for a moment.

        Raises:
            MachineryError: it could not be started.

        """
        self.end()
        self._helper = Helper.spawn(_BOOT)
        self._helper.send(self._job)

    def ask(self, what: str, descriptors: Mapping[str, int]) -> bool:
        """Send a request; return whether the fork server took it. If not, kill it. Never waits."""
        if not self.alive or self._helper is None:
            return False
        if self._helper.send({what: list(descriptors)}, descriptors.values()):
            return True
        self._helper.kill()
        return False

    def kill_if_silent(self) -> None:
        """Kill a fork server that does not answer, so that it is replaced. Blocks for seconds.

        Without this, no process would reap its children. Runs that had not started continue in its
        successor; the others fail.
        """
        helper = self._helper
        if helper is not None and not helper.answers():
            _log.error("the fork server does not answer: it is killed and replaced")
            helper.kill()
            helper.reap(1.0)
        reap_orphans()

    def end(self) -> None:
        """Kill the fork server. Blocks for a moment."""
        if self._helper is not None:
            helper, self._helper = self._helper, None
            helper.end()


def reap_orphans() -> None:
    """Reap processes of cells that became this process's children when a fork server was killed.

    That happens where this process is the first of a container: then no other process reaps them,
    and a cell with unreaped processes does not end. They are recognised by their number in a nested
    pid namespace, which no child that this process started itself has.
    """
    for task in Path("/proc/self/task").iterdir():
        children: list[str] = []
        with contextlib.suppress(OSError):  # a thread that has ended
            children = (task / "children").read_text().split()
        for child in children:
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{child}/status").read_text()
                numbers = next(line for line in status.splitlines() if line.startswith("NSpid:"))
                if "\nState:\tZ" in status and len(numbers.split()) > 2:
                    os.waitpid(int(child), os.WNOHANG)
