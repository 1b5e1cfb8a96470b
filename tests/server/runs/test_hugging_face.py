"""Hugging Face code that ignores the base URL variable fails with advice."""

from __future__ import annotations

import httpx
import pytest

from server.runs.backends import base_url_hint
from tests.support.api_client import events_of, execute
from tests.support.serving import ServerFactory
from tests.support.upstream import Answer, Received, message, scripted

NAMED = (
    "from huggingface_hub import InferenceClient\n"
    "client = InferenceClient(provider='together')\n"
    "client.chat_completion([{'role': 'user', 'content': 'x'}], model='m/x')\n"
)
AUTO = (
    "import os\n"
    "from huggingface_hub import InferenceClient\n"
    "from huggingface_hub.inference._providers import get_provider_helper\n"
    "helper = get_provider_helper('auto', task='conversational', model='m/x')\n"
    "print(helper._prepare_base_url(os.environ['HF_TOKEN']))\n"
)


def test_code_without_a_base_url_fails_with_a_line_that_explains_it(client: httpx.Client) -> None:
    result = execute(client, NAMED)
    events = events_of(client.get(f"/api/runs/{result['run_id']}/events").text)
    assert result["status"] == "error"
    [denied] = [data for _, kind, data in events if kind == "denied"]
    assert denied["kind"] == "network"
    assert 'pass base_url=os.environ.get("HF_BASE_URL") to InferenceClient' in denied["message"]


def test_run_token_is_accepted_by_hugging_faces_sdk(client: httpx.Client) -> None:
    assert execute(client, AUTO)["stdout"] == "https://router.huggingface.co\n"


def test_code_with_the_base_url_reaches_the_model(serve: ServerFactory) -> None:
    def script(request: Received) -> Answer:
        assert request.path == "/v1/chat/completions"
        return Answer(headers={"Content-Type": "application/json"}, body=message("x"))

    code = NAMED.replace("(provider='together')", "(base_url=os.environ['HF_BASE_URL'])")
    with scripted(script) as upstream:
        server = serve(HF_TOKEN="hf-key", AGENT_BUILDER_HUGGINGFACE_UPSTREAM=upstream.url)
        with server.client() as client:
            execute(client, "import os\n" + code)
    assert len(upstream.received) == 1


@pytest.mark.parametrize(
    ("code", "hinted"),
    [
        (NAMED, True),
        ("import anthropic", False),
        ("print(1)", False),
        (NAMED + "# HF_BASE_URL", False),
    ],
)
def test_only_code_that_needs_the_hint_gets_it(code: str, hinted: bool) -> None:
    assert (base_url_hint(code) is not None) is hinted
