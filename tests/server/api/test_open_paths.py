"""Paths that need no token: the page's own files, the health and the sign-in."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Scope

from server.installation import page_paths
from server.main import create_app
from server.settings import load_settings
from tests.server.api.test_remote_access import uvicorn_client

TOKEN = "token-of-" + "this-test"
OPEN = {"/healthz", "/api/session"}
PAGE = {"index.html": "<html>", "favicon.svg": "<svg>", "assets/index-1.js": "1", "theme.js": "2"}


@pytest.fixture
def static(tmp_path: Path) -> Path:
    for name, text in PAGE.items():
        place = tmp_path / "static" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (tmp_path / "secret.txt").write_text("no part of the page")
    return tmp_path / "static"


def app_of(static: Path) -> FastAPI:
    return create_app(settings=load_settings(token=TOKEN), static=static)


def asked(
    app: ASGIApp, *paths: str, method: str = "GET", root: str = "", **headers: str
) -> dict[str, int]:
    """Return the status of each path, asked as it is: no client or server resolves or decodes it.

    What comes to a route of the server fails there, since no server was started.
    """
    return {path: asyncio.run(_status(app, path, method, root, headers)) for path in paths}


async def _status(app: ASGIApp, path: str, method: str, root: str, headers: dict[str, str]) -> int:
    sent = {"host": "localhost", "content-type": "application/json", **headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    scope: Scope = {
        **{"type": "http", "method": method, "path": path, "root_path": root, "headers": raw},
        **{"http_version": "1.1", "query_string": b"", "scheme": "http", "client": ("::1", 1)},
    }
    found: list[int] = []

    body: Message = {"type": "http.request", "body": b"{}", "more_body": False}
    messages = iter([body])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        found.append(message.get("status", 0))

    with contextlib.suppress(Exception):
        await app(scope, receive, send)
    return found[0]


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    return {
        (method, re.sub(r"\{[^}]*\}", "x", route.path or ""))
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
    }


@pytest.mark.parametrize("way", ["bare", "root path", "root path with a slash", "mounted", "twice"])
def test_every_route_needs_the_token_when_the_app_is_mounted(static: Path, way: str) -> None:
    inner = app_of(static)
    app: ASGIApp = inner
    before = root = ""
    if way.startswith("root path"):
        before, root = "/builder", "/builder" + "/" * way.endswith("slash")
    elif way == "mounted":
        before, app = "/builder", Starlette(routes=[Mount("/builder", inner)])
    elif way == "twice":
        outer = Starlette(routes=[Mount("/b", inner)])
        before, app = "/a/b", Starlette(routes=[Mount("/a", outer)])
    routes = routes_of(inner)
    assert ("GET", "/api/runs") in routes
    assert ("POST", "/api/execute") in routes
    for method, path in routes:
        if path in OPEN:
            continue
        for asked_as in {method, "HEAD", "OPTIONS"}:
            place = before + path
            assert asked(app, place, method=asked_as, root=root) == {place: 401}, (asked_as, path)


@pytest.mark.matrix(keep=10)
@pytest.mark.parametrize(
    "path",
    [
        "//api/runs",
        "/./api/runs",
        "/x/../api/runs",
        "/api//runs",
        "/api%2fruns",
        "/%2fapi/runs",
        "http://localhost/api/runs",
        "api/runs",
        "",
        "/api;x/runs",
        ";/api/runs",
        "/API/runs",
        "/Api/Session",
        "/api/session/",
        "/api/session/../runs",
        "/healthz/",
        "/healthz/../api/runs",
        "/healthz\n",
        "/healthz\0",
        "/healthz;/../api/runs",
        "/api/runs/x/files/../../../../index.html",
        "/api/runs/x/files/index.html",
        "/metrics/",
        "/METRICS",
        "/docs",
        "/redoc",
        "/nothing",
        "/assets",
        "/assets/",
        "/assets/../secret.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "//index.html",
        "/index.html/",
        "/Index.html",
        "/index.html\0",
        "/builder/api/runs",
        "/builder/index.html",
    ],
)
def test_any_other_spelling_of_a_path_needs_the_token(static: Path, path: str) -> None:
    app = app_of(static)
    for before, root in (("", ""), ("/builder", "/builder")):
        for method in ("GET", "HEAD"):
            place = before + path
            if (before, path) == ("", "/builder/index.html"):
                continue
            assert asked(app, place, method=method, root=root) == {place: 401}


@pytest.mark.parametrize(("before", "root"), [("", ""), ("/builder", "/builder")])
def test_page_and_its_files_need_no_token(static: Path, before: str, root: str) -> None:
    places = [before + path for path in ("/", *(f"/{name}" for name in PAGE))]
    app = app_of(static)
    for method in ("GET", "HEAD"):
        assert set(asked(app, *places, method=method, root=root).values()) == {200}
    assert set(asked(app, *places, method="POST", root=root).values()) == {401}


def test_page_holds_nothing_that_is_a_route(static: Path) -> None:
    assert not page_paths() & {path for _, path in routes_of(app_of(static))}


def test_missing_page_is_reported_without_a_token(tmp_path: Path) -> None:
    app = app_of(tmp_path / "none")
    assert asked(app, "/", "/index.html", "/api/runs") == {
        "/": 503,
        "/index.html": 401,
        "/api/runs": 401,
    }


def test_link_of_another_site_leads_to_the_page_alone(static: Path) -> None:
    elsewhere = {"sec-fetch-site": "cross-site", "authorization": f"Bearer {TOKEN}"}
    app = app_of(static)
    for before, root in (("", ""), ("/builder", "/builder")):
        refused = [before + path for path in ("/api/runs", "/metrics", "/openapi.json", "/none")]
        assert set(asked(app, *refused, root=root, **elsewhere).values()) == {403}
        assert asked(app, before + "/", root=root, **elsewhere) == {before + "/": 200}


def test_token_holds_under_a_root_path(tmp_path: Path) -> None:
    with uvicorn_client(tmp_path, "--root-path", "/builder", AGENT_BUILDER_TOKEN=TOKEN) as client:
        for path in ("/api/runs", "/api/catalog", "/metrics", "/openapi.json", "/builder/api/runs"):
            assert client.get(path).status_code == 401, path
        health = client.get("/healthz")
        assert health.status_code == 200
        refused = client.post("/api/session", json={"token": "wrong"})
        assert (refused.status_code, refused.json()["code"]) == (401, "token_required")
        assert client.post("/api/session", json={"token": TOKEN}).status_code == 204
        answer = client.get("/api/runs")
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"


def test_root_path_makes_no_request_local(tmp_path: Path) -> None:
    with uvicorn_client(tmp_path, "--root-path", "/builder", "--host", "0.0.0.0") as client:
        for path in ("/api/runs", "/metrics"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "token_missing")
