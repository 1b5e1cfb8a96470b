"""The cell maker's process, as the server has it; and how a cell is taken from its init."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile

from llm_agent_builder.errors import MachineryError
from server.isolation.child.cell_root import paths_to_show
from server.isolation.child.channel import channel, receive
from server.isolation.engine import readable
from server.isolation.helper_process import PACKAGE_ROOT, Helper

_BOOT_MAKER = (
    f"import sys; sys.path.insert(0, {PACKAGE_ROOT!r}); "
    "from server.isolation.child.cell_maker import main; main()"
)
READY_S = 10.0
"""For how long a cell may take to be ready, or to get another size; it takes 5 ms."""


class Maker:
    """The cell maker's process, and its user namespace."""

    def __init__(self, helper: Helper, user: int) -> None:
        """`user` is its user namespace, which `end` closes."""
        self.helper = helper
        self.user = user

    @classmethod
    def start(cls) -> Maker:
        """Start it and wait until it has its root. Blocks for at most `READY_S`.

        Raises:
            MachineryError: it failed; says why.

        """
        helper = Helper.spawn(_BOOT_MAKER, options=("-I", "-S"))
        try:
            # The folder is only where the maker mounts its root; it has left it when it answers.
            with tempfile.TemporaryDirectory(prefix="agent-cells-") as base:
                helper.tell({"base": base, "paths": paths_to_show()})
                message, descriptors = helper.hear(READY_S)
            if message is None or "failed" in message:
                reason = message["failed"] if message else "it ended"
                raise MachineryError(f"the cell maker failed: {reason}")
        except (OSError, ValueError) as error:
            helper.end()
            raise MachineryError(f"the cell maker does not answer: {error}") from None
        except BaseException:
            helper.end()
            raise
        return cls(helper, descriptors[0])

    def order_cell(self) -> socket.socket:
        """Return our end of the channel of a cell that will be ready soon. Never waits.

        Raises:
            MachineryError: the maker can't be reached; it is killed then.

        """
        try:
            ours, theirs = channel()
        except OSError as error:
            raise MachineryError(f"a cell can't be asked for: {error.strerror}") from None
        with theirs:
            if not self.helper.tell({"make": True}, [theirs.fileno()]):
                ours.close()
                self.helper.kill()
                raise MachineryError("the cell maker can't be reached")
        return ours

    def end(self) -> None:
        """Kill it. Blocks for a moment."""
        self.helper.end()
        os.close(self.user)


def let_go_of(control: socket.socket) -> None:
    """End a cell that nobody has taken: also one whose init has been stopped, if it is ready."""
    control.setblocking(False)
    with contextlib.suppress(OSError, ValueError), control:
        message, descriptors = receive(control)
        for name, descriptor in zip((message or {}).get("ready", ()), descriptors, strict=False):
            if name == "pidfd":
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            os.close(descriptor)


async def handed_over(control: socket.socket) -> dict[str, int]:
    """Wait for a cell's init to be ready; return what it hands over. The caller sets a deadline.

    Raises:
        ConnectionError: it has ended.
        MachineryError: it failed; says why.

    """
    control.setblocking(False)
    while True:
        try:
            message, descriptors = receive(control)
            break
        except BlockingIOError:
            await readable(control.fileno(), READY_S)
        except OSError as error:
            raise MachineryError(f"a cell can't be taken: {error.strerror}") from None
    if message is None:
        raise ConnectionError
    if "failed" in message:
        raise MachineryError(f"a cell could not be made: {message['failed']}")
    return dict(zip(message["ready"], descriptors, strict=True))
