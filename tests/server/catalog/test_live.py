"""Fetching model lists from a scripted provider that answers well, badly, slowly or not at all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.providers import ProviderEnum
from server.catalog.fetch import MAX_PAGE, MAX_PAGES
from server.catalog.list_cache import MAX_AGE_S
from server.catalog.live import LiveCatalog
from server.keys import KeySource
from server.settings import load_settings
from tests.support.api_client import SPEC
from tests.support.serving import ServerFactory, call, wait_until
from tests.support.upstream import Answer, Received, Upstream, scripted

A, H = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
KEY = "canary-key-" + "0123456789"
TODAY = date(2026, 11, 26)
SHIPPED = Catalog(TODAY)
NEW = {
    "id": "claude-sonnet-9",
    "display_name": "Claude Sonnet 9",
    "lifecycle": "active",
    "max_tokens": 1_000_000,
}


def page(*ids: str, **more: Any) -> Answer:
    return Answer(body=json.dumps({"data": [{"id": id_} for id_ in ids], **more}).encode())


def refresh(url: str, folder: Path, **more: Any) -> LiveCatalog:
    """Return a catalog that has fetched the list of each provider with a key once."""
    catalog = make(url, folder, **more)
    asyncio.run(catalog.refresh_due())
    return catalog


def make(
    url: str,
    folder: Path,
    *,
    keys: dict[str, str] | None = None,
    timeout_s: float = 20,
    **more: Any,
) -> LiveCatalog:
    upstreams = {"anthropic_upstream": url, "huggingface_upstream": url}
    settings = load_settings(data_dir=folder, **upstreams, **more)
    source = KeySource({"ANTHROPIC_API_KEY": KEY} if keys is None else keys, folder / "none")
    return LiveCatalog(settings, source, lambda: TODAY, environ={}, timeout_s=timeout_s)


def asked(script: Callable[[Received], Answer], folder: Path, **more: Any) -> LiveCatalog:
    with scripted(script) as upstream:
        return refresh(upstream.url, folder, **more)


def files(folder: Path) -> list[Path]:
    return sorted((folder / "model_lists").glob("*"))


# ---------------------------------------------------------------- answers


def test_listed_models_of_a_provider_are_in_the_catalog_and_allowed(tmp_path: Path) -> None:
    with scripted(lambda _: Answer(body=json.dumps({"data": [NEW]}).encode())) as upstream:
        live = refresh(upstream.url, tmp_path)
    catalog = live.current()
    first = catalog.models(A)[0]
    assert (first.id, first.label, first.origin) == ("claude-sonnet-9", "Claude Sonnet 9", "live")
    assert first.capabilities.max_output_tokens == 1_000_000
    catalog.require_allowed(A, "claude-sonnet-9")
    assert live.refresh_note(A) is None
    assert abs((live.refreshed_at(A) or 0) - time.time()) < 60
    (request,) = upstream.received
    assert (request.method, request.path) == ("GET", "/v1/models?limit=1000")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["anthropic-version"] >= "2023-06-01"
    assert live.refreshed_at(H) is None, "there is no key for it"


def test_the_router_is_asked_with_its_own_key(tmp_path: Path) -> None:
    partner = {"status": "live", "context_length": 4096, "supports_tools": True}
    entry = {"id": "org/new", "providers": [partner]}
    with scripted(lambda _: Answer(body=json.dumps({"data": [entry]}).encode())) as upstream:
        live = refresh(upstream.url, tmp_path, keys={"HF_TOKEN": "hf_" + KEY})
    model = live.current().find(H, "org/new")
    assert model is not None
    assert (model.context_window, model.capabilities.tools) == (4096, True)
    (request,) = upstream.received
    assert request.path == "/v1/models"
    assert request.headers["authorization"] == f"Bearer hf_{KEY}"


def test_a_list_in_pages_is_followed_to_its_end(tmp_path: Path) -> None:
    def script(request: Received) -> Answer:
        if "after_id=one" in request.path:
            return page("claude-two", has_more=False)
        return page("claude-one-a", "claude-one", has_more=True, last_id="one")

    live = asked(script, tmp_path)
    found = [model.id for model in live.current().models(A)][:3]
    assert found == ["claude-one-a", "claude-one", "claude-two"]


def test_a_list_that_leads_in_a_circle_ends(tmp_path: Path) -> None:
    with scripted(lambda _: page("claude-x", has_more=True, last_id="x")) as upstream:
        live = refresh(upstream.url, tmp_path)
    assert len(upstream.received) == 2
    assert live.current().find(A, "claude-x")


def test_an_endless_list_fails(tmp_path: Path) -> None:
    def script(request: Received) -> Answer:
        return page("claude-x", has_more=True, last_id=f"x{len(request.path)}{time.monotonic_ns()}")

    with scripted(script) as upstream:
        live = refresh(upstream.url, tmp_path)
    assert len(upstream.received) == MAX_PAGES
    assert "more than 20 pages" in (live.refresh_note(A) or "")


BAD: dict[str, tuple[Answer, str]] = {
    "unauthorized": (Answer(401, body=b"{}"), "refused the key (HTTP 401)"),
    "forbidden": (Answer(403), "refused the key (HTTP 403)"),
    "failing": (Answer(500, body=KEY.encode()), "answered HTTP 500"),
    "elsewhere": (Answer(302, {"Location": "http://127.0.0.1:9/"}), "answered HTTP 302"),
    "no JSON": (Answer(body=b"<html>"), "is not JSON"),
    "not UTF-8": (Answer(body=b'{"data": "\xff"}'), "is not JSON"),
    "too deep": (Answer(body=b"[" * 100_000), "is not JSON"),
    "huge number": (Answer(body=b'{"data": ' + b"9" * 10_000 + b"}"), "is not JSON"),
    "no list": (Answer(body=b'{"models": []}'), "has no list of models"),
    "no models": (Answer(body=b'{"data": [1, "x", {"id": null}]}'), "no entry of the answer"),
    "too large": (Answer(body=b" " * (MAX_PAGE + 1)), "more than 4 MiB"),
    "cut": (Answer(chunks=[b'{"data": [{"id"'], cut=True), "no answer from 127.0.0.1"),
    "compressed": (Answer(headers={"Content-Encoding": "gzip"}, body=b"\x1f\x8b"), "is not JSON"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_invalid_model_list_keeps_the_built_in_one_and_is_noted(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answer, said = BAD[name]
    live = asked(lambda _: answer, tmp_path)
    note = live.refresh_note(A)
    assert note
    assert said in note
    assert live.current().models(A) == SHIPPED.models(A)
    assert live.refreshed_at(A) is None
    assert files(tmp_path) == []
    assert note in caplog.text
    assert KEY not in caplog.text + note


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_provider_that_is_slow_is_waited_for_only_so_long(where: str, tmp_path: Path) -> None:
    def script(_: Received) -> Answer:
        if where == "headers":
            time.sleep(1)
        return Answer(chunks=[b"{", b'"data"', b": []}"], pause=0.4)

    with scripted(script) as upstream:
        live = refresh(upstream.url, tmp_path, timeout_s=0.3)
    assert "did not answer within 0.3 s" in (live.refresh_note(A) or "")


def test_a_provider_that_is_not_there_is_noted(tmp_path: Path) -> None:
    live = refresh("http://127.0.0.1:9", tmp_path)
    assert live.refresh_note(A) == "no answer from 127.0.0.1:9 (ClientConnectorError)"


def test_a_server_of_ones_own_that_is_down_spoils_nothing_else(tmp_path: Path) -> None:
    with scripted(lambda _: page("org/new")) as upstream:
        servers = "http://127.0.0.1:9, http://127.0.0.1:9/other MISSING_KEY"
        live = refresh(upstream.url, tmp_path, keys={"HF_TOKEN": "hf"}, model_servers=servers)
    assert live.current().find(H, "org/new")
    assert live.refreshed_at(H)
    assert live.refresh_note(H) == "no answer from 127.0.0.1:9 (ClientConnectorError)"


# ---------------------------------------------------------------- when


def test_no_request_is_made_without_a_key(tmp_path: Path) -> None:
    with scripted(lambda _: page()) as upstream:
        live = refresh(upstream.url, tmp_path, keys={})
    assert upstream.received == []
    assert (live.refresh_note(A), live.refreshed_at(A)) == (None, None)


def ask_twice(live: LiveCatalog, upstream: Upstream) -> int:
    for _ in range(2):
        asyncio.run(live.refresh_due())
    return len(upstream.received)


def test_a_list_is_valid_for_hours_and_a_failure_is_not_retried_at_once(tmp_path: Path) -> None:
    with scripted(lambda _: page("claude-x")) as upstream:
        assert ask_twice(make(upstream.url, tmp_path), upstream) == 1
    with scripted(lambda _: Answer(500)) as upstream:
        assert ask_twice(make(upstream.url, tmp_path), upstream) == 1
    with scripted(lambda _: page("claude-x")) as upstream:
        assert ask_twice(make(upstream.url, tmp_path, refresh_hours=1e-9), upstream) == 2


def test_a_new_key_is_asked_with_at_once(tmp_path: Path) -> None:
    keys = {"ANTHROPIC_API_KEY": "old"}
    with scripted(
        lambda request: Answer(401) if "old" in str(request.headers) else page("claude-x")
    ) as upstream:
        live = refresh(upstream.url, tmp_path, keys=keys)
        assert "refused the key" in (live.refresh_note(A) or "")
        keys["ANTHROPIC_API_KEY"] = "new"
        asyncio.run(live.refresh_due())
    assert live.refresh_note(A) is None
    assert live.current().find(A, "claude-x")


def test_a_failure_keeps_the_last_answer(tmp_path: Path) -> None:
    answers = [page("claude-x"), Answer(503)]
    with scripted(lambda _: answers.pop(0)) as upstream:
        live = refresh(upstream.url, tmp_path, refresh_hours=1e-9)
        first = live.refreshed_at(A)
        asyncio.run(live.refresh_due())
    assert live.current().find(A, "claude-x")
    assert live.refreshed_at(A) == first
    assert "HTTP 503" in (live.refresh_note(A) or "")


# ---------------------------------------------------------------- the cache


def test_a_list_is_cached_for_the_next_server_without_the_key(tmp_path: Path) -> None:
    with scripted(lambda _: page("claude-x")) as upstream:
        first = refresh(upstream.url, tmp_path)
        again = make(upstream.url, tmp_path, keys={})
    again.load()
    assert again.current().models(A) == first.current().models(A)
    assert again.refreshed_at(A) == first.refreshed_at(A)
    (cached,) = files(tmp_path)
    assert KEY not in cached.read_text()
    assert cached.stat().st_mode & 0o777 == 0o600
    assert cached.parent.stat().st_mode & 0o777 == 0o700


def test_an_answer_of_another_address_is_not_taken_for_this_one(tmp_path: Path) -> None:
    asked(lambda _: page("claude-x"), tmp_path)
    other = make("http://127.0.0.1:9", tmp_path)
    other.load()
    assert other.current().find(A, "claude-x") is None
    assert other.refresh_note(A) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"version": 0}',
        b'{"version": 1, "url": "URL", "fetched_at": "now", "pages": []}',
        b'{"version": 1, "url": "URL", "fetched_at": NOW, "pages": {}}',
        b'{"version": 1, "url": "URL", "fetched_at": NOW, "pages": [3]}',
        b'{"version": 1, "url": "elsewhere", "fetched_at": NOW, "pages": []}',
        b" " * (16 * 1024 * 1024 + 1),
    ],
    ids=lambda content: content[:60].decode("latin-1").strip() or "blank",
)
def test_a_damaged_cached_list_is_not_used_but_noted(content: bytes, tmp_path: Path) -> None:
    live = asked(lambda _: page("claude-x"), tmp_path)
    (cached,) = files(tmp_path)
    content_json = json.loads(cached.read_bytes())
    url = content_json["url"]
    now = str(time.time()).encode()
    cached.write_bytes(content.replace(b"URL", url.encode()).replace(b"NOW", now))
    again = make(url.removesuffix("/v1/models"), tmp_path)
    again.load()
    assert again.current().models(A) == SHIPPED.models(A)
    assert " is not used: " in (again.refresh_note(A) or "")
    assert live.current().find(A, "claude-x")


@pytest.mark.parametrize("age", [MAX_AGE_S + 10, -MAX_AGE_S - 10])
def test_a_cached_list_from_long_ago_or_the_future_is_ignored(age: float, tmp_path: Path) -> None:
    asked(lambda _: page("claude-x"), tmp_path)
    (cached,) = files(tmp_path)
    content_json = json.loads(cached.read_bytes())
    cached.write_text(json.dumps({**content_json, "fetched_at": time.time() - age}))
    again = make(content_json["url"].removesuffix("/v1/models"), tmp_path)
    again.load()
    assert again.current().models(A) == SHIPPED.models(A)


def test_a_folder_that_can_not_be_written_costs_only_the_keeping(tmp_path: Path) -> None:
    (tmp_path / "model_lists").write_text("a file where a folder should be")
    live = asked(lambda _: page("claude-x"), tmp_path)
    assert live.current().find(A, "claude-x")
    assert "could not be cached" in (live.refresh_note(A) or "")


# ---------------------------------------------------------------- the whole


def test_new_key_and_its_models_are_used_without_a_restart(serve: ServerFactory) -> None:
    with scripted(lambda _: Answer(body=json.dumps({"data": [NEW]}).encode())) as upstream:
        settings: dict[str, Any] = {
            "AGENT_BUILDER_ANTHROPIC_UPSTREAM": upstream.url,
            "AGENT_BUILDER_REFRESH_HOURS": "6",
            "AGENT_BUILDER_EXTRA_MODELS": "anthropic:claude-next=Claude Next",
        }
        server = serve(**settings)
        with server.client() as client:

            def anthropic() -> dict[str, Any]:
                listed_provider: dict[str, Any] = client.get("/api/catalog").json()["providers"][0]
                return listed_provider

            before = anthropic()
            assert (before["refreshed_at"], before["refresh_note"]) == (None, None)
            refused = client.post("/api/generate", json={**SPEC, "model": "claude-sonnet-9"})
            assert refused.status_code == 422
            (server.folder / ".env").write_text(f"ANTHROPIC_API_KEY={KEY}\n")
            listed_provider = wait_until(lambda: (now := anthropic())["refreshed_at"] and now)
            for model in ("claude-sonnet-9", "claude-next"):
                written = client.post("/api/generate", json={**SPEC, "model": model})
                assert f'MODEL = "{model}"' in written.json()["code"]
        models = {model["id"]: model for model in listed_provider["models"]}
        assert models["claude-sonnet-9"]["origin"] == "live"
        assert models["claude-next"]["origin"] == "setting"
        assert models["claude-3-5-haiku-20241022"]["successors"][0] == "claude-haiku-5-5"
        assert models["claude-sonnet-5-5"]["capabilities"] == {
            "max_output_tokens": 128_000,
            "thinking": ["adaptive", "between_tools"],
            "effort": ["low", "medium", "high", "xhigh", "max"],
            "effort_without_thinking": ["low", "medium", "high"],
            "typed_answers": True,
            "tools": True,
            "prompt_caching": True,
        }
    server.stop()
    assert KEY not in server.log
    listed = call(server.folder, "models", "--provider", "anthropic", **settings)
    assert listed.stdout.splitlines()[1].split()[0] == "claude-next"
    assert "claude-sonnet-9" in listed.stdout, "the command line uses the server's cache"
