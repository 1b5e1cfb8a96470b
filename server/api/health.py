"""The route /healthz: whether the server works, and its components one by one."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from llm_agent_builder.providers import PROVIDERS
from server.api.security import may_see_details
from server.sandbox import Sandbox
from server.services import Services

__all__ = ["add_health_route"]

_LOG = "the server's log says why"
_PLAIN = {
    "store": f"the database can't be written; {_LOG}",
    "sandbox": f"runs can't be started, or can't be ended; {_LOG}",
    "local_model": "the built-in model can't be used; `llm-agent-builder doctor` says why",
    "budget": f"the day's spending can't be written; {_LOG}",
}
"""What is said to everybody; the details name hosts, users, paths and databases."""


def add_health_route(app: FastAPI) -> None:
    """Add the route."""
    app.get("/healthz")(get_health)


async def get_health(request: Request) -> JSONResponse:
    """Return whether the server works, and for each component: ok, or why not.

    `status` is `ok` or `degraded` (200), or `failing` (503): no run can be started or kept.
    """
    services: Services = request.app.state.services
    problems = {
        "store": await services.runs.store_problem(),
        "sandbox": _sandbox_problem(services.sandbox),
        "local_model": services.local_model.why_unavailable(),
        "budget": services.daily.problem,
    }
    status = _status(services, problems)
    said = problems if may_see_details(request.scope) else _PLAIN
    components = {name: said[name] if problem else "ok" for name, problem in problems.items()}
    body = {"status": status, "components": components}
    body["sandbox_tier"] = services.sandbox.report.tier
    return JSONResponse(body, 503 if status == "failing" else 200)


def _status(services: Services, problems: Mapping[str, str | None]) -> str:
    sandbox = services.sandbox
    if problems["store"] or not sandbox.report.available or sandbox.abandoned.full:
        return "failing"
    no_model = problems["local_model"] and not _has_provider(services)
    return "degraded" if problems["sandbox"] or problems["budget"] or no_model else "ok"


def _has_provider(services: Services) -> bool:
    """Return whether something else than the built-in model can answer runs."""
    return any(services.keys.key(id_) for id_ in PROVIDERS) or bool(services.settings.own_servers)


def _sandbox_problem(sandbox: Sandbox) -> str | None:
    if sandbox.report.available:
        return sandbox.abandoned.problem
    return sandbox.report.reason or "there is no sandbox here"
