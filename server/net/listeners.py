"""Listening sockets, and the number of connections that a process may have."""

from __future__ import annotations

import resource
import socket

from server.limits import MAX_DESCRIPTORS


def listen_without_delay(host: str, port: int) -> socket.socket:
    """Return a TCP listener whose connections have TCP_NODELAY.

    asyncio sets it only on sockets that were created with an explicit protocol, which these are
    not. Without it, a response written in two pieces waits 40 ms for the client's delayed
    acknowledgement. Accepted sockets inherit the option from their listener.

    Raises:
        OSError: the address can't be used.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=512)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def allow_many_connections() -> int:
    """Raise the soft limit of open descriptors to the hard one, 65,536 at most.

    Each connection needs one, and shells and service managers often start with 1,024. Returns half
    of the limit: as many connections fit, and the rest is for runs and the database.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return (most if soft == resource.RLIM_INFINITY else soft) // 2
