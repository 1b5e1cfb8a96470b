"""The upstreams of model calls, and the connections to them."""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.helpers import get_env_proxy_for_url
from yarl import URL

from llm_agent_builder.errors import MachineryError
from llm_agent_builder.providers import ProviderEnum
from server.net.paced_parsing import ANSWER_BUFFER, Pace, PacedConnector
from server.secret import Secret
from server.settings import LOOPBACK_HOSTS


@dataclass(frozen=True, slots=True)
class Translation:
    """A call in another protocol: its path and body, and how to translate the response back."""

    path: str
    body: bytes
    back: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Upstream:
    """The destination of a call. `backend` is "provider", "own" (the user's server) or "local"."""

    backend: str
    base_url: str
    key: Secret
    prepare: Callable[[bytes], bytes] | None = None
    """Changes the request's body; only for the local model."""
    translate: Callable[[str, bytes], Translation | None] | None = None
    """Translates a call, given its path and body; only for the local model."""
    max_bytes: int | None = None
    """Limit on a request, because changing a longer one would block the event loop."""
    model: str | None = None
    """The model that answers, if it isn't the requested one."""

    @property
    def is_free(self) -> bool:
        """Whether calls cost nothing."""
        return self.backend != "provider"


Policy = Callable[[ProviderEnum], Awaitable[Upstream]]
"""Returns the upstream of a run's calls to a provider; raises BackendUnavailableError to refuse."""


def tls_context(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return a context that trusts the system's certificates and the user's bundle.

    The bundle is named by SSL_CERT_FILE, as for OpenSSL, or by REQUESTS_CA_BUNDLE, as elsewhere.

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
class Pool:
    """The connections to one upstream with one key."""

    session: aiohttp.ClientSession
    key: Secret
    used: int = 0
    _retired: bool = False

    async def release(self) -> None:
        """End one use; `Pools.take` began it."""
        self.used -= 1
        if self._retired and not self.used:
            await self.session.close()

    async def retire(self) -> None:
        """Close the connections after the last call that uses them."""
        self._retired = True
        if not self.used:
            await self.session.close()


@dataclass(slots=True)
class Pools:
    """Open connections, in one pool for each upstream and key: no two keys share a connection.

    When a key changes, the old connections are closed after the last call that uses them.
    """

    environ: Mapping[str, str]
    connect_timeout: float
    pace: Pace = field(default_factory=Pace)
    _context: ssl.SSLContext | None = None
    _pools: dict[tuple[str, str], Pool] = field(default_factory=dict)

    def start(self) -> None:
        """Read the certificates.

        Raises:
            MachineryError: a bundle can't be read.

        """
        self._context = tls_context(self.environ)

    async def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.session.close()
        self._pools.clear()

    async def take(self, upstream: Upstream) -> Pool:
        """Return the pool for calls to `upstream` with its key; call its `release` after use."""
        name = (upstream.backend, upstream.base_url)
        known = self._pools.get(name)
        if known is not None and known.key == upstream.key:
            known.used += 1
            return known
        pool = self._pools[name] = Pool(self._make_session(upstream), upstream.key, used=1)
        if known is not None:
            await known.retire()
        return pool

    def _make_session(self, upstream: Upstream) -> aiohttp.ClientSession:
        options: dict[str, Any] = {
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=self.connect_timeout),
            "auto_decompress": False,
            "read_bufsize": ANSWER_BUFFER,
            "cookie_jar": aiohttp.DummyCookieJar(),
            "skip_auto_headers": ("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        }
        if upstream.backend == "local":
            # Never through a proxy.
            connector = PacedConnector(self.pace, limit=512)
            return aiohttp.ClientSession(connector=connector, **options)
        assert self._context is not None
        connector = PacedConnector(self.pace, ssl=self._context, limit=512)
        proxy, auth = _proxy_for(URL(upstream.base_url))
        return aiohttp.ClientSession(connector=connector, proxy=proxy, proxy_auth=auth, **options)


def _proxy_for(url: URL) -> tuple[URL | None, aiohttp.BasicAuth | None]:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for an address.

    This is looked up once per pool; with `trust_env`, aiohttp would use a thread per call. Servers
    on this machine are never reached through a proxy.
    """
    if url.host in LOOPBACK_HOSTS:
        return None, None
    try:
        return get_env_proxy_for_url(url)
    except LookupError:
        return None, None
