"""Runs answered by a provider, here a scripted one, with the key of a real server process."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.support.api_client import SPEC, execute
from tests.support.processes import local_models_of
from tests.support.serving import INSTALLED_MODEL, ServerFactory
from tests.support.upstream import Answer, Received, message, message_events, scripted

CANARY = "canary-key-" + "0123456789"


def test_agent_reaches_the_provider_with_the_servers_key_and_never_sees_it(
    serve: ServerFactory,
) -> None:
    def script(request: Received) -> Answer:
        streamed = json.loads(request.body).get("stream")
        if streamed:
            headers = {"Content-Type": "text/event-stream"}
            return Answer(headers=headers, chunks=message_events("Bon", "jour"), pause=0.05)
        return Answer(headers={"Content-Type": "application/json"}, body=message("Bonjour"))

    with scripted(script) as upstream:
        server = serve(
            ANTHROPIC_API_KEY=CANARY,
            AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url,
            AGENT_BUILDER_LOG_LEVEL="DEBUG",
        )
        with server.client() as client:
            for stream in (False, True):
                code = client.post("/api/generate", json={**SPEC, "stream": stream}).json()["code"]
                spy = "import os\nprint(sorted(os.environ.items()))\n"
                result = execute(client, code.replace("import os\n", spy, 1))
                assert result["stdout"].endswith("Bonjour\n"), result
                assert result["backend"] == "provider"
                assert CANARY not in json.dumps(result)
            assert client.get("/api/catalog").json()["providers"][0]["key_configured"] is True
        assert [r.headers["authorization"] for r in upstream.received] == [f"Bearer {CANARY}"] * 2
    server.stop()
    written = server.log + "".join(
        path.read_bytes().decode("latin-1") for path in (server.folder / "data").iterdir()
    )
    assert CANARY not in written


def test_key_added_to_dot_env_is_taken_up_without_a_restart(serve: ServerFactory) -> None:
    with scripted(lambda _: Answer(body=message("by key"))) as upstream:
        server = serve(AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url)
        with server.client() as client:
            code = client.post("/api/generate", json=SPEC).json()["code"]
            assert client.get("/api/catalog").json()["providers"][0]["key_configured"] is False
            (server.folder / ".env").write_text(f"ANTHROPIC_API_KEY={CANARY}\n")
            result = execute(client, code)
        assert (result["stdout"], result["backend"]) == ("by key\n", "provider")


def test_prompts_and_tasks_are_in_no_log_at_info(serve: ServerFactory) -> None:
    server = serve(AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL)
    with server.client() as client:
        body = {**SPEC, "prompt": "secret-prompt", "task": "secret-task"}
        code = client.post("/api/generate", json=body).json()["code"]
        execute(client, code, task="secret-task", limits={"wall_s": 0.3})
        client.get("/api/runs", params={"before": "secret-task"})
    server.stop()
    assert "secret-" not in server.log


@pytest.mark.matrix
def test_killed_local_model_is_started_again_for_the_next_call(serve: ServerFactory) -> None:
    server = serve(AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL)
    with server.client() as client:
        code = client.post("/api/generate", json=SPEC).json()["code"]
        assert execute(client, code, task=SPEC["task"])["status"] == "success"
        (child,) = local_models_of(server.process.pid)
        os.kill(child, signal.SIGKILL)
        result = execute(client, code, task=SPEC["task"])
    assert (result["status"], "Paris" in result["stdout"]) == ("success", True)
