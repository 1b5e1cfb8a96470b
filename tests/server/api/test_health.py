"""/healthz while parts of a real server fail: its status, and who sees the details."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import httpx
import pytest

from tests.support.api_client import execute
from tests.support.serving import ServerFactory, wait_until
from tests.support.upstream import Answer, Received, message, scripted

TOKEN = "token-of-" + "this-test"
KEY = "canary-key-" + "0123456789"
BY_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
AGENT = (
    "import anthropic\n"
    "anthropic.Anthropic(max_retries=0).messages.create(model='claude-sonnet-5-5', max_tokens=9,"
    " messages=[{'role': 'user', 'content': 'hi'}])\n"
)


def health(client: httpx.Client, **headers: str) -> tuple[int, str, dict[str, str]]:
    answer = client.get("/healthz", headers=headers)
    body = answer.json()
    return answer.status_code, body["status"], body["components"]


def replying(_: Received) -> Answer:
    return Answer(headers={"Content-Type": "application/json"}, body=message("hi"))


def test_health_is_failing_where_no_run_can_start(serve: ServerFactory) -> None:
    with serve(AGENT_BUILDER_SANDBOX_TIER="limits").client() as client:
        code, status, components = health(client)
    assert (code, status) == (503, "failing")
    assert "AGENT_BUILDER_ALLOW_WEAK_SANDBOX" in components["sandbox"]
    assert components["store"] == "ok"


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, "degraded"),
        ({"ANTHROPIC_API_KEY": KEY}, "ok"),
        ({"AGENT_BUILDER_MODEL_SERVERS": "http://127.0.0.1:1/v1"}, "ok"),
    ],
)
def test_missing_built_in_model_degrades_only_where_no_other_can_answer(
    serve: ServerFactory, given: dict[str, str], status: str
) -> None:
    with serve(folder=None, AGENT_BUILDER_LOCAL_MODEL_PATH="none", **given).client() as client:
        code, found, components = health(client)
    assert (code, found) == (200, status)
    assert "The model's file was not found" in components["local_model"]


@pytest.mark.matrix
def test_health_is_degraded_while_the_days_spending_can_not_be_written(
    serve: ServerFactory,
) -> None:
    with scripted(replying) as upstream:
        server = serve(
            ANTHROPIC_API_KEY=KEY,
            AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url,
            AGENT_BUILDER_DAILY_BUDGET_CALLS="5",
        )
        with server.client() as client:
            assert health(client)[1] == "ok"
            with closing(sqlite3.connect(server.folder / "data" / "runs.sqlite3")) as database:
                database.execute("ALTER TABLE spend RENAME TO elsewhere")
                assert execute(client, AGENT)["status"] == "error"
                code, status, components = health(client)
                assert (code, status, components["store"]) == (200, "degraded", "ok")
                assert "spend" in components["budget"]
                database.execute("ALTER TABLE elsewhere RENAME TO spend")
            wait_until(lambda: health(client)[1] == "ok")


def test_health_shows_details_only_to_callers_with_access(serve: ServerFactory) -> None:
    server = serve("--token", TOKEN)
    database = server.folder / "data" / "runs.sqlite3"
    with server.client() as client:
        database.rename(database.with_name("elsewhere"))
        for stranger in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "agent_builder_token="}):
            code, status, components = health(client, **stranger)
            assert (code, status) == (503, "failing")
            assert components["store"] == "the database can't be written; the server's log says why"
        assert str(database) in health(client, **BY_TOKEN)[2]["store"]
        wait_until(lambda: str(database) in server.log)


def test_health_shows_details_to_a_local_caller_and_not_through_a_proxy(
    serve: ServerFactory,
) -> None:
    with serve(AGENT_BUILDER_LOCAL_MODEL_PATH="/private/none").client() as client:
        assert "/private/none" in health(client)[2]["local_model"]
        said = health(client, **{"X-Forwarded-For": "127.0.0.1"})[2]["local_model"]
        assert said == "the built-in model can't be used; `llm-agent-builder doctor` says why"
