"""The HTTP interface: `create_app()` puts the services together; `app` is what uvicorn serves."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Header, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.exceptions import HTTPException

from llm_agent_builder.errors import (
    AgentBuilderError,
    BackendUnavailableError,
    MachineryError,
    MergeConflictError,
    NotOursError,
    QueueFullError,
    ReadersBusyError,
    RunElsewhereError,
    RunFileNotFoundError,
    RunNotFoundError,
    SandboxUnavailableError,
    ServerBusyError,
    SpecError,
    StoreError,
    TooLargeError,
)
from llm_agent_builder.gallery import gallery
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.validation.messages import describe_error
from server.api.agent_files import add_agent_file_routes
from server.api.bodies import Bodies, BoundedRoute, SmallBodyRoute
from server.api.generate import add_generate_route
from server.api.health import add_health_route
from server.api.large_answers import LargeAnswers
from server.api.runs import add_run_routes
from server.api.security import (
    COOKIE,
    MethodMiddleware,
    SecurityMiddleware,
    session_cookie,
    token_matches,
)
from server.api.sse import Readers, event_stream
from server.api.upgrade import add_upgrade_route
from server.installation import STATIC, package_version, page_paths
from server.isolation.files import MAX_BYTES, MAX_FILES
from server.isolation.shutdown import Closing, Ending
from server.keys import KeySource, server_key
from server.models import SessionRequest
from server.net.last_answers import LastAnswers
from server.observability.logs import configure_logs
from server.services import Services, backend_label, open_services
from server.settings import Settings, load_settings, unknown_variables

_log = logging.getLogger(__name__)


def create_app(
    *, settings: Settings | None = None, keys: KeySource | None = None, static: Path = STATIC
) -> FastAPI:
    """Return an app of its own: nothing is shared with another one in the same process.

    Raises:
        SettingsError: a setting can't be used; names its variable.

    """
    settings = settings or load_settings()
    keys = keys or KeySource()
    registry = CollectorRegistry()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logs(settings.log_level)
        for problem in unknown_variables():
            _log.warning(problem)
        loop = asyncio.get_running_loop()
        ending = Ending()

        def end_runs() -> None:
            """Give whoever waits for a run its end, so that connections end, too."""
            if hasattr(app.state, "services"):  # else the server is still starting
                loop.call_soon_threadsafe(app.state.services.runs.cancel_all)

        with ending.watching(end_runs):
            async with open_services(
                settings, keys, registry, closing=Closing(ending.left)
            ) as services:
                app.state.services = services
                yield

    app = FastAPI(
        title="LLM Agent Builder",
        version=package_version(),
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
    )
    app.router.route_class = BoundedRoute
    app.state.bodies = Bodies()
    app.state.readers = Readers()
    app.state.described_runs = LargeAnswers(4)  # of 6 MiB each, where all of the code is escaped
    app.state.run_files = LargeAnswers(4)  # of 4 MiB each
    app.state.cassettes = LargeAnswers(2)  # of 16 MiB each, twice while they are encoded
    app.add_middleware(SecurityMiddleware, settings=settings, page=page_paths(static))
    for kind in (AgentBuilderError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer_error)
    Instrumentator(registry=registry, excluded_handlers=["/metrics"]).instrument(app).expose(
        app, include_in_schema=False
    )
    app.add_middleware(MethodMiddleware)
    app.add_middleware(LastAnswers)
    _add_routes(app)
    _add_page(app, static)
    return app


# ---------------------------------------------------------------- errors

_STATUS: tuple[tuple[type[Exception], int, str], ...] = (
    (QueueFullError, 429, "queue_full"),
    (ReadersBusyError, 429, "readers_busy"),
    (RunNotFoundError, 404, "run_not_found"),
    (RunFileNotFoundError, 404, "file_not_found"),
    (RunElsewhereError, 409, "run_elsewhere"),
    (ServerBusyError, 503, "busy"),
    (TooLargeError, 413, "too_large"),
    (SpecError, 422, "invalid_request"),
    (NotOursError, 422, "not_ours"),
    (MergeConflictError, 409, "conflict"),
    (BackendUnavailableError, 409, "backend_unavailable"),
    (SandboxUnavailableError, 503, "sandbox_unavailable"),
    (StoreError, 503, "store_unavailable"),
    (MachineryError, 503, "machinery_failed"),
)


_PROBLEMS_SHOWN = 20
"""Enough to correct a body by. More than some hundreds are never made: a list or an object that may
have few parts is refused at its first part too many."""
_KEY_SHOWN = 100
_MESSAGE_SHOWN = 2000


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Turn an exception into the one shape of errors; the only place that does."""
    if isinstance(error, RequestValidationError):
        field = getattr(request.scope.get("route"), "body_field", None)
        model = field.field_info.annotation if field else None
        detail = [_problem(item, model) for item in error.errors()[:_PROBLEMS_SHOWN]]
        return _ErrorAnswer({"detail": detail, "code": "invalid_request"}, 422)
    if isinstance(error, HTTPException):
        code = HTTPStatus(error.status_code).name.lower()
        return _ErrorAnswer({"detail": error.detail, "code": code}, error.status_code)
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            headers = {}
            if isinstance(error, QueueFullError | ReadersBusyError | ServerBusyError):
                headers["Retry-After"] = str(max(1, round(error.retry_after)))
            shown = _at_field(error) if isinstance(error, SpecError) else str(error)
            body: dict[str, Any] = {"detail": shown, "code": code}
            if isinstance(error, MergeConflictError):
                body["conflicts"] = [asdict(conflict) for conflict in error.conflicts]
            return _ErrorAnswer(body, status, headers)
    _log.error("unexpected error", exc_info=error, extra={"path": request.url.path})
    return _ErrorAnswer({"detail": "the server failed; its log says why", "code": "bug"}, 500)


class _ErrorAnswer(JSONResponse):
    """All of it escaped: what was sent and is named may hold lone surrogates."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


def _problem(item: Any, model: object) -> dict[str, Any]:
    """Return what is shown of a problem: without `input` and `ctx`, which echo what was sent."""
    place = [part if isinstance(part, int) else str(part)[:_KEY_SHOWN] for part in item["loc"]]
    message = describe_error(item, model, 1)[:_MESSAGE_SHOWN]
    return {"loc": place[:_KEY_SHOWN], "msg": message, "type": item["type"]}


def _at_field(error: SpecError) -> list[dict[str, Any]]:
    return [
        {"loc": ["body", *field.split(".")], "msg": problem, "type": "value_error"}
        for field, problem in error.problems
    ]


# ---------------------------------------------------------------- routes


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _add_routes(app: FastAPI) -> None:
    app.get("/api/catalog")(get_catalog)
    add_generate_route(app)
    add_agent_file_routes(app)
    add_upgrade_route(app)
    add_run_routes(app)
    app.get("/api/runs")(get_runs)
    app.get("/api/runs/{run_id}", response_model=dict[str, Any])(get_run)
    app.get("/api/runs/{run_id}/events")(get_events)
    app.get("/api/runs/{run_id}/cassette", response_class=Response)(get_cassette)
    app.get("/api/runs/{run_id}/files/{name:path}", response_class=Response)(get_run_file)
    app.delete("/api/runs/{run_id}", status_code=204)(delete_run)
    app.router.add_api_route(
        "/api/session",
        post_session,
        methods=["POST"],
        status_code=204,
        route_class_override=SmallBodyRoute,
    )
    add_health_route(app)


def _add_page(app: FastAPI, static: Path) -> None:
    if (static / "index.html").is_file():
        app.mount("/", StaticFiles(directory=static, html=True), name="page")
        return

    @app.get("/", include_in_schema=False)
    async def page_missing() -> Response:
        return Response("The page is not built. Run `make run`, or `make page`.\n", 503)


async def get_catalog(request: Request) -> Response:
    """Return providers with their models, backends, what the sandbox is made of, and its bounds."""
    services = _services(request)
    services.catalog.wake()
    local_reason = services.local_model.why_unavailable()
    any_key = any(services.keys.key(id_) for id_ in PROVIDERS) or bool(
        services.settings.own_servers
    )
    names = " or ".join(provider.key_env for provider in PROVIDERS.values())
    content = {
        "backends": [
            {
                "id": "provider",
                "label": backend_label("provider", services.local_model),
                "available": any_key,
                "reason": None if any_key else f"no key: set {names} in the environment or .env",
            },
            {
                "id": "local",
                "label": backend_label("local", services.local_model),
                "available": local_reason is None,
                "reason": local_reason,
            },
        ],
        "sandbox": asdict(services.sandbox.report),
        "files": {"max_count": MAX_FILES, "max_bytes": MAX_BYTES},
        "egress": {"allowed": list(services.settings.egress_allow)},
        "tools": [asdict(tool) for tool in gallery()],
    }
    providers = ",".join(_provider_json(services, id_) for id_ in PROVIDERS)
    text = f'{{"providers":[{providers}],{json.dumps(content)[1:]}'
    return Response(text, media_type="application/json")


def _provider_json(services: Services, id_: ProviderEnum) -> str:
    # Hundreds of models are text already: written once, not for each page.
    provider = PROVIDERS[id_]
    content = {
        "id": provider.id,
        "label": provider.label,
        "key_env": provider.key_env,
        "key_configured": services.keys.key(id_) is not None,
        "default_model": provider.default_model,
        "servers": _servers_json(services) if id_ is ProviderEnum.HUGGINGFACE else [],
        "refreshed_at": services.catalog.refreshed_at(id_),
        "refresh_note": services.catalog.refresh_note(id_),
    }
    return f'{json.dumps(content)[:-1]},"models":{services.catalog.models_json(id_)}}}'


def _servers_json(services: Services) -> list[dict[str, Any]]:
    """Return the servers of the user's own, and whether their keys are there."""
    return [
        {
            "base_url": server.base_url,
            "key_env": server.key_variable,
            "key_configured": server_key(server, services.keys) is not None,
        }
        for server in services.settings.own_servers.values()
    ]


async def get_cassette(request: Request, run_id: str) -> Response:
    """Return the recorded model calls of a run, to be replayed."""

    async def read() -> Response:
        text = await _services(request).runs.cassette(run_id)
        return Response(text, media_type="application/json")

    cassettes: LargeAnswers = request.app.state.cassettes
    return cassettes.answer(read)


async def get_runs(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(max_length=64)] = None,
) -> dict[str, Any]:
    """Return runs, newest first; `next` is the `before` of the following page, or null."""
    runs = await _services(request).runs.history(limit=limit, before=before)
    return {"runs": runs, "next": runs[-1]["id"] if len(runs) == limit else None}


async def get_run(request: Request, run_id: str) -> Response:
    """Return one run, with its code and task, and the files it left (names and sizes)."""

    async def read() -> Response:
        run = await _services(request).runs.describe(run_id)
        return JSONResponse(jsonable_encoder(run))

    described: LargeAnswers = request.app.state.described_runs
    return described.answer(read)


async def get_run_file(request: Request, run_id: str, name: str) -> Response:
    """Return a file that a run left, to be saved: no browser may show what a program made."""
    saved_as = quote(name.rpartition("/")[2], safe="")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{saved_as}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }

    async def read() -> Response:
        content = await _services(request).runs.file(run_id, name)
        return Response(content, media_type="application/octet-stream", headers=headers)

    files: LargeAnswers = request.app.state.run_files
    return files.answer(read)


async def delete_run(request: Request, run_id: str) -> None:
    """Cancel a run; 204 says that nothing of it is left, 503 that its processes can't be killed."""
    await _services(request).runs.cancel(run_id)


async def get_events(
    request: Request,
    run_id: str,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Stream the events of a run; `Last-Event-ID` resumes behind that event."""
    runs = _services(request).runs
    await runs.require(run_id)  # a run that isn't there is an error, not an empty stream
    readers: Readers = request.app.state.readers
    readers.require_place()
    pages = runs.event_pages(run_id, after=_event_number(last_event_id))
    return StreamingResponse(
        readers.count(event_stream(pages)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _event_number(text: str | None) -> int:
    """Read a Last-Event-ID; what can't be one of ours means: from the start."""
    plausible = text is not None and text.isascii() and text.isdecimal() and len(text) < 10
    return int(text) if text and plausible else 0


async def post_session(request: Request, body: SessionRequest) -> Response:
    """Keep the access token in a cookie that scripts can't read."""
    token = _services(request).settings.token
    if token is not None and not token_matches(body.token.encode("utf-8", "replace"), token):
        return JSONResponse({"detail": "that is not the token", "code": "token_required"}, 401)
    response = Response(status_code=204)
    if token is not None:
        response.set_cookie(COOKIE, session_cookie(token), httponly=True, samesite="strict")
    return response


def __getattr__(name: str) -> Any:
    """Make `app` when `uvicorn server.main:app` asks for it, not whenever this is imported."""
    if name == "app":
        globals()["app"] = create_app()
        return globals()["app"]
    raise AttributeError(name)
