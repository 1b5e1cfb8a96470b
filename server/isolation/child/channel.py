"""Messages between the server and the small processes around a run. Standard library only.

A message is one line of JSON and, beside it, open descriptors, over a Unix socket that keeps
messages apart (unix(7), SOCK_SEQPACKET): what arrives is whole, and an end is seen at once.
"""

from __future__ import annotations

import array
import errno
import json
import os
import socket
from collections.abc import Iterable
from typing import Any

_LONGEST = 65536
_MOST_DESCRIPTORS = 32


def channel() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a channel. Raises OSError."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(end: socket.socket, message: dict[str, Any], descriptors: Iterable[int] = ()) -> None:
    """Send one message; the descriptors stay open here. Raises OSError."""
    passed = array.array("i", descriptors)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)] if passed else []
    end.sendmsg([json.dumps(message).encode()], rights)


def receive(end: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Return the next message and its descriptors, which are the caller's; None after the end.

    Raises:
        OSError: the socket failed; BlockingIOError where it doesn't wait and there is nothing.
        ValueError: it is not a message.

    """
    room = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)
    try:
        data, rights, flags, _ = end.recvmsg(_LONGEST, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # it ended with messages of ours unread
        return None, []
    descriptors = array.array("i")
    for level, kind, content in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = len(content) - len(content) % descriptors.itemsize
            descriptors.frombytes(content[:whole])
    if not data:
        return None, list(descriptors)
    try:
        if flags & socket.MSG_CTRUNC:  # this process has as many open as it may: see unix(7)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        message: dict[str, Any] = json.loads(data)
    except (OSError, ValueError):
        close_all(descriptors)
        raise
    return message, list(descriptors)


def close_all(descriptors: Iterable[int]) -> None:
    """Close descriptors that came with a message."""
    for descriptor in descriptors:
        os.close(descriptor)
