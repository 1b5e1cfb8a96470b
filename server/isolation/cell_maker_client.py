"""The server's side of the cell maker: start it, order cells, receive them from their inits."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile

from llm_agent_builder.errors import MachineryError
from server.isolation.async_io import wait_readable
from server.isolation.child.cell_root import paths_to_show
from server.isolation.child.channel import channel, receive
from server.isolation.helper_process import PACKAGE_ROOT, Helper

_BOOT = (
    f"import sys; sys.path.insert(0, {PACKAGE_ROOT!r}); "
    "from server.isolation.child.cell_maker import main; main()"
)
READY_S = 10.0
"""How long a cell may take to be ready, or to be resized; it usually takes 5 ms."""


class CellMakerClient:
    """The cell maker's process, and its user namespace."""

    def __init__(self, helper: Helper, user_namespace: int) -> None:
        """`end` closes `user_namespace`, a descriptor."""
        self.helper = helper
        self.user_namespace = user_namespace

    @classmethod
    def start(cls) -> CellMakerClient:
        """Start the process and wait until it has its root. Blocks for at most `READY_S`.

        Raises:
            MachineryError: it failed; says why.

        """
        helper = Helper.spawn(_BOOT, options=("-I", "-S"))
        try:
            # The cell maker mounts its root on this folder, and has left it when it answers.
            with tempfile.TemporaryDirectory(prefix="agent-cells-") as base:
                helper.send({"base": base, "paths": paths_to_show()})
                message, descriptors = helper.receive(READY_S)
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
        """Return the server's end of the channel of a cell that will be ready soon. Never waits.

        Raises:
            MachineryError: the cell maker can't be reached; it is killed then.

        """
        try:
            ours, theirs = channel()
        except OSError as error:
            raise MachineryError(f"can't order a cell: {error.strerror}") from None
        with theirs:
            if not self.helper.send({"make": True}, [theirs.fileno()]):
                ours.close()
                self.helper.kill()
                raise MachineryError("the cell maker can't be reached")
        return ours

    def end(self) -> None:
        """Kill the process. Blocks for a moment."""
        self.helper.end()
        os.close(self.user_namespace)


def discard_cell(control: socket.socket) -> None:
    """End an unused cell: even one whose init has been stopped, if the cell is ready."""
    control.setblocking(False)
    with contextlib.suppress(OSError, ValueError), control:
        message, descriptors = receive(control)
        for name, descriptor in zip((message or {}).get("ready", ()), descriptors, strict=False):
            if name == "pidfd":
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            os.close(descriptor)


async def receive_cell(control: socket.socket) -> dict[str, int]:
    """Wait until a cell is ready; return its descriptors by name. The caller sets a deadline.

    Raises:
        ConnectionError: the cell has ended.
        MachineryError: it failed; says why.

    """
    control.setblocking(False)
    while True:
        try:
            message, descriptors = receive(control)
            break
        except BlockingIOError:
            await wait_readable(control.fileno(), READY_S)
        except OSError as error:
            raise MachineryError(f"can't receive a cell: {error.strerror}") from None
    if message is None:
        raise ConnectionError
    if "failed" in message:
        raise MachineryError(f"a cell could not be made: {message['failed']}")
    return dict(zip(message["ready"], descriptors, strict=True))
