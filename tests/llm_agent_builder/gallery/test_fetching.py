"""`fetch_url` against a real https server on loopback that tries to redirect it elsewhere."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tests.llm_agent_builder.support.calling import call


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Website)
        self.server.asked.append(self.path)
        kind, _, what = self.path[1:].partition("?")
        answer = getattr(self, f"_{kind}", self._text)
        try:
            answer(what)
        except OSError:  # the reader closed the connection
            self.close_connection = True

    def _send(self, content: bytes, kind: str = "text/plain", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _text(self, what: str) -> None:
        self._send(f"here is {self.path}".encode())

    def _to(self, where: str) -> None:
        assert isinstance(self.server, Website)
        self.send_response(302)
        self.send_header("Location", where.replace("PLACE", self.server.place))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _missing(self, what: str) -> None:
        self._send(b"no such page", status=404)

    def _picture(self, what: str) -> None:
        self._send(b"\x89PNG", "image/png")

    def _latin(self, what: str) -> None:
        self._send("Grüße".encode("latin-1"), "text/html; charset=ISO-8859-1")

    def _odd(self, what: str) -> None:
        self._send(b"\xff<a/>", "application/xhtml+xml; charset=hex")

    def _large(self, what: str) -> None:
        self._send(b"x" * 5_000_000)

    def _drip(self, what: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        while True:  # until the reader has had enough
            self.wfile.write(b"x")
            time.sleep(0.02)

    def log_message(self, *_args: object) -> None:
        pass


class Website(ThreadingHTTPServer):
    """An https server on a free port of localhost that records its requests."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.asked: list[str] = []
        self.place = f"localhost:{self.server_address[1]}"
        self.authority = folder / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.authority))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_args: object) -> None:
        """Say nothing of connections that end early."""


@pytest.fixture
def website(tmp_path: Path) -> Iterator[Website]:
    server = Website(tmp_path)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(website: Website, home: Path, *urls: str, timeout: str = "20.0") -> list[str]:
    change = {
        '"example.com", "www.example.com"': f'"{website.place}",',
        "FETCH_TIMEOUT_S = 20.0": f"FETCH_TIMEOUT_S = {timeout}",
    }
    return call("fetch_url", *urls, home=home, change=change, SSL_CERT_FILE=str(website.authority))


def test_pages_of_the_hosts_allowed_are_read(website: Website, tmp_path: Path) -> None:
    start = f"https://{website.place}"
    plain, again, latin, odd, large, missing, picture = fetch(
        website, tmp_path, f"{start}/a?b=c#d", f"{start}/to?https://PLACE/there", f"{start}/latin",
        f"{start}/odd", f"{start}/large", f"{start}/missing", f"{start}/picture",
    )  # fmt: skip
    assert plain == "here is /a?b=c"
    assert again == "here is /there"
    assert latin == "Grüße"
    assert odd == "\ufffd<a/>"
    assert large == "x" * 200_000 + "\n[cut after 200,000 bytes]"
    assert missing == "HTTPError: HTTP Error 404: Not Found"
    assert picture == "ValueError: not a text but image/png"


AWAY = [
    "http://PLACE/", "https://127.0.0.1:PORT/", "https://localhost/", "https://user@PLACE/",
    "https://PLACE@127.0.0.1:PORT/", "https://127.0.0.1:PORT#@PLACE/", "//PLACE/", "PLACE/",
    "https://127.0.0.1:PORT\\@PLACE/", "https://PLACE.example.com/", "https://PLACE\\.example.com/",
    "file:///etc/passwd", "ftp://PLACE/", "data:text/plain,hi", "HTTPS:PLACE", "https:///x", "",
    "https://[::1]:PORT/", "https://PLACE:443/", "https://ⓛocalhost:PORT/", "https://%6Cocalhost/",
]  # fmt: skip


LEAD_BACK = {"//PLACE/", "PLACE/", "HTTPS:PLACE", "https:///x", ""}  # as browsers read them too


def test_other_hosts_are_never_reached(website: Website, tmp_path: Path) -> None:
    port = website.place.partition(":")[2]
    away = [url.replace("PLACE", website.place).replace("PORT", port) for url in AWAY]
    answers = fetch(website, tmp_path, *away)
    reported = dict(zip(away, answers, strict=True))
    refused = ("PermissionError: only https addresses of localhost", "ValueError: ")
    assert {url: answer for url, answer in reported.items() if not answer.startswith(refused)} == {}
    assert website.asked == []


def test_redirects_do_not_leave_the_hosts_allowed(website: Website, tmp_path: Path) -> None:
    port = website.place.partition(":")[2]
    away = [url.replace("PORT", port) for url in AWAY if url.isascii() and url not in LEAD_BACK]
    urls = [f"https://{website.place}/to?{url}" for url in away]
    answers = fetch(website, tmp_path, *urls, f"https://{website.place}/to?/to?/to?/to?/loop")
    assert answers.pop() == "here is /loop"
    reported = dict(zip(urls, answers, strict=True))
    failed = {url: answer for url, answer in reported.items() if "Error: " not in answer}
    assert failed == {}
    assert {path.partition("?")[0] for path in website.asked} == {"/to", "/loop"}


def test_a_page_that_never_ends_is_given_up(website: Website, tmp_path: Path) -> None:
    (answer,) = fetch(website, tmp_path, f"https://{website.place}/drip", timeout="0.3")
    assert answer == "TimeoutError: not there after 0.3 s"


def test_a_certificate_that_nobody_vouches_for_is_refused(website: Website, tmp_path: Path) -> None:
    change = {'"example.com", "www.example.com"': f'"{website.place}",'}
    (answer,) = call("fetch_url", f"https://{website.place}/", home=tmp_path, change=change)
    assert "CERTIFICATE_VERIFY_FAILED" in answer
