"""The route /healthz: the state of the server and of each component."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from llm_agent_builder.providers import PROVIDERS
from server.api.bodies import BoundedRoute
from server.api.dependencies import CurrentServices
from server.api.errors import describe_errors
from server.api.schemas import HealthResponse
from server.api.security import may_see_details
from server.sandbox import Sandbox
from server.services import Services

__all__ = ["router"]

router = APIRouter(route_class=BoundedRoute, tags=["server"])

_LOG = "the server's log says why"
_PLAIN = {
    "store": f"the database can't be written; {_LOG}",
    "sandbox": f"runs can't be started or ended; {_LOG}",
    "local_model": "the built-in model can't be used; `llm-agent-builder doctor` says why",
    "budget": f"the day's spending can't be written; {_LOG}",
}
"""Messages for callers without access; the details name hosts, users, paths and databases."""


@router.get(
    "/healthz",
    response_model=HealthResponse,
    responses={
        **describe_errors(protected=False),
        503: {"model": HealthResponse, "description": "No run can be started or saved."},
    },
)
async def get_health(request: Request, services: CurrentServices) -> JSONResponse:
    """Return the state of the server, and for each component "ok" or the problem.

    `status` is `ok` or `degraded` (200), or `failing` (503). Only callers with access see details.
    """
    problems = {
        "store": await services.runs.store_problem(),
        "sandbox": _sandbox_problem(services.sandbox),
        "local_model": services.local_model.why_unavailable(),
        "budget": services.daily.problem,
    }
    status = _status(services, problems)
    messages = problems if may_see_details(request.scope) else _PLAIN
    components = {name: messages[name] if problem else "ok" for name, problem in problems.items()}
    tier = services.sandbox.report.tier
    body = {"status": status, "components": components, "sandbox_tier": tier}
    return JSONResponse(body, 503 if status == "failing" else 200)


def _status(services: Services, problems: Mapping[str, str | None]) -> str:
    sandbox = services.sandbox
    if problems["store"] or not sandbox.report.available or sandbox.abandoned.full:
        return "failing"
    no_model = problems["local_model"] and not _has_provider(services)
    return "degraded" if problems["sandbox"] or problems["budget"] or no_model else "ok"


def _has_provider(services: Services) -> bool:
    """Return whether anything other than the built-in model can answer runs."""
    return any(services.keys.key(id_) for id_ in PROVIDERS) or bool(services.settings.own_servers)


def _sandbox_problem(sandbox: Sandbox) -> str | None:
    if sandbox.report.available:
        return sandbox.abandoned.problem
    return sandbox.report.reason or "no sandbox is available on this machine"
