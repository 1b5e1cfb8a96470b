"""The headers of a model call: which are forwarded, dropped or refused.

Headers of SDKs and traces are forwarded, and unknown ones too, since no provider acts on them.
Headers of the connection or of the client's authentication are dropped. A call is refused if
one of its headers chooses another account, payer, key or route.
"""

from __future__ import annotations

import re
from functools import lru_cache

from aiohttp import web
from multidict import CIMultiDict

from server.gateway.metering import READABLE_ENCODINGS
from server.gateway.response_relay import HOP_BY_HOP, without_headers
from server.secret import Secret

_CLIENT_ONLY = HOP_BY_HOP | {"host", "authorization", "x-api-key", "cookie", "content-length"}
_CLIENT_ONLY |= {"expect", "forwarded", "accept-encoding", "via", "x-real-ip", "true-client-ip"}

_SWITCH = re.compile(
    r"x-hf-|openai-(?!beta$)|anthropic-(?!version$|beta$|dangerous-direct-browser-access$)"
    r"|(x-)?goog-|x-amz-|x-ms-|azure-|(x-)?(api|auth|access)-?(key|token)$|x-auth-"
    r"|x-http-method|x-method-override|x-original-|x-rewrite-|x-service-|x-priority"
    r"|x-(provider|model|org|organization|project|account|billing|bill|tenant|workspace)\b"
)
"""The prefixes of headers that choose an account, a payer, a key, a tier or a route.

`X-HF-Bill-To` is huggingface_hub's `bill_to`; `anthropic-workspace-id` and
`anthropic-user-profile-id` are parameters of Anthropic's SDK.
"""
KNOWN_BETAS = frozenset(
    {
        "computer-use-2024-10-22",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "extended-cache-ttl-2025-04-11",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "model-context-window-exceeded-2025-08-26",
        "output-128k-2025-02-19",
        "output-300k-2026-03-24",
        "prompt-caching-2024-07-31",
        "structured-outputs-2025-11-13",
        "thinking-token-count-2026-05-13",
        "token-counting-2024-11-01",
        "token-efficient-tools-2025-02-19",
        "cache-diagnosis-2026-04-07",
    }
)
"""Values of `anthropic-beta` that don't change how the cost of a call is computed."""
_READ = _CLIENT_ONLY | {"content-type", "content-encoding", "anthropic-beta", "anthropic-version"}
"""Headers that are checked here. A server may accept other spellings, which are not checked."""
_TEXT = re.compile(r"(?:\s*;\s*charset\s*=\s*\"?utf-?8\"?)?\s*", re.IGNORECASE)
_PLAIN = {"", "identity"}
_COMPRESSED = {"gzip", "x-gzip", "deflate"}


def forbidden(request: web.BaseRequest) -> str | None:
    """Return the name of a header that chooses an account, a payer, a key or a route, or None."""
    for name in request.headers:
        # Some servers treat an underscore as a hyphen.
        plain = name.lower().replace("_", "-")
        if "_" in name and plain in _READ:
            return name
        if _SWITCH.match(plain) and plain != "x-api-key":
            return name
    return None


def encoding_of(request: web.BaseRequest) -> str | None:
    """Return the body's encoding: "identity" or a compression; None if it is ambiguous."""
    values = [value.strip().lower() for value in request.headers.getall("Content-Encoding", ())]
    if not values or values in (["identity"], [""]):
        return "identity"
    return values[0] if len(values) == 1 and values[0] in _COMPRESSED else None


def text_problem(request: web.BaseRequest) -> str | None:
    """Return the header that makes the body's text ambiguous, or None."""
    if encoding_of(request) is None:
        encodings = ", ".join(request.headers.getall("Content-Encoding"))
        return f"Content-Encoding: {encodings[:80]}"
    types = request.headers.getall("Content-Type", ())
    parameters = [value.partition(";")[1:] for value in types]
    if len(types) > 1 or any(not _TEXT.fullmatch("".join(each)) for each in parameters):
        return f"Content-Type: {', '.join(types)[:80]}"
    return None


def price_problem(request: web.BaseRequest) -> str | None:
    """Return a header or query that could increase the cost of a call, or None."""
    for value in request.headers.getall("Content-Type", ()):
        if value.partition(";")[0].strip().lower() != "application/json":
            return f"Content-Type: {value[:80]}"
    for values in request.headers.getall("anthropic-beta", ()):
        for beta in values.split(","):
            if beta.strip() and beta.strip() not in KNOWN_BETAS:
                return f"anthropic-beta: {beta.strip()[:80]}"
    if request.query_string not in {"", "beta=true"}:
        return f"?{request.query_string[:80]}"
    return None


def upstream_headers(request: web.BaseRequest, key: Secret, size: int) -> CIMultiDict[str]:
    """Return the headers to forward, with the real key in the header that the SDK uses.

    An empty key is not sent.
    """
    forwarded = {
        name.lower() for name in request.headers if name.lower().startswith("x-forwarded-")
    }
    headers = without_headers(request.headers, _CLIENT_ONLY | forwarded)
    if "x-api-key" in request.headers:
        headers["x-api-key"] = key.reveal()
    elif key.reveal():
        headers["Authorization"] = f"Bearer {key.reveal()}"
    headers["Accept-Encoding"] = _readable(request.headers.get("Accept-Encoding", ""))
    headers["Content-Length"] = str(size)
    return headers


@lru_cache(maxsize=64)
def _readable(accepted: str) -> str:
    """Return the accepted encodings that can be decoded here."""
    offered = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    return ", ".join(name for name in READABLE_ENCODINGS if name in offered) or "identity"
