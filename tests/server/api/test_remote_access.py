"""Whether a connection needs a token: over real sockets, on loopback and other addresses."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.serving import ServerFactory, Serving, plain_uvicorn

TOKEN = "token-of-" + "this-test"
REFUSED = (403, "token_missing")


@contextmanager
def uvicorn_client(folder: Path, *arguments: str, **settings: str) -> Iterator[httpx.Client]:
    """Yield a client of a plain uvicorn, by its loopback address."""
    with plain_uvicorn(folder, "--port", "0", *arguments, **settings) as line:
        port = int(re.findall(r":(\d+)", line)[-1])
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client


def own_address() -> str:
    """Return an address of this machine that is not loopback; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback's")
        address: str = probe.getsockname()[0]
        return address


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


def test_plain_uvicorn_serves_loopback_without_a_token(tmp_path: Path) -> None:
    with uvicorn_client(tmp_path) as client:
        for host in ("localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:7860"):
            assert client.get("/api/catalog", headers={"Host": host}).status_code == 200


def test_uvicorn_on_all_addresses_refuses_everyone_until_it_has_a_token(tmp_path: Path) -> None:
    with uvicorn_client(tmp_path, "--host", "0.0.0.0") as client:
        addresses = [str(client.base_url), f"http://{own_address()}:{client.base_url.port}"]
        for address in addresses:
            for host in ("localhost", "127.0.0.1:7860", "[::1]"):
                for method, path in (
                    ("GET", "/api/runs"),
                    ("POST", "/api/execute"),
                    ("DELETE", "/api/runs/x"),
                    ("GET", "/metrics"),
                    ("GET", "/openapi.json"),
                ):
                    answer = client.request(method, address + path, headers={"Host": host})
                    assert outcome(answer) == REFUSED
                    assert "set AGENT_BUILDER_TOKEN" in answer.json()["detail"]
                page = client.get(f"{address}/", headers={"Host": host})
                assert page.status_code in {200, 503}  # 503 where it was not built
                assert client.get(f"{address}/healthz", headers={"Host": host}).status_code == 200
        unknown = client.get(f"{addresses[1]}/api/runs")
        assert outcome(unknown) == (403, "host_not_allowed")
        assert "AGENT_BUILDER_TOKEN" in unknown.json()["detail"]


@pytest.mark.matrix
def test_uvicorn_on_all_addresses_requires_the_token(tmp_path: Path) -> None:
    with uvicorn_client(tmp_path, "--host", "0.0.0.0", AGENT_BUILDER_TOKEN=TOKEN) as client:
        address = f"http://{own_address()}:{client.base_url.port}/api/runs"
        headers = {"Host": "localhost"}
        assert outcome(client.get(address, headers=headers)) == (401, "token_required")
        headers["Authorization"] = f"Bearer {TOKEN}"
        assert client.get(address, headers=headers).status_code == 200


@pytest.mark.matrix
def test_uvicorn_on_all_ipv6_addresses_refuses_its_own_machine_too(tmp_path: Path) -> None:
    with uvicorn_client(tmp_path, "--host", "::") as client:
        answer = client.get(f"http://[::1]:{client.base_url.port}/api/runs")
        assert outcome(answer) == REFUSED


@pytest.mark.matrix
def test_uvicorn_on_ipv6_loopback_serves_without_a_token(tmp_path: Path) -> None:
    with uvicorn_client(tmp_path, "--host", "::1") as client:
        address = f"http://[::1]:{client.base_url.port}/api/runs"
        assert client.get(address).status_code == 200


def test_unix_socket_needs_a_token(tmp_path: Path) -> None:
    place = str(tmp_path / "socket")
    with (
        plain_uvicorn(tmp_path, "--uds", place),
        httpx.Client(
            transport=httpx.HTTPTransport(uds=place), base_url="http://localhost"
        ) as client,
    ):
        assert outcome(client.get("/api/runs")) == REFUSED


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "Via",
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-Forwarded-Proto",
        "X-Forwarded-Prefix",
        "X-Real-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Original-URL",
        "X-Original-Forwarded-For",
        "X-Envoy-External-Address",
        "X-Amzn-Trace-Id",
        "Tailscale-User-Login",
    ],
)
@pytest.mark.parametrize("value", ["127.0.0.1", "203.0.113.7", ""])
def test_request_through_a_proxy_needs_a_token(
    client: httpx.Client, header: str, value: str
) -> None:
    for host in ("localhost", "127.0.0.1"):
        answer = client.get("/api/runs", headers={header: value, "Host": host})
        assert outcome(answer) == REFUSED
        assert header.lower() in answer.json()["detail"]


def test_proxy_that_uvicorn_trusts_can_not_make_a_request_local(tmp_path: Path) -> None:
    """With its own rule for X-Forwarded-For, uvicorn puts another peer in the real one's place."""
    with uvicorn_client(tmp_path, "--proxy-headers", "--forwarded-allow-ips", "*") as client:
        for claimed in ("127.0.0.1", "203.0.113.7", "127.0.0.1, 203.0.113.7"):
            answer = client.get("/api/runs", headers={"X-Forwarded-For": claimed})
            assert outcome(answer) == REFUSED


def test_request_as_nginx_passes_it_on_unasked_needs_a_token(server: Serving) -> None:
    port = httpx.URL(server.base).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /api/runs HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 403")


def test_forwarded_request_with_the_token_is_served(serve: ServerFactory) -> None:
    with serve("--token", TOKEN).client() as client:
        headers = {"X-Forwarded-For": "203.0.113.7", "Authorization": f"Bearer {TOKEN}"}
        assert client.get("/api/runs", headers=headers).status_code == 200


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize(
    "token", [TOKEN, 'sp ace;semi"quote,back\\slash=%41', "naïve-žetón-日本", "a" * 500]
)
def test_cookies_of_other_programs_hide_no_right_one(serve: ServerFactory, token: str) -> None:
    odd = (
        b"a[b]=c",
        b'theme={"dark": [1, "two"], "x"}',
        b"=nameless",
        b"bare",
        b'q="unclosed',
        b"caf\xe9=\xff\xfe",
        b"$Version=1, old=style",
        b"agent_builder_token=wrong",
        b'agent_builder_token="also wrong"',
        b"agent_builder_token",
        b"agent_builder_token2=x",
    )
    with serve(AGENT_BUILDER_TOKEN=token).client() as client:
        client.post("/api/session", json={"token": token}).raise_for_status()
        own = "; ".join(f"{name}={value}" for name, value in client.cookies.items()).encode()
        client.cookies.clear()
        many = [b"n%d=%d" % (number, number) for number in range(2000)]
        for others in (*((each,) for each in odd), odd, many):
            for cookies in ([*others, own], [own, *others]):
                answer = client.get("/api/runs", headers=[(b"Cookie", b"; ".join(cookies))])
                assert answer.status_code == 200, others
            refused = client.get("/api/runs", headers=[(b"Cookie", b"; ".join(others))])
            assert outcome(refused) == (401, "token_required")


def test_cookies_may_come_in_several_headers(serve: ServerFactory) -> None:
    with serve("--token", TOKEN).client() as client:
        headers = [("Cookie", "a[b]=c"), ("Cookie", f"agent_builder_token={TOKEN}")]
        assert client.get("/api/runs", headers=headers).status_code == 200
