from email.message import Message
from http.client import HTTPMessage
from time import monotonic
from typing import IO
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

FETCH_HOSTS = ("example.com", "www.example.com")
FETCH_MAX_BYTES = 200_000
FETCH_TIMEOUT_S = 20.0


def _allowed_address(url: str) -> str:
    parts = urlsplit(url)
    # Compared as a whole: with a port or a user name it is another place.
    if parts.scheme != "https" or parts.netloc.lower() not in FETCH_HOSTS:
        hosts = ", ".join(FETCH_HOSTS)
        raise PermissionError(f"only https addresses of {hosts} may be fetched")
    return parts.geturl()


def _fetched_text(content: bytes, headers: Message) -> str:
    kind = headers.get_content_type()
    if not kind.startswith("text/") and not kind.endswith(("json", "xml")):
        raise ValueError(f"not a text but {kind}")
    cut = len(content) > FETCH_MAX_BYTES
    note = f"\n[cut after {FETCH_MAX_BYTES:,} bytes]" if cut else ""
    content = content[:FETCH_MAX_BYTES]
    try:
        text = content.decode(headers.get_content_charset("utf-8"), "replace")
    except LookupError:
        text = content.decode("utf-8", "replace")
    return text + note


def fetch_url(url: str) -> str:
    """Fetch the text at an https address.

    Args:
        url: The whole address, such as "https://example.com/".
    """

    class AllowedRedirects(HTTPRedirectHandler):
        def redirect_request(
            self,
            req: Request,
            fp: IO[bytes],
            code: int,
            msg: str,
            headers: HTTPMessage,
            newurl: str,
        ) -> Request | None:
            newurl = _allowed_address(newurl)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = build_opener(AllowedRedirects())
    end = monotonic() + FETCH_TIMEOUT_S
    content = b""
    with opener.open(_allowed_address(url), timeout=FETCH_TIMEOUT_S) as response:
        while piece := response.read1(65_536):
            content += piece
            if len(content) > FETCH_MAX_BYTES:
                break
            if monotonic() > end:
                raise TimeoutError(f"not there after {FETCH_TIMEOUT_S:g} s")
        return _fetched_text(content, response.headers)
