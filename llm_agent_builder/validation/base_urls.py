"""Checks and normalizes the base URLs of OpenAI-compatible servers."""

from __future__ import annotations

from urllib.parse import urlsplit

URL_MAX_CHARS = 500


def check_base_url(text: str) -> str:
    """Return a base URL that ends with /v1, as the SDK would complete it.

    Raises:
        ValueError: the URL isn't http or https, or has a password or a query.

    """
    url = text.strip().rstrip("/")
    if not 0 < len(url) <= URL_MAX_CHARS or not url.isprintable() or not url.isascii():
        raise ValueError(f"a base URL is one line of at most {URL_MAX_CHARS} ASCII characters")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"a base URL can't be read: {error}") from None
    # The messages don't show the URL: it may contain a password.
    if parts.scheme not in {"http", "https"} or not parts.hostname or " " in url:
        raise ValueError("a base URL starts with http:// or https:// and names a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("a base URL can't contain a password, ? or #")
    url = url.removesuffix("/chat/completions")
    return url if url.endswith("/v1") else f"{url}/v1"
