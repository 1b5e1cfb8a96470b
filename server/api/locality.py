"""Decides by its connection, not its headers, whether a request comes from this machine.

A reverse proxy, a container's port forwarding or `ssh -L` makes remote requests look local. Proxies
that add a header are detected here; others can't be distinguished from a local program.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import Scope

_FORWARDED = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip"}
    | {"client-ip", "fastly-client-ip", "fly-client-ip", "x-remote-ip", "x-remote-addr", "x-host"}
)
_FORWARDED_PREFIXES = (
    *("x-forwarded", "x-original-", "x-proxy", "x-envoy-", "x-appengine-", "x-azure-", "x-arr-"),
    *("x-amzn-", "x-amz-cf-", "cf-", "tailscale-"),
)
"""Headers that reverse proxies, load balancers and tunnels add (RFC 7239, and their manuals)."""


def why_not_local(scope: Scope, headers: Headers) -> str | None:
    """Return why a request may come from another machine, or None if its connection is local.

    uvicorn replaces the client address by the one in `X-Forwarded-For`. That does not matter here:
    a request with such a header never counts as local.
    """
    if (name := _forwarded_header(headers)) is not None:
        return f"this request came through a proxy (it has the header {name})"
    if scope.get("http_version") == "1.0":  # nginx sends it to upstream servers by default
        return "this request is HTTP/1.0, which proxies send"
    peer, here = scope.get("client"), scope.get("server")
    if not peer or not is_loopback(peer[0]):
        return "this request does not come from this machine's loopback address"
    if not here or here[1] is None or not _listens_on_loopback_alone(here[1]):
        return "the server listens on other addresses than loopback, too"
    return None


def _forwarded_header(headers: Headers) -> str | None:
    names = (name.lower().replace("_", "-") for name in headers)
    found = (name for name in names if name in _FORWARDED or name.startswith(_FORWARDED_PREFIXES))
    return next(found, None)


def is_loopback(address: str) -> bool:
    """Return whether a text is a loopback IP address, with or without a zone; False for names."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(parsed, "ipv4_mapped", None)  # how a dual-stack socket shows IPv4
    return (inner or parsed).is_loopback


@lru_cache(maxsize=64)
def _listens_on_loopback_alone(port: int) -> bool:
    """Return whether this process listens on `port`, and on loopback addresses only.

    A connection shows its own address, not the one that its listener is bound to: with a listener
    on 0.0.0.0, requests that a container runtime forwards look like requests to 127.0.0.1.
    """
    bound = list(_bound_addresses(port))
    return bool(bound) and all(map(is_loopback, bound))


def _bound_addresses(port: int) -> Iterator[str]:
    """Yield the addresses of this process's TCP listeners with that port."""
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):  # closed meanwhile, or not a socket
            each = socket.socket(fileno=int(name))
            try:
                address = each.getsockname()
                listening = each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            finally:
                each.detach()
            if listening and isinstance(address, tuple) and address[1] == port:
                yield address[0]
