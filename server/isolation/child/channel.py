"""Messages between the server and the helper processes of a run. Standard library only.

A message is one line of JSON, with open descriptors, over a Unix socket that preserves message
boundaries (unix(7), SOCK_SEQPACKET): messages arrive whole, and the end is seen at once.
"""

from __future__ import annotations

import array
import errno
import json
import os
import socket
from collections.abc import Iterable
from typing import Any

_MAX_BYTES = 65536
_MAX_DESCRIPTORS = 32


def channel() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a channel. Raises OSError."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(end: socket.socket, message: dict[str, Any], descriptors: Iterable[int] = ()) -> None:
    """Send one message; the descriptors stay open here. Raises OSError."""
    passed = array.array("i", descriptors)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)] if passed else []
    end.sendmsg([json.dumps(message).encode()], rights)


def receive(end: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Return the next message and its descriptors, which the caller must close; None at the end.

    Raises:
        OSError: the socket failed; BlockingIOError if it doesn't block and has no message.
        ValueError: it is not a message.

    """
    size = socket.CMSG_SPACE(_MAX_DESCRIPTORS * array.array("i").itemsize)
    try:
        data, rights, flags, _ = end.recvmsg(_MAX_BYTES, size, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # the peer ended without reading all our messages
        return None, []
    descriptors = array.array("i")
    for level, kind, content in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = len(content) - len(content) % descriptors.itemsize
            descriptors.frombytes(content[:whole])
    if not data:
        return None, list(descriptors)
    try:
        if flags & socket.MSG_CTRUNC:  # this process may open no more descriptors: see unix(7)
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
