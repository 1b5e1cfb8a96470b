"""The fork server's process, as the server has it: started, asked to fork, replaced when silent.

The rest of the file is what asks it: nothing here waits in an event loop.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from server.isolation.helper_process import PACKAGE_ROOT, Helper

BOOT_FORK_SERVER = (
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


class WarmParent:
    """The fork server of one engine. Its engine sees to it that one thread at a time calls this."""

    def __init__(self, preload: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """`preload` names SDK modules; `environment` is what they see as they load."""
        self._job = {"preload": list(preload), "environment": dict(environment)}
        self._helper: Helper | None = None

    @property
    def alive(self) -> bool:
        """Whether there is one that can be asked."""
        return self._helper is not None and self._helper.alive

    def start(self) -> None:
        """Start one, in the place of one that has ended; it loads while it takes orders.

        Blocks for a moment.

        Raises:
            MachineryError: it could not be started.

        """
        self.end()
        self._helper = Helper.spawn(BOOT_FORK_SERVER)
        self._helper.tell(self._job)

    def ask(self, what: str, passed: Mapping[str, int]) -> bool:
        """Ask for something; return whether it was taken. One that doesn't take it is killed."""
        if not self.alive or self._helper is None:
            return False
        if self._helper.tell({what: list(passed)}, passed.values()):
            return True
        self._helper.kill()
        return False

    def kill_if_silent(self) -> None:
        """Kill one that does not answer, so that it is replaced: nobody reaps its children.

        Blocks for seconds. Its runs go on in its successor where they had not begun, and fail
        otherwise.
        """
        helper = self._helper
        if helper is not None and not helper.answers():
            _log.error("the fork server does not answer: it is killed, and replaced")
            helper.kill()
            helper.reap(1.0)
        reap_orphans()

    def end(self) -> None:
        """Kill it. Blocks for a moment."""
        if self._helper is not None:
            helper, self._helper = self._helper, None
            helper.end()


def reap_orphans() -> None:
    """Reap processes of cells that a killed fork server has left to this process.

    That is so where this process is the first of a container: then nobody else does, and a cell
    whose processes are not reaped does not end. They are known by having a number in a further pid
    namespace, which no process that this one started itself has.
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
