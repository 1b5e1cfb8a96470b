"""Where calls go: upstreams, how long they may take, and the connections to them."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.helpers import get_env_proxy_for_url
from yarl import URL

from llm_agent_builder.errors import MachineryError
from llm_agent_builder.providers import ProviderEnum
from server.settings import LOOPBACK_HOSTS, Secret


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a call goes: `backend` is "provider", "own" (a server of the user's) or "local"."""

    backend: str
    base_url: str
    key: Secret
    prepare: Callable[[bytes], bytes] | None = None
    """Changes the request's body; only the local model needs that."""
    model: str | None = None
    """What answers, where it isn't the model that is asked for."""

    @property
    def is_free(self) -> bool:
        """Whether nobody asks money for it."""
        return self.backend != "provider"


Policy = Callable[[ProviderEnum], Awaitable[Upstream]]
"""Decides where a run's calls to a provider go; raises BackendUnavailableError to refuse."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take, in seconds: the longest that a provider's own clients wait."""

    connect: float = 10
    first_byte: float = 600
    """Until the answer's headers: an answer that doesn't stream is written before they come."""
    idle: float = 120
    """Between two pieces of an answer; providers send something at least each 15 s."""
    total: float = 1800


def tls_context(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return a context that trusts the system's certificates and a bundle of the user's.

    OpenSSL itself reads SSL_CERT_FILE; REQUESTS_CA_BUNDLE is what other tools call it.

    Raises:
        MachineryError: the bundle can't be read.

    """
    context = ssl.create_default_context()
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        bundle = environ.get(name)
        if bundle and os.path.isfile(bundle):
            try:
                context.load_verify_locations(bundle)
            except (OSError, ssl.SSLError) as error:
                raise MachineryError(f"{name}: can't read {bundle}") from error
    return context


@dataclass(slots=True)
class _Pool:
    session: aiohttp.ClientSession
    used: int = 0
    retired: bool = False


@dataclass(slots=True)
class Pools:
    """Connections kept open, one pool for each upstream and key: no two keys share a connection.

    When a key changes, the old one's connections end with the last call that uses them.
    """

    environ: Mapping[str, str]
    connect_timeout: float
    _context: ssl.SSLContext | None = None
    _pools: dict[tuple[str, str], tuple[bytes, _Pool]] = field(default_factory=dict)

    def start(self) -> None:
        """Read the certificates.

        Raises:
            MachineryError: a bundle can't be read.

        """
        self._context = tls_context(self.environ)

    async def close(self) -> None:
        """Close every connection."""
        for _, pool in self._pools.values():
            await pool.session.close()
        self._pools.clear()

    @asynccontextmanager
    async def session(self, upstream: Upstream) -> AsyncIterator[aiohttp.ClientSession]:
        """Lend the session for calls to `upstream` with its key."""
        pool = await self._pool(upstream)
        pool.used += 1
        try:
            yield pool.session
        finally:
            pool.used -= 1
            if pool.retired and not pool.used:
                await pool.session.close()

    async def _pool(self, upstream: Upstream) -> _Pool:
        place = (upstream.backend, upstream.base_url)
        mark = hashlib.blake2b(upstream.key.reveal().encode(), digest_size=16).digest()
        known = self._pools.get(place)
        if known is not None and known[0] == mark:
            return known[1]
        pool = _Pool(self._make_session(upstream))
        self._pools[place] = (mark, pool)
        if known is not None:
            known[1].retired = True
            if not known[1].used:
                await known[1].session.close()
        return pool

    def _make_session(self, upstream: Upstream) -> aiohttp.ClientSession:
        options: dict[str, Any] = {
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=self.connect_timeout),
            "auto_decompress": False,
            "cookie_jar": aiohttp.DummyCookieJar(),
            "skip_auto_headers": ("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        }
        if upstream.backend == "local":
            # Never through a proxy.
            return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=512), **options)
        assert self._context is not None
        connector = aiohttp.TCPConnector(ssl=self._context, limit=512)
        proxy, auth = _proxy_for(URL(upstream.base_url))
        return aiohttp.ClientSession(connector=connector, proxy=proxy, proxy_auth=auth, **options)


def _proxy_for(url: URL) -> tuple[URL | None, aiohttp.BasicAuth | None]:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for an address.

    Once for a pool: with `trust_env`, aiohttp would ask a thread anew for each call. What is on
    this machine is never asked for through a proxy.
    """
    if url.host in LOOPBACK_HOSTS:
        return None, None
    try:
        return get_env_proxy_for_url(url)
    except LookupError:
        return None, None
