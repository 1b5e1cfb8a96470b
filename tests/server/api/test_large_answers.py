"""Unread large answers: few are in memory at once, and other clients are served."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Message

from llm_agent_builder.errors import ServerBusyError
from server.api.large_answers import LargeAnswers
from tests.server.api.test_slow_clients import asking_for, connected
from tests.support.api_client import execute
from tests.support.serving import Serving, start_server, wait_until

_MIB = 2**20
_LARGE_RUN = "#" + "\1" * 900_000 + "\nopen('big.bin', 'wb').write(bytes((4 << 20) - 10))"
_BEFORE = """
from server.api import large_answers
large_answers.LargeAnswers.__init__.__defaults__ = (0.5, {read_timeout_s})
"""


@contextlib.contextmanager
def serving(folder: Path, read_timeout_s: float) -> Iterator[tuple[Serving, str]]:
    """Yield a server with this timeout for reading an answer, and the id of a large run."""
    running = start_server(folder, before=_BEFORE.format(read_timeout_s=read_timeout_s))
    try:
        with running.client() as client:
            run = execute(client, _LARGE_RUN)["run_id"]
        yield running, run
    finally:
        running.stop()


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, str]]:
    with serving(tmp_path_factory.mktemp("server"), 600.0) as found:
        yield found


def most_resident(server: Serving) -> int:
    """Return the peak memory of a server since its last reset, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.parametrize("what", ["", "/files/big.bin"], ids=["run", "file"])
def test_unread_responses_use_little_memory(patient: tuple[Serving, str], what: str) -> None:
    server, large_run = patient
    path = f"/api/runs/{large_run}{what}"
    with server.client() as client, contextlib.ExitStack() as stack:
        whole = client.get(path).raise_for_status()
        assert len(whole.content) > 4_000_000
        Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
        before = most_resident(server)
        for _ in range(100):
            stack.enter_context(connected(server, first=asking_for(path)))
        answer = client.get(path)  # sockets may have taken in all of the few answers at once
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["code"]) == (503, "busy")
            assert answer.headers["Retry-After"] == "5"
        assert client.get("/healthz").status_code == 200
        assert client.get("/api/runs").status_code == 200
        assert most_resident(server) - before < 48 * _MIB
    with server.client() as client:
        wait_until(lambda: client.get(path).content == whole.content)


@pytest.mark.matrix
def test_place_is_free_again_while_a_client_still_does_not_read(tmp_path: Path) -> None:
    with (
        serving(tmp_path, 1.0) as (server, run),
        contextlib.ExitStack() as stack,
        server.client() as client,
    ):
        path = f"/api/runs/{run}/files/big.bin"
        for _ in range(4):
            stack.enter_context(connected(server, first=asking_for(path)))
        wait_until(lambda: client.get(path).status_code == 200)


def test_missing_run_or_file_is_404(client: httpx.Client) -> None:
    for path, code in (("/api/runs/none", "run_not_found"), ("/api/runs/none/files/x", "")):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.json()["code"] in {code, "run_not_found", "file_not_found"}
    run = execute(client, "print(1)")["run_id"]
    assert client.get(f"/api/runs/{run}/files/x").json()["code"] == "file_not_found"


def test_small_answers_use_no_slot_while_they_are_written() -> None:
    async def places() -> None:
        answers = LargeAnswers(1, wait_s=0.1)
        stuck, written = asyncio.Event(), 0

        async def send(_: Message) -> None:
            nonlocal written
            written += 1
            await stuck.wait()

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def answer(size: int) -> None:
            async def make() -> Response:
                return Response(bytes(size))

            await answers.answer(make)({"type": "http"}, receive, send)

        tasks = [asyncio.create_task(answer(1000)) for _ in range(3)]
        tasks.append(asyncio.create_task(answer(_MIB)))
        while written < 4:
            await asyncio.sleep(0)
        with pytest.raises(ServerBusyError):
            await answer(10)
        stuck.set()
        await asyncio.gather(*tasks)
        await answer(_MIB)

    asyncio.run(places())
