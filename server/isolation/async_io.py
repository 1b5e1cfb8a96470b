"""Waiting for processes and channels in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from server.isolation.child.channel import close_all, receive

END_S = 2.5
"""How long killed processes of a run may take to end."""


async def kill_and_wait(pidfd: int, seconds: float = END_S) -> bool:
    """Kill the process of a pidfd; return whether it ended within `seconds`.

    The first process of a pid namespace ends only when all others in it have ended and were reaped.
    """
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    return await wait_readable(pidfd, seconds)


async def wait_readable(descriptor: int, seconds: float) -> bool:
    """Wait until a descriptor has data or its other end is closed.

    Returns whether that happened within `seconds`.
    """
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, wake)
    try:
        return bool((await asyncio.wait({ready}, timeout=seconds))[0])
    finally:
        loop.remove_reader(descriptor)


@dataclass(slots=True)
class ChannelReader:
    """Calls `on_message` for each message of a channel, and `on_end` once when the channel ends.

    Descriptors that come with a message are closed, unless `on_descriptors` takes them.
    """

    end: socket.socket
    on_message: Callable[[dict[str, Any]], None]
    on_end: Callable[[], None]
    on_descriptors: Callable[[list[int]], None] = close_all
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _open: bool = True

    def __post_init__(self) -> None:
        """Start reading."""
        self.end.setblocking(False)
        self.loop.add_reader(self.end, self.read)

    def close(self) -> None:
        """Stop reading, and close the channel."""
        if self._open:
            self._open = False
            self.loop.remove_reader(self.end)
            self.end.close()

    def read(self) -> None:
        """Handle the messages that have arrived."""
        while self._open:
            try:
                message, descriptors = receive(self.end)
            except BlockingIOError:
                return
            except (OSError, ValueError):
                message, descriptors = None, []
            if descriptors:
                self.on_descriptors(descriptors)
            if message is None:
                self.loop.remove_reader(self.end)
                self.on_end()
                return
            self.on_message(message)
