"""The route that writes agent files; slow work runs in a thread."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from llm_agent_builder import AgentBuilder, filename_for
from llm_agent_builder.spec.agent_spec import AgentSpec
from llm_agent_builder.spec.model_check import checked_spec
from llm_agent_builder.user_code.gallery_needs import needs_of
from server.api.agent_files import regenerate_file
from server.api.bodies import BoundedRoute
from server.api.dependencies import CurrentServices
from server.api.errors import BODY_ERRORS, describe_errors
from server.models import GenerateRequest, GenerateResponse, HandWritten

__all__ = ["router"]

_SHORT_BYTES = 8 * 1024
"""Specs with less text and without code take less time than starting a thread."""


class _CheckedInThread(BoundedRoute):
    """Validates long bodies in a thread first; the second validation uses cached results."""

    async def check(self, value: Any) -> None:
        """Validate a long body in a thread, with the same errors as the route."""
        if _is_long(value):
            await asyncio.to_thread(_check, value)


def _is_long(value: object) -> bool:
    if not isinstance(value, dict) or value.get("tools") or value.get("answer"):
        return True
    return sum(len(each) for each in value.values() if isinstance(each, str)) > _SHORT_BYTES


def _check(value: object) -> None:
    try:
        GenerateRequest.model_validate(value)
    except ValidationError as error:
        problems = [
            {**problem, "loc": ("body", *problem["loc"])}
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise RequestValidationError(problems) from None


router = APIRouter(route_class=_CheckedInThread, tags=["agents"])


@router.post(
    "/api/generate", responses=describe_errors(*BODY_ERRORS, "conflict", "not_ours", "readers_busy")
)
async def generate_agent(services: CurrentServices, body: GenerateRequest) -> GenerateResponse:
    """Generate an agent file; with `base`, update the fields of a manually edited file.

    409 `conflict` lists the conflicts between changed fields and manual edits.
    """
    catalog = services.catalog.current()
    spec = checked_spec(body.spec(), catalog)
    kept: list[HandWritten] = []
    if body.base is not None:
        code, kept = await regenerate_file(services.parser_pool, body.base, spec)
    elif _is_quick(spec):
        code = AgentBuilder().build(spec)
    else:
        code = await asyncio.to_thread(AgentBuilder().build, spec)
    filename = filename_for(body.name)
    warning = None if spec.base_url else catalog.warning(spec.provider, spec.model)
    return GenerateResponse(
        message=f"{filename} is written: {len(code.splitlines())} lines",
        code=code,
        filename=filename,
        warnings=[warning] if warning else [],
        kept=kept,
        needs=list(needs_of(code)),
    )


def _is_quick(spec: AgentSpec) -> bool:
    long = len(spec.prompt) + len(spec.task) > _SHORT_BYTES
    return not (long or spec.tools or spec.answer)
