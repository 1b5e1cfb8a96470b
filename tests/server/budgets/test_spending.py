"""Tokens, money and budgets of whole runs, through a real server process."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.api_client import SPEC, events_of, execute, fields
from tests.support.processes import local_models_of
from tests.support.serving import (
    INSTALLED_MODEL,
    ServerFactory,
    Serving,
    call,
    wait_until,
)
from tests.support.upstream import Answer, Received, message, scripted

CANARY = "canary-key-" + "0123456789"
ROTATED = "canary-key-" + "9876543210"
JSON = {"Content-Type": "application/json"}
SSE = {"Content-Type": "text/event-stream"}


def asking(calls: int, max_tokens: int = 50) -> str:
    return (
        "import anthropic\n"
        "client = anthropic.Anthropic()\n"
        f"for _ in range({calls}):\n"
        f"    answer = client.messages.create(model='claude-sonnet-5-5', max_tokens={max_tokens},"
        " messages=[{'role': 'user', 'content': 'x'}])\n"
        "    print(answer.content[0].text)\n"
    )


def replying(_: Received) -> Answer:
    return Answer(headers=JSON, body=message("hi"))


@pytest.fixture(scope="module")
def paid(serve_all: ServerFactory) -> Iterator[httpx.Client]:
    """Return a client of a server whose runs are answered for money."""
    with scripted(replying) as upstream:
        server = serve_all(ANTHROPIC_API_KEY=CANARY, AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url)
        with server.client() as client:
            yield client


def test_run_tells_its_tokens_and_its_cost(paid: httpx.Client) -> None:
    result = execute(paid, asking(2))
    record = paid.get(f"/api/runs/{result['run_id']}").json()
    events = events_of(paid.get(f"/api/runs/{result['run_id']}/events").text)
    nothing = execute(paid, "print('no model')")
    assert result["usage"] == {
        "input_tokens": 6,
        "output_tokens": 10,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "calls": 2,
        "refused_calls": 0,
        "unmetered_calls": 0,
    }
    assert result["cost_usd"] == pytest.approx(2 * (3 * 2 + 5 * 10) / 1e6)
    for other in (record, events[-1][2]):
        assert (other["usage"], other["cost_usd"]) == (result["usage"], result["cost_usd"])
    assert [kind for _, kind, _ in events].count("model_call") == 2
    assert (nothing["usage"], nothing["cost_usd"]) == (None, None)


def test_local_model_counts_tokens_and_asks_no_money(serve: ServerFactory) -> None:
    server = serve(
        AGENT_BUILDER_DAILY_BUDGET_USD="0",
        AGENT_BUILDER_RUN_BUDGET_USD="0",
        AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL,
    )
    with server.client() as client:
        code = client.post("/api/generate", json=SPEC).json()["code"]
        result = execute(client, code, task=SPEC["task"])
    assert (result["status"], result["backend"]) == ("success", "local")
    assert result["budget"] is None
    assert result["usage"]["input_tokens"] > 0
    assert result["usage"]["output_tokens"] > 0
    assert result["cost_usd"] is None


@pytest.mark.parametrize(
    ("budget", "cap"), [({"calls": 1}, "run_calls"), ({"usd": 0.0009}, "run_usd")]
)
def test_run_that_reaches_its_budget_ends_as_limit_with_its_name(
    paid: httpx.Client, budget: dict[str, Any], cap: str
) -> None:
    result = execute(paid, asking(3), budget=budget)
    events = events_of(paid.get(f"/api/runs/{result['run_id']}/events").text)
    assert (result["status"], result["reason"]) == ("limit", "budget")
    assert "402" in result["stderr"]
    [limit] = [data for _, kind, data in events if kind == "limit"]
    assert (limit["kind"], limit["cap"]) == ("budget", cap)
    assert "for this run" in limit["message"]
    assert result["budget"] == limit["message"]
    assert result["cost_usd"] is None or result["cost_usd"] <= 0.0009
    assert result["usage"]["refused_calls"] == 1


def test_run_may_not_ask_for_more_than_the_server_allows(serve: ServerFactory) -> None:
    server = serve(AGENT_BUILDER_RUN_BUDGET_CALLS="2", AGENT_BUILDER_RUN_BUDGET_USD="0.5")
    with server.client() as client:

        def refused(**budget: Any) -> dict[str, str]:
            body = {"code": "", "task": "x", "budget": budget}
            return fields(client.post("/api/execute", json=body))

        assert "2" in refused(calls=3)["budget.calls"]
        assert "0.5" in refused(usd=0.6)["budget.usd"]
        assert refused(tokens=-1)
        assert refused(euros=1)
        assert execute(client, "", budget={"calls": 2, "tokens": 5})["status"] == "success"


@pytest.mark.matrix
def test_day_remembers_what_was_spent_when_the_server_is_killed(
    serve: ServerFactory, tmp_path: Path
) -> None:
    with scripted(replying) as upstream:
        settings = {
            "ANTHROPIC_API_KEY": CANARY,
            "AGENT_BUILDER_ANTHROPIC_UPSTREAM": upstream.url,
            "AGENT_BUILDER_DAILY_BUDGET_CALLS": "3",
        }
        folder = tmp_path / "one"
        first = serve(folder=folder, **settings)
        with first.client() as client:
            assert execute(client, asking(2))["status"] == "success"
        wait_until(lambda: spent_calls(folder) == 2)
        first.process.send_signal(signal.SIGKILL)
        first.stop()
        again = serve(folder=folder, **settings)
        with again.client() as client:
            result = execute(client, asking(2))
        assert (result["status"], result["stdout"]) == ("limit", "hi\n")
        again.stop()
        (folder / "agent.py").write_text(asking(1))
        cli = call(folder, "run", "agent.py", "--task", "x", **settings)
    assert cli.returncode == 1
    assert "[stopped: budget limit reached]" in cli.stderr
    assert "budget of 3 calls for today" in cli.stderr
    assert "[0 model calls, 1 refused]" in cli.stderr
    assert len(upstream.received) == 3


def spent_calls(folder: Path) -> int | None:
    with sqlite3.connect(folder / "data" / "runs.sqlite3") as database:
        row = database.execute("select calls from spend").fetchone()
    database.close()
    return row[0] if row else None


# ---------------------------------------------------------------- keys


@pytest.mark.matrix
def test_key_rotated_in_dot_env_is_used_for_the_next_call(serve: ServerFactory) -> None:
    with scripted(replying) as upstream:
        server = serve(AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url)
        with server.client() as client:
            for key in (CANARY, ROTATED):
                (server.folder / ".env").write_text(f"ANTHROPIC_API_KEY={key}\n")
                assert execute(client, asking(1))["status"] == "success"
    used = [request.headers["authorization"] for request in upstream.received]
    assert used == [f"Bearer {CANARY}", f"Bearer {ROTATED}"]


# ---------------------------------------------------------------- the local model


@pytest.mark.matrix
def test_local_model_killed_in_mid_answer_is_a_clear_error_and_the_next_run_works(
    serve: ServerFactory,
) -> None:
    server = serve(AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL)
    story = "Write a very long story about a city, its people and its river."
    with server.client() as client:
        code = client.post("/api/generate", json={**SPEC, "stream": True}).json()["code"]
        execute(client, code, task=SPEC["task"])
        body = {"code": code, "task": story}
        run_id = client.post("/api/runs", json=body).json()["id"]
        with client.stream("GET", f"/api/runs/{run_id}/events") as stream:
            for line in stream.iter_lines():
                if line == "event: output":
                    _kill_local_model(server)
                    break
        wait_until(lambda: client.get(f"/api/runs/{run_id}").json()["status"] != "running")
        ended = client.get(f"/api/runs/{run_id}").json()
        events = events_of(client.get(f"/api/runs/{run_id}/events").text)
        again = execute(client, code, task=SPEC["task"])
    [call] = [data for _, kind, data in events if kind == "model_call"]
    assert call["error.type"].startswith("cut")
    assert ended["status"] == "error"
    text = "".join(data["text"] for _, kind, data in events if kind == "output")
    assert "Traceback" not in text
    assert "the local model stopped in the middle of its answer; run the agent again" in text
    assert again["status"] == "success"


def _kill_local_model(server: Serving) -> None:
    (child,) = local_models_of(server.process.pid)
    os.kill(child, signal.SIGKILL)
