"""The user's own model server, such as Ollama: listed, used in a generated file, and tested."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_agent_builder.errors import BackendUnavailableError
from llm_agent_builder.providers import ProviderEnum
from server.catalog.live import LiveCatalog
from server.keys import KeySource
from server.local_model.service import LABEL, LocalModel
from server.net.upstreams import Policy, Upstream
from server.runs.answerers import UNREADABLE_ADDRESS
from server.runs.backends import Backends, base_url_in
from server.settings import load_settings
from tests.support.api_client import SPEC, execute
from tests.support.serving import ServerFactory, bare_environment, call, wait_until
from tests.support.upstream import Answer, Received, scripted

CANARY = "canary-key-" + "0123456789"
MODEL = "llama3.2:3b"


def ollama(request: Received) -> Answer:
    """Answer like a server with OpenAI's protocol."""
    if request.path == "/v1/models":
        return Answer(body=json.dumps({"object": "list", "data": [{"id": MODEL}]}).encode())
    assert request.path == "/v1/chat/completions"
    assert json.loads(request.body)["model"] == MODEL
    message = {"role": "assistant", "content": "Paris, says the llama."}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    body = {"id": "1", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}
    headers = {"Content-Type": "application/json"}
    return Answer(headers=headers, body=json.dumps({**body, "system_fingerprint": "x"}).encode())


def test_a_model_of_ones_own_server_is_listed_written_and_tested_without_a_key(
    serve: ServerFactory,
) -> None:
    with scripted(ollama) as upstream:
        server = serve(
            AGENT_BUILDER_MODEL_SERVERS=upstream.url,
            AGENT_BUILDER_REFRESH_HOURS="6",
            AGENT_BUILDER_DAILY_BUDGET_USD="1",
            HF_TOKEN=CANARY,
            AGENT_BUILDER_HUGGINGFACE_UPSTREAM="http://127.0.0.1:9",
        )
        with server.client() as client:

            def listed() -> dict[str, Any] | None:
                models = client.get("/api/catalog").json()["providers"][1]["models"]
                return next((model for model in models if model["id"] == MODEL), None)

            model = wait_until(listed)
            catalog = client.get("/api/catalog").json()
            assert catalog["backends"][0]["available"] is True
            base_url = f"{upstream.url}/v1"
            answerer = {"own": True, "name": f"your server {base_url}", "reason": None}
            entry = {"base_url": base_url, "key_env": None, "key_configured": True}
            servers = [provider["servers"] for provider in catalog["providers"]]
            assert servers == [[], [{**entry, "answerer": answerer}]]
            assert (model["origin"], model["base_url"]) == ("setting", f"{upstream.url}/v1")
            body = {**SPEC, "provider": "huggingface", "model": MODEL}
            written = client.post("/api/generate", json=body).json()
            assert written["warnings"] == []
            assert f'or "{upstream.url}/v1"' in written["code"]
            result = execute(client, written["code"])
            metrics = client.get("/metrics").text
        assert (result["stdout"], result["backend"]) == ("Paris, says the llama.\n", "provider")
        assert result["usage"]["output_tokens"] == 5
        assert result["cost_usd"] is None
        assert f'backend="own",model="{MODEL}",outcome="ok",provider="huggingface"}} 1.0' in metrics
        assert "agent_builder_model_calls_unpriced_total{" not in metrics
        assert all("authorization" not in request.headers for request in upstream.received)
        assert CANARY not in str(upstream.received)
        # The same file on its owner's machine, with a Hugging Face token in the environment.
        agent = server.folder / "agent.py"
        agent.write_text(written["code"])
        environ = bare_environment(server.folder, HF_TOKEN=CANARY)
        done = subprocess.run(
            [sys.executable, str(agent)], env=environ, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.returncode) == ("Paris, says the llama.\n", 0), done.stderr
        assert CANARY not in str(upstream.received)


def test_own_server_with_a_key_gets_its_own_key(tmp_path: Path) -> None:
    with scripted(ollama) as upstream:
        settings = {
            "AGENT_BUILDER_MODEL_SERVERS": f"{upstream.url} MY_KEY",
            "AGENT_BUILDER_EXTRA_MODELS": f"huggingface:{MODEL}@{upstream.url}",
        }
        options = ("--provider", "huggingface", "--name", "A", "--prompt", "b", "--task", "c")
        wrote = call(tmp_path, "generate", *options, "--model", MODEL, **settings)
        assert wrote.returncode == 0, wrote.stderr
        keys = {"MY_KEY": CANARY, "HF_TOKEN": "another"}
        done = call(tmp_path, "run", "a.py", "--backend", "provider", **settings, **keys)
        assert done.stdout == "Paris, says the llama.\n", done.stderr
        (request,) = upstream.received
        assert request.headers["authorization"] == f"Bearer {CANARY}"
        refused = call(tmp_path, "run", "a.py", "--backend", "provider", **settings)
    assert refused.returncode == 1
    assert f"{upstream.url}/v1 needs a key: set MY_KEY" in refused.stderr


OWN = 'import os\nimport huggingface_hub\nBASE_URL = os.environ.get("HF_BASE_URL") or "{}"\n'


def backends(**settings: Any) -> Backends:
    keys = KeySource({"HF_TOKEN": CANARY, "ANTHROPIC_API_KEY": CANARY}, Path("none"))
    return Backends(load_settings(**settings), keys, LocalModel(log_file=Path("none")))


def test_an_address_that_is_not_listed_is_not_called_and_gets_no_key() -> None:
    code = OWN.format("http://elsewhere.example:8000/v1")
    for choice in (backends(), backends(model_servers="http://elsewhere.example:8001/v1")):
        assert choice.resolve("auto", code) == "local"
        with pytest.raises(BackendUnavailableError, match="AGENT_BUILDER_MODEL_SERVERS"):
            choice.resolve("provider", code)
    listed = backends(model_servers="http://elsewhere.example:8000")
    assert listed.resolve("auto", code) == listed.resolve("provider", code) == "provider"
    assert listed.resolve("local", code) == "local"


def test_calls_go_to_the_listed_server_and_other_providers_calls_do_not() -> None:
    async def route(provider: ProviderEnum) -> Upstream:
        return await policy(provider)

    listed = backends(model_servers="http://mine.example:8000/openai/v1")
    policy = listed.policy("provider", OWN.format("http://mine.example:8000/openai"))
    own = asyncio.run(route(ProviderEnum.HUGGINGFACE))
    assert (own.base_url, own.key.reveal()) == ("http://mine.example:8000/openai", "")
    assert own.is_free
    other = asyncio.run(route(ProviderEnum.ANTHROPIC))
    assert (other.base_url, other.is_free) == ("https://api.anthropic.com", False)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (OWN.format("http://a.example"), "http://a.example/v1"),
        (OWN.format("https://router.huggingface.co/v1"), None),
        (OWN.format("not a url"), "not a url"),
        ('BASE_URL = "http://a.example/v1"', "http://a.example/v1"),
        ('BASE_URL = "http://a.example/v1"\nBASE_URL = "x"', UNREADABLE_ADDRESS),
        ('BASE_URL, _ = "http://a.example/v1", 1', UNREADABLE_ADDRESS),
        ('BASE_URL = "http:" + "//a.example/v1"', UNREADABLE_ADDRESS),
        ("BASE_URL = f()", UNREADABLE_ADDRESS),
        ("BASE_URL = (", UNREADABLE_ADDRESS),
        (OWN.format("http://a.example") + f"X = [{'1,' * 40_000}]\n", UNREADABLE_ADDRESS),
        ('BASE_URL = os.environ["HF_BASE_URL"]', None),
        ('# the BASE_URL\nurl = os.environ["HF_BASE_URL"]', None),
        ("print(1)", None),
    ],
)
def test_the_address_is_read_from_the_file(code: str, expected: str | None) -> None:
    assert base_url_in(code) == expected


def test_an_address_that_can_not_be_read_is_never_taken_for_the_providers() -> None:
    code = OWN.format("http://a.example") + "BASE_URL = BASE_URL\n"
    choice = backends()
    assert choice.resolve("auto", code) == "local"
    with pytest.raises(BackendUnavailableError, match="BASE_URL can't be read"):
        choice.resolve("provider", code)
    with pytest.raises(BackendUnavailableError, match="BASE_URL can't be read"):
        asyncio.run(_route(choice.policy("provider", code)))


async def _route(policy: Policy) -> Upstream:
    return await policy(ProviderEnum.HUGGINGFACE)


def test_llama_cpps_own_server_is_one_too(tmp_path: Path) -> None:
    """The engine of the built-in model is a real server of that kind, with a key."""

    async def ask() -> LiveCatalog:
        model = LocalModel(log_file=tmp_path / "log")
        endpoint = await model.endpoint()
        settings = load_settings(
            data_dir=tmp_path, model_servers=f"{endpoint.base_url} LLAMA_KEY", refresh_hours=1
        )
        keys = KeySource({"LLAMA_KEY": endpoint.key.reveal()}, tmp_path / "none")
        try:
            catalog = LiveCatalog(settings, keys, environ={})
            await catalog.refresh_due()
            return catalog
        finally:
            await model.close()

    catalog = asyncio.run(ask())
    assert catalog.refresh_note(ProviderEnum.HUGGINGFACE) is None
    first = catalog.current().models(ProviderEnum.HUGGINGFACE)[0]
    assert first.base_url is not None
    assert first.base_url.startswith("http://127.0.0.1:")
    assert (first.id, first.origin) == (LABEL, "setting")
    assert first.context_window
