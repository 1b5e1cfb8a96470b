"""The built-in local model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from llm_agent_builder import AgentBuilder
from llm_agent_builder.errors import BackendUnavailableError
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.spec.agent_spec import make_spec
from server.gateway.gateway import Grant
from server.local_model.service import (
    MAX_TOKENS,
    REQUEST_MAX_BYTES,
    LocalModel,
    find_model_file,
    local_model_lacks,
    prepare_request,
)
from server.net.upstreams import Upstream
from server.secret import Secret
from tests.support.gateway_client import asking, bearer, eventually, through
from tests.support.processes import local_models_of
from tests.support.serving import bare_environment, wait_until


def test_answers_are_limited_for_any_request() -> None:
    asked = {"messages": [], "max_tokens": 8, "n_predict": 900, "max_completion_tokens": 900}
    assert json.loads(prepare_request(json.dumps({**asked, "ignore_eos": True}).encode())) == {
        "messages": [],
        "max_tokens": 8,
        "temperature": 0,
    }
    for wanted in (None, 0, -1, 10**9, "many", 2.5):
        body = prepare_request(json.dumps({"max_tokens": wanted}).encode())
        assert json.loads(body)["max_tokens"] == MAX_TOKENS


def test_body_that_is_not_a_request_is_left_to_the_model() -> None:
    for body in (b"", b"[1]", b"{", b"\xff"):
        assert prepare_request(body) == body


def test_file_that_is_configured_and_missing_is_not_replaced_by_another(tmp_path: Path) -> None:
    assert find_model_file(tmp_path / "missing.gguf") is None
    assert find_model_file() is not None


def test_file_that_is_not_a_model_is_an_error_with_advice(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")

    async def inside() -> None:
        model = LocalModel(path=broken, log_file=tmp_path / "log")
        try:
            await model.endpoint()
        finally:
            await model.close()

    with pytest.raises(BackendUnavailableError, match="did not start"):
        asyncio.run(inside())


def loading_children() -> list[int]:
    return local_models_of(os.getpid())


def test_model_that_is_killed_while_loading_is_reported(tmp_path: Path) -> None:
    async def killed() -> str | None:
        model = LocalModel(log_file=tmp_path / "log")
        starting = asyncio.create_task(model.endpoint())
        try:
            [child] = await eventually(loading_children)
            os.kill(child, signal.SIGKILL)
            await starting
        except BackendUnavailableError as error:
            return str(error)
        finally:
            await model.close()
        return None  # a busy machine looked when it had loaded

    said = next(filter(None, (asyncio.run(killed()) for _ in range(5))))
    assert "was killed (SIGKILL)" in said


def with_model(work: Callable[[LocalModel], Awaitable[Any]], folder: Path) -> Any:
    """Have `work` use a model, close it, and check that nothing is left."""

    async def inside() -> Any:
        model = LocalModel(log_file=folder / "log")
        try:
            return await work(model)
        finally:
            await model.close()
            assert loading_children() == []

    return asyncio.run(inside())


def test_load_whose_first_caller_has_gone_serves_the_others(tmp_path: Path) -> None:
    async def work(model: LocalModel) -> None:
        first = asyncio.create_task(model.endpoint())
        [child] = await eventually(loading_children)
        others = [asyncio.create_task(model.endpoint()) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        assert first.cancelled()
        endpoints = await asyncio.gather(*others)
        assert len({each.base_url for each in endpoints}) == 1
        assert loading_children() == [child]
        assert (await model.endpoint()).base_url == endpoints[0].base_url

    with_model(work, tmp_path)


def test_load_whose_only_caller_has_gone_is_there_for_the_next(tmp_path: Path) -> None:
    async def work(model: LocalModel) -> None:
        only = asyncio.create_task(model.endpoint())
        [child] = await eventually(loading_children)
        only.cancel()
        await asyncio.wait({only})
        await model.endpoint()
        assert loading_children() == [child]

    with_model(work, tmp_path)


@pytest.mark.parametrize("stopped", [False, True])
def test_model_closed_while_it_loads_leaves_nothing(tmp_path: Path, stopped: bool) -> None:
    async def work(model: LocalModel) -> None:
        waiting = asyncio.create_task(model.endpoint())
        [child] = await eventually(loading_children)
        if stopped:
            os.kill(child, signal.SIGSTOP)
        await model.close()
        for call in (waiting, model.endpoint()):
            with pytest.raises(BackendUnavailableError, match="server is shutting down"):
                await call

    with_model(work, tmp_path)


def test_start_broken_off_at_any_step_leaves_nothing(tmp_path: Path) -> None:
    async def work(model: LocalModel, steps: int) -> None:
        waiting = asyncio.create_task(model.endpoint())
        for _ in range(steps):
            await asyncio.sleep(0)
        waiting.cancel()
        await model.close()
        await asyncio.wait({waiting})

    for steps in range(12):
        with_model(partial(work, steps=steps), tmp_path)


def test_model_that_was_killed_is_loaded_again_for_the_next_call(tmp_path: Path) -> None:
    async def work(model: LocalModel) -> None:
        await model.endpoint()
        [child] = loading_children()
        os.kill(child, signal.SIGKILL)
        await eventually(lambda: not loading_children())
        async with asyncio.timeout(60):
            while not loading_children():  # its end may not have been noticed at once
                await model.endpoint()
                await asyncio.sleep(0.01)

    with_model(work, tmp_path)


SERVER = """
import asyncio, pathlib
from server.local_model.service import LocalModel
asyncio.run(LocalModel(log_file=pathlib.Path("log")).endpoint())
"""


@pytest.mark.parametrize("moment", range(4))
def test_server_killed_while_the_model_loads_leaves_nothing(tmp_path: Path, moment: int) -> None:
    """The server is killed when it has a child, or a little later: the kernel ends the child."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=tmp_path,
        env=bare_environment(tmp_path, PYTHONPATH=str(Path(__file__).resolve().parents[3])),
    )
    try:
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        [child] = wait_until(lambda: children.read_text().split())
        time.sleep(moment * 0.05)  # which moment it is matters not: none may leave the child
    finally:
        server.kill()
        server.wait()
    wait_until(lambda: is_gone(child))


def is_gone(pid: str) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_a_schema_as_hugging_faces_sdk_writes_it_is_held_to() -> None:
    schema = {"type": "object"}
    asked = {"response_format": {"type": "json_object", "value": schema}}
    body = json.loads(prepare_request(json.dumps(asked).encode()))
    assert body["response_format"] == {"type": "json_object", "schema": schema}


@pytest.mark.parametrize("provider", ["anthropic", "huggingface"])
def test_features_that_the_model_lacks_are_reported(provider: str) -> None:
    values = {"name": "A", "prompt": "P", "task": "T", "model": "m", "provider": provider}

    def lack(**more: object) -> str | None:
        found = local_model_lacks(AgentBuilder().build(make_spec({**values, **more})))
        return found and found[0]

    assert lack() is None
    assert lack(tools=[{"gallery": "calculator"}]) == "tools"
    assert lack(mcp_servers=[{"name": "x", "url": "http://127.0.0.1:1/mcp"}]) == "tools"


def test_request_that_is_far_beyond_the_local_models_context_is_refused_unread() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        body = asking() | {"system": "x" * REQUEST_MAX_BYTES}
        async with session.post("/v1/messages", json=body, headers=bearer(grant)) as answer:
            return answer.status

    async def policy(provider: ProviderEnum) -> Upstream:
        return Upstream("local", "http://127.0.0.1:9", Secret(""), max_bytes=REQUEST_MAX_BYTES)

    assert through(policy, client).result == 413
