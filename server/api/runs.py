"""The routes that start runs: their bodies are the largest, and so are their answers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from llm_agent_builder.errors import MachineryError
from server.api.bodies import BoundedRoute, forget_body
from server.api.execute_answer import execute_answer
from server.gateway.cassette import parse_cassette
from server.models import ExecuteRequest, ExecuteResponse, RunAccepted
from server.runs.manager import RunManager
from server.runs.run import Run
from server.services import Services

__all__ = ["add_run_routes"]


def add_run_routes(app: FastAPI) -> None:
    """Add the routes."""
    app.router.add_api_route(
        "/api/execute",
        post_execute,
        methods=["POST"],
        response_model=ExecuteResponse,
        route_class_override=_WithCassette,
    )
    app.router.add_api_route(
        "/api/runs",
        post_run,
        methods=["POST"],
        status_code=202,
        route_class_override=_WithCassette,
    )


class _WithCassette(BoundedRoute):
    """Reads a body's cassette in a thread first."""

    async def check(self, value: Any) -> None:
        """Put the cassette itself in the place of its JSON."""
        if isinstance(value, dict) and isinstance(value.get("replay"), dict):
            value["replay"] = await asyncio.to_thread(parse_cassette, value["replay"])


def _runs(request: Request) -> RunManager:
    services: Services = request.app.state.services
    return services.runs


async def post_execute(request: Request, body: ExecuteRequest) -> Response:
    """Run a program and wait for its end. If the client goes away, the run is cancelled."""
    run = await _admit(request, body)
    await _wait_while_connected(request, _runs(request), run)
    if run.failure is not None:
        raise run.failure
    runs, run_id = _runs(request), run.id
    pieces = await asyncio.to_thread(execute_answer, run, lambda: runs.event_pages(run_id))
    return StreamingResponse(pieces, media_type="application/json")


async def _admit(request: Request, body: ExecuteRequest) -> Run:
    services: Services = request.app.state.services
    options = body.options(services.settings)
    forget_body(request)
    limits = body.limits.limits()
    return await services.runs.admit(body.code, body.task, body.backend, limits, options)


async def _wait_while_connected(request: Request, runs: RunManager, run: Run) -> None:
    async def wait_for_disconnect() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.create_task(wait_for_disconnect())
    done = asyncio.create_task(run.done.wait())
    try:
        await asyncio.wait({gone, done}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        done.cancel()
        if not run.done.is_set():
            with contextlib.suppress(MachineryError):  # the log says it, too
                await asyncio.shield(runs.cancel(run.id))


async def post_run(request: Request, body: ExecuteRequest) -> RunAccepted:
    """Start a run; its events tell the rest."""
    run = await _admit(request, body)
    return RunAccepted(id=run.id)
