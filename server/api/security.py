"""Access control by Host, Origin, content type and token, and security headers for all answers.

The server runs code, so a page of another site must not reach it through the user's browser, not
even if that site's name resolves to a loopback address (DNS rebinding): hence both Host and Origin
are checked. Without a token, only requests over loopback (see `locality.py`) to a loopback name are
served.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Iterator
from itertools import islice
from urllib.parse import quote, unquote_to_bytes, urlsplit

from starlette._utils import get_route_path  # the path by which routes and mounts match
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.locality import why_not_local
from server.settings import EVERYWHERE, LOOPBACK_HOSTS, Settings

COOKIE = "agent_builder_token"
MAX_BODY = 8 * 1024 * 1024
"""Limit on the bytes of a request: enough for 1 MiB of code with every character escaped, and for
1 MiB of code with 4 MiB of files as base64. Content-Length is checked here; `bodies.py` counts the
bytes received."""
_MAX_COOKIES = 1000
"""Limit on the cookies of our name that are compared for one request."""
_REPLAYING = frozenset({"/api/execute", "/api/runs"})
"""Paths of the routes that accept a recording."""
_HEALTH = "/healthz"
_OPEN_PATHS = {_HEALTH, "/api/session"}
_DETAILS = "agent_builder.details"
"""The scope key of a /healthz request for whether its sender may see details."""
_HOST = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<v6>[0-9A-Fa-f:.]+)\])(?::\d{1,5})?")
_SAFE = {"GET", "HEAD", "OPTIONS"}
_UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def host_of(value: str) -> str | None:
    """Return the host of a Host header, lower case and without port; None if it is malformed."""
    match = _HOST.fullmatch(value)
    return (match["name"] or match["v6"]).lower() if match else None


class MethodMiddleware:
    """Replaces unknown methods by one name, so that they are one series in the metrics.

    SecurityMiddleware refuses them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["method"] not in _SAFE | _UNSAFE:
            scope = {**scope, "method": "UNKNOWN"}
        await self._app(scope, receive, send)


class SecurityMiddleware:
    """Checks each request before any route sees it; refusals say why.

    Access is decided by the path by which routes match, without the prefix of a proxy or an outer
    app. Every path that is not explicitly open needs the token, even if no route matches it.
    """

    def __init__(self, app: ASGIApp, settings: Settings, page: Collection[str] = ()) -> None:
        """`page` has the paths of the page's own files, which need no token."""
        self._app = app
        self._page = frozenset(page)
        self._token = settings.token
        self._hosts = LOOPBACK_HOSTS | set(settings.allowed_hosts)
        if settings.host not in EVERYWHERE:
            self._hosts |= {settings.host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request or pass it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        app = refusal if refusal is not None else self._app

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not self._is_page(scope):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = host_of(headers.get("host", ""))
        if host is None or host not in self._hosts:
            return _refuse(403, "host_not_allowed", self._unknown_host())
        if not self._same_origin(scope, headers):
            return _refuse(403, "origin_not_allowed", "requests from other sites are refused")
        return self._check_access(scope, headers, host) or _malformed(scope, headers)

    def _check_access(self, scope: Scope, headers: Headers, host: str) -> Response | None:
        """Refuse a request without access, except for the page, the health check or the sign-in."""
        refusal = self._access_refusal(scope, headers, host)
        path = get_route_path(scope)
        if path == _HEALTH:
            scope[_DETAILS] = refusal is None
        return None if path in _OPEN_PATHS or self._is_page(scope) else refusal

    def _is_page(self, scope: Scope) -> bool:
        """Return whether a request is for one of the page's files, by its exact path."""
        return scope["method"] in {"GET", "HEAD"} and get_route_path(scope) in self._page

    def _access_refusal(self, scope: Scope, headers: Headers, host: str) -> Response | None:
        if self._token is not None:
            return self._check_token(headers, self._token)
        return _refuse_without_token(scope, headers, host)

    def _unknown_host(self) -> str:
        detail = "unknown host name in the request; add it to AGENT_BUILDER_ALLOWED_HOSTS"
        return detail if self._token else f"{detail}, and set AGENT_BUILDER_TOKEN"

    def _same_origin(self, scope: Scope, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None:
            # Links on other sites may only lead to the page or the health check.
            if headers.get("sec-fetch-site") not in {"cross-site", "same-site"}:
                return True
            return self._is_page(scope) or get_route_path(scope) == _HEALTH
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in {"http", "https"} and parts.netloc == headers.get("host")

    def _check_token(self, headers: Headers, token: str) -> Response | None:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        presented = [_raw(bearer.strip())] if scheme.lower() == "bearer" else _cookies(headers)
        if any(token_matches(each, token) for each in presented):
            return None
        # Browsers also send the cookies of other servers; a header is meant for this server.
        is_wrong = scheme.lower() == "bearer" and bearer.strip()
        problem = "wrong access token" if is_wrong else "access token required"
        return _refuse(
            401, "token_required", f"{problem}; use the one printed in the server's console"
        )


def may_see_details(scope: Scope) -> bool:
    """Return whether the sender of a /healthz request has the token, or is local and needs none."""
    return scope.get(_DETAILS) is True


def _refuse_without_token(scope: Scope, headers: Headers, host: str) -> Response | None:
    """Refuse a request that may come from another machine, on a server without a token."""
    reason = why_not_local(scope, headers)
    if reason is None and host not in LOOPBACK_HOSTS:
        reason = "the name in the Host header is not a loopback name"
    if reason is None:
        return None
    return _refuse(
        403, "token_missing", f"remote access needs a token ({reason}): set AGENT_BUILDER_TOKEN"
    )


def _malformed(scope: Scope, headers: Headers) -> Response | None:
    """Refuse a request that no route of this server accepts."""
    if scope["method"] not in _SAFE | _UNSAFE:
        return _refuse(405, "method_not_allowed", "unsupported HTTP method")
    if length_over(headers):
        return _refuse(413, "too_large", too_large(MAX_BODY, scope["path"]))
    if scope["method"] in _UNSAFE - {"DELETE"} and not _is_json(headers):
        return _refuse(415, "json_only", "send JSON, with content type application/json")
    if {each.lower() for each in headers.getlist("content-encoding")} - {"identity"}:
        return _refuse(415, "not_compressed", "send the body without Content-Encoding")
    return None


def too_large(max_bytes: int, path: str) -> str:
    """Return the message for a request to `path` with more than `max_bytes`."""
    limit = f"requests are limited to {max_bytes:,} bytes"
    if path not in _REPLAYING:
        return limit
    return f"{limit}; replay larger recordings with: llm-agent-builder run --replay FILE"


def token_matches(presented: bytes, token: str) -> bool:
    """Compare in constant time. A blank token never matches, because anybody could send it."""
    return bool(token.strip()) and hmac.compare_digest(presented, token.encode())


def session_cookie(token: str) -> str:
    """Return the token as a cookie value, in characters that need no quotes."""
    return quote(token, safe="")


def length_over(headers: Headers) -> bool:
    """Return whether the Content-Length of a request is too large or malformed."""
    length = headers.get("content-length", "0")
    return not length.isdecimal() or len(length) > 20 or int(length) > MAX_BODY


def _is_json(headers: Headers) -> bool:
    return headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"


def _cookies(headers: Headers) -> Iterator[bytes]:
    """Yield the values of all cookies of our name, each of which may be the token.

    Cookies don't depend on the port, so browsers also send those of other programs on this machine,
    which may be malformed. Each is parsed by itself, so that a malformed one can't hide another.
    """
    pairs = (pair for line in headers.getlist("cookie") for pair in line.split(";"))
    named = (value for name, _, value in (pair.partition("=") for pair in pairs) if _is_ours(name))
    for value in islice(named, _MAX_COOKIES):
        plain = value.strip().removeprefix('"').removesuffix('"')
        yield _raw(plain)  # clients that set the cookie themselves may not quote
        yield unquote_to_bytes(_raw(plain))


def _is_ours(name: str) -> bool:
    return name.strip() == COOKIE


def _raw(value: str) -> bytes:
    """Return the bytes of a header's value: Starlette decodes each byte as a Latin-1 character."""
    return value.encode("latin-1", "replace")


def _refuse(status: int, code: str, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail, "code": code}, status)
