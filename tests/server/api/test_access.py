"""Access control: token, Host, Origin and content type."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from server.api.security import COOKIE, token_matches
from server.main import create_app
from server.settings import load_settings
from tests.support.api_client import SPEC
from tests.support.serving import ServerFactory, Serving, call

CANARY = "canary-key-" + "0123456789"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "host_not_allowed"),
        ({"Host": "127.0.0.1.evil.example"}, "host_not_allowed"),
        ({"Host": "[::1"}, "host_not_allowed"),
        ({"Host": "a@127.0.0.1"}, "host_not_allowed"),
        ({"Host": "127.0.0.1/evil"}, "host_not_allowed"),
        ({"Origin": "http://evil.example"}, "origin_not_allowed"),
        ({"Origin": "null"}, "origin_not_allowed"),
        ({"Origin": "http://localhost:1"}, "origin_not_allowed"),
        ({"Sec-Fetch-Site": "cross-site"}, "origin_not_allowed"),
    ],
)
def test_requests_from_other_sites_are_refused(
    client: httpx.Client, headers: dict[str, str], code: str
) -> None:
    for method, path in (("POST", "/api/execute"), ("GET", "/api/runs")):
        answer = client.request(method, path, headers=headers, json={})
        assert (answer.status_code, answer.json()["code"]) == (403, code)


def test_own_origin_is_taken(server: Serving, client: httpx.Client) -> None:
    origin = server.base.rstrip("/")
    assert client.post("/api/generate", json=SPEC, headers={"Origin": origin}).status_code == 200


def test_body_that_is_not_json_is_415(client: httpx.Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post("/api/execute", content=b"{}", headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (415, "json_only")


def test_huge_body_is_refused_before_it_is_read(client: httpx.Client) -> None:
    body = b" " * (9 * 2**20)
    answer = client.post("/api/execute", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_token_is_needed_where_one_is_set(serve: ServerFactory) -> None:
    server = serve("--token", "let-me-in")
    assert server.url.endswith("#token=let-me-in")
    with server.client() as client:
        refused = client.get("/api/catalog")
        assert (refused.status_code, refused.json()["code"]) == (401, "token_required")
        assert refused.json()["detail"].startswith("access token required")
        refused = client.get("/api/catalog", headers={"Authorization": "Bearer wrong"})
        assert (refused.status_code, refused.json()["code"]) == (401, "token_required")
        assert refused.json()["detail"].startswith("wrong access token")
        assert client.get("/metrics").status_code == 401
        assert client.get("/openapi.json").status_code == 401
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 200
        wrong = {"Authorization": "Bearer let-me-out"}
        assert client.get("/api/catalog", headers=wrong).status_code == 401
        right = {"Authorization": "Bearer let-me-in"}
        assert client.get("/api/catalog", headers=right).status_code == 200
        assert client.post("/api/session", json={"token": "no"}).status_code == 401
        answer = client.post("/api/session", json={"token": "let-me-in"})
        assert answer.status_code == 204
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=strict" in answer.headers["set-cookie"]
        assert client.get("/api/catalog").status_code == 200


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize("token", ["", " ", "\t "])
def test_empty_token_is_wrong_usage(tmp_path: Path, token: str) -> None:
    done = call(tmp_path, "serve", "--port", "0", "--token", token)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--token is empty; omit it to have one generated" in done.stderr


def test_blank_token_in_the_environment_is_refused(tmp_path: Path) -> None:
    done = call(tmp_path, "serve", "--port", "0", AGENT_BUILDER_TOKEN=" ")
    assert (done.returncode, done.stdout) == (1, "")
    assert "AGENT_BUILDER_TOKEN: is empty; remove it to have a token generated" in done.stderr


def test_server_with_an_empty_token_refuses_everybody() -> None:
    settings = load_settings().model_copy(update={"token": ""})  # past every check
    transport = httpx.ASGITransport(create_app(settings=settings))

    async def codes() -> list[tuple[int, str]]:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            headers: list[dict[str, str]] = [
                {},
                {"Authorization": "Bearer "},
                {"Cookie": f"{COOKIE}="},
                {"Cookie": f'{COOKIE}=""'},
            ]
            answers = [await client.get("/api/runs", headers=each) for each in headers]
            return [(answer.status_code, answer.json()["code"]) for answer in answers]

    assert set(asyncio.run(codes())) == {(401, "token_required")}
    assert not token_matches(b"", "")


def test_names_beyond_loopback_need_a_token(serve: ServerFactory) -> None:
    server = serve(AGENT_BUILDER_ALLOWED_HOSTS="builder.example")
    token = server.url.partition("#token=")[2]
    assert len(token) > 20
    with server.client() as client:
        host = {"Host": "builder.example"}
        assert client.get("/api/catalog", headers=host).status_code == 401
        host["Authorization"] = f"Bearer {token}"
        assert client.get("/api/catalog", headers=host).status_code == 200


def test_server_on_all_addresses_prints_which_names_it_accepts(serve: ServerFactory) -> None:
    hint = "Only requests to 127.0.0.1 and localhost are accepted. Add other names"
    silent = serve("--host", "0.0.0.0", AGENT_BUILDER_ALLOWED_HOSTS="builder.example")
    server = serve("--host", "0.0.0.0")
    assert hint in server.log
    assert hint not in silent.log


def test_unknown_method_or_path_is_refused_with_an_error_response(client: httpx.Client) -> None:
    for method, path, status, code in (
        ("BREW", "/api/runs", 405, "method_not_allowed"),
        ("PUT", "/api/catalog", 405, "method_not_allowed"),
        ("GET", "/api/nothing", 404, "not_found"),
    ):
        answer = client.request(method, path, json={})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
