"""The HTTP interface: `create_app()` makes an app; `uvicorn server.main:app` serves one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator

from server.api import agent_files, catalog, generate, health, inspect, runs, session
from server.api.dependencies import add_state
from server.api.errors import HANDLED, answer_error
from server.api.openapi import METRICS, DescribedApp, operation_id
from server.api.security import MethodMiddleware, SecurityMiddleware
from server.installation import STATIC, package_version, page_paths
from server.isolation.shutdown import Closing, Ending
from server.keys import KeySource
from server.net.last_answers import LastAnswers
from server.observability.logs import configure_logs
from server.services import open_services
from server.settings import Settings, load_settings, unknown_variables

_log = logging.getLogger(__name__)


def create_app(
    *, settings: Settings | None = None, keys: KeySource | None = None, static: Path = STATIC
) -> FastAPI:
    """Return an app that shares nothing with other apps in the same process.

    Raises:
        SettingsError: a setting can't be used; names its variable.

    """
    settings = settings or load_settings()
    registry = CollectorRegistry()
    app = DescribedApp(
        title="LLM Agent Builder",
        version=package_version(),
        lifespan=_lifespan_of(settings, keys or KeySource(), registry),
        redirect_slashes=False,
        docs_url=None,  # its pages load scripts from another site
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    add_state(app)
    app.state.catalog = catalog.CatalogCache()
    app.add_middleware(SecurityMiddleware, settings=settings, page=page_paths(static))
    for kind in HANDLED:
        app.add_exception_handler(kind, answer_error)
    instrumentator = Instrumentator(registry=registry, excluded_handlers=["/metrics"])
    instrumentator.instrument(app).expose(app, **METRICS)
    app.add_middleware(MethodMiddleware)
    app.add_middleware(LastAnswers)
    for each in (catalog, generate, inspect, agent_files, runs, session, health):
        app.include_router(each.router)
    _add_page(app, static)
    return app


def _lifespan_of(settings: Settings, keys: KeySource, registry: CollectorRegistry) -> Any:
    """Return a FastAPI lifespan that starts the app's services and stops them."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logs(settings.log_level)
        for problem in unknown_variables():
            _log.warning(problem)
        loop = asyncio.get_running_loop()
        ending = Ending()

        def end_runs() -> None:
            """End all runs, so that requests that wait for them end as well."""
            if hasattr(app.state, "services"):  # else the server is still starting
                loop.call_soon_threadsafe(app.state.services.runs.cancel_all)

        with ending.watching(end_runs):
            async with open_services(
                settings, keys, registry, closing=Closing(ending.left)
            ) as services:
                app.state.services = services
                yield

    return lifespan


def _add_page(app: FastAPI, static: Path) -> None:
    if (static / "index.html").is_file():
        # Not mounted: a mount at "/" would also answer paths of routes that lack the method.
        app.router.default = StaticFiles(directory=static, html=True)
        return

    @app.get("/", include_in_schema=False)
    async def page_missing() -> Response:
        return Response("The page is not built. Run `make run` or `make page`.\n", 503)


def __getattr__(name: str) -> Any:
    """Create `app` on its first use by uvicorn, not at each import of this module."""
    if name == "app":
        globals()["app"] = create_app()
        return globals()["app"]
    raise AttributeError(name)
