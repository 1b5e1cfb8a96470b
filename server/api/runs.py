"""The routes of runs: start a run, follow it, and read the history and the written files."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, StreamingResponse

from llm_agent_builder.errors import MachineryError
from server.api.bodies import BoundedRoute, forget_body
from server.api.dependencies import CurrentServices
from server.api.errors import BODY_ERRORS, Responses, describe_errors
from server.api.execute_answer import execute_answer
from server.api.large_answers import LargeAnswers
from server.api.schemas import CassetteResponse, ErrorCode, RunResponse, RunsResponse
from server.api.sse import Readers, event_stream
from server.gateway.cassette import parse_cassette
from server.models import ExecuteRequest, ExecuteResponse, RunAccepted
from server.runs.manager import RunManager
from server.runs.run import Run
from server.services import Services

__all__ = ["router"]


class _WithCassette(BoundedRoute):
    """Parses a body's cassette in a thread first."""

    async def check(self, value: Any) -> None:
        """Replace the JSON of a cassette by the parsed cassette."""
        if isinstance(value, dict) and isinstance(value.get("replay"), dict):
            value["replay"] = await asyncio.to_thread(parse_cassette, value["replay"])


router = APIRouter(route_class=BoundedRoute, tags=["runs"])
_starting = APIRouter(route_class=_WithCassette)
_START_ERRORS: tuple[ErrorCode, ...] = (
    *BODY_ERRORS,
    *("queue_full", "backend_unavailable", "sandbox_unavailable", "store_unavailable"),
    "machinery_failed",
)
"""The errors of routes that start a run: refusals, and failures of the server."""
_RUN_ERRORS: tuple[ErrorCode, ...] = ("run_not_found", "store_unavailable")
_LARGE_ANSWER_ERRORS: tuple[ErrorCode, ...] = (*_RUN_ERRORS, "busy")


# ---------------------------------------------------------------- starting runs


@_starting.post(
    "/api/execute", response_model=ExecuteResponse, responses=describe_errors(*_START_ERRORS)
)
async def execute(request: Request, services: CurrentServices, body: ExecuteRequest) -> Response:
    """Run a program and wait for its end. If the client disconnects, the run is cancelled.

    If the program fails, the answer is HTTP 200 with `status: "error"`. HTTP errors mean that the
    server failed or refused.
    """
    runs = services.runs
    run = await _admit(request, services, body)
    await _wait_while_connected(request, runs, run)
    if run.failure is not None:
        raise run.failure
    run_id = run.id
    pieces = await asyncio.to_thread(execute_answer, run, lambda: runs.event_pages(run_id))
    return StreamingResponse(pieces, media_type="application/json")


@_starting.post("/api/runs", status_code=202, responses=describe_errors(*_START_ERRORS))
async def create_run(
    request: Request, services: CurrentServices, body: ExecuteRequest
) -> RunAccepted:
    """Start a run and return its id; `/api/runs/{run_id}/events` follows it."""
    run = await _admit(request, services, body)
    return RunAccepted(id=run.id)


async def _admit(request: Request, services: Services, body: ExecuteRequest) -> Run:
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
            with contextlib.suppress(MachineryError):  # it is logged
                await asyncio.shield(runs.cancel(run.id))


router.include_router(_starting)


# ---------------------------------------------------------------- the history


@router.get(
    "/api/runs",
    response_model=RunsResponse,
    responses=describe_errors("invalid_request", *_RUN_ERRORS),
)
async def list_runs(
    services: CurrentServices,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Return runs, newest first; `next` is the `before` of the next page, or null."""
    runs = await services.runs.history(limit=limit, before=before)
    following = runs[-1].id if len(runs) == limit else None
    return JSONResponse(jsonable_encoder({"runs": runs, "next": following}))


@router.get(
    "/api/runs/{run_id}",
    response_model=RunResponse,
    responses=describe_errors(*_LARGE_ANSWER_ERRORS),
)
async def get_run(request: Request, services: CurrentServices, run_id: str) -> Response:
    """Return one run with its code, its task, and the names and sizes of its files."""

    async def read() -> Response:
        run = await services.runs.describe(run_id)
        return JSONResponse(jsonable_encoder(run))

    described: LargeAnswers = request.app.state.described_runs
    return described.answer(read)


@router.delete(
    "/api/runs/{run_id}",
    status_code=204,
    responses=describe_errors(*_RUN_ERRORS, "run_elsewhere", "machinery_failed"),
)
async def cancel_run(services: CurrentServices, run_id: str) -> None:
    """Cancel a run. 204: all of its processes have ended; 503: some could not be killed."""
    await services.runs.cancel(run_id)


# ---------------------------------------------------------------- events, recordings, files


def _content(media_type: str, description: str, schema: dict[str, Any]) -> Responses:
    """Return the `responses` of a route whose answer is not JSON."""
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


_STREAM = _content(
    "text/event-stream",
    "Server-sent events; the schema describes one event. Comments keep an idle stream alive.",
    {"$ref": "#/components/schemas/RunEvent"},
)
_BYTES = _content(
    "application/octet-stream", "The file's content.", {"type": "string", "format": "binary"}
)


@router.get(
    "/api/runs/{run_id}/events",
    response_class=Response,
    responses={**_STREAM, **describe_errors(*_LARGE_ANSWER_ERRORS)},
)
async def get_run_events(
    request: Request,
    services: CurrentServices,
    run_id: str,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Stream the events of a run until it ends; `Last-Event-ID` resumes after that event."""
    runs = services.runs
    await runs.require(run_id)  # so that an unknown run is an error, not an empty stream
    readers: Readers = request.app.state.readers
    readers.require_capacity()
    pages = runs.event_pages(run_id, after=_event_number(last_event_id))
    return StreamingResponse(
        readers.count(event_stream(pages)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _event_number(text: str | None) -> int:
    """Parse a Last-Event-ID; a malformed one means: from the start."""
    plausible = text is not None and text.isascii() and text.isdecimal() and len(text) < 10
    return int(text) if text and plausible else 0


@router.get(
    "/api/runs/{run_id}/cassette",
    response_model=CassetteResponse,
    responses=describe_errors(*_LARGE_ANSWER_ERRORS),
)
async def get_run_cassette(request: Request, services: CurrentServices, run_id: str) -> Response:
    """Return the recorded model calls of a run, for `replay` in a later request."""

    async def read() -> Response:
        text = await services.runs.cassette(run_id)
        return Response(text, media_type="application/json")

    cassettes: LargeAnswers = request.app.state.cassettes
    return cassettes.answer(read)


@router.get(
    "/api/runs/{run_id}/files/{name:path}",
    response_class=Response,
    responses={**_BYTES, **describe_errors(*_LARGE_ANSWER_ERRORS, "file_not_found")},
)
async def get_run_file(
    request: Request, services: CurrentServices, run_id: str, name: str
) -> Response:
    """Return a file that a run wrote, as a download that browsers don't display."""
    saved_as = quote(name.rpartition("/")[2], safe="")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{saved_as}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }

    async def read() -> Response:
        content = await services.runs.file(run_id, name)
        return Response(content, media_type="application/octet-stream", headers=headers)

    files: LargeAnswers = request.app.state.run_files
    return files.answer(read)
