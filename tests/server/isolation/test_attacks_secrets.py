"""A hostile program that searches for a key, on a server that has one, on every tier."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.attacking import ATTACKS, source
from tests.support.serving import INSTALLED_MODEL, ServerFactory

CANARY = "canary-" + "0123456789abcdef" * 2
PATTERN = r"canary\x2d[0-9a-f]{32}"


def test_key_of_the_server_is_nowhere_in_a_run(tier: str, serve: ServerFactory) -> None:
    server = serve(
        ANTHROPIC_API_KEY=CANARY,
        HF_TOKEN=CANARY,
        AGENT_BUILDER_SANDBOX_TIER=tier,
        AGENT_BUILDER_TOKEN=CANARY,
        AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL,
    )
    with server.client() as client:
        client.headers["Authorization"] = f"Bearer {CANARY}"
        for backend in ("local", "provider"):
            body = {"code": source("hunt_key"), "task": PATTERN, "backend": backend}
            answer = client.post("/api/execute", json=body, timeout=60).json()
            assert (answer["status"], answer["output"]) == ("success", ""), backend


def test_hunting_program_does_find_a_key_where_there_is_one(tmp_path: Path) -> None:
    place = tmp_path / "outside"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, str(ATTACKS / "hunt_key.py"), "--task", PATTERN],
        env={"PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": CANARY},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    for place_found in ("the environment", "environ of itself", "memory of itself"):
        assert f"found in {place_found}\n" in done.stdout
