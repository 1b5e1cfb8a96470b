"""Shared helpers for tests of the HTTP interface."""

from __future__ import annotations

import json
from typing import Any

import httpx

SPEC = {
    "name": "Geographer",
    "prompt": "You are a helpful assistant.",
    "task": "What is the capital of France?",
    "provider": "anthropic",
    "model": "claude-sonnet-5-5",
}


def execute(client: httpx.Client, code: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/execute", json={"code": code, "task": "x", **more})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def start(client: httpx.Client, code: str) -> str:
    answer = client.post("/api/runs", json={"code": code, "task": "x"})
    assert answer.status_code == 202
    run_id: str = answer.json()["id"]
    return run_id


def events_of(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Parse a complete SSE response."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        if not fields:  # a comment alone, by which the server finds clients that have gone
            continue
        found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def fields(answer: httpx.Response) -> dict[str, str]:
    """Return the fields of a 422 response with their messages."""
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid_request"
    return {".".join(map(str, item["loc"][1:])): item["msg"] for item in answer.json()["detail"]}
