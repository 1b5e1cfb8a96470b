"""The route of retirement help: an agent file, and where it can move to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from llm_agent_builder.catalog.model import is_line
from llm_agent_builder.editing.upgrade import find_upgrade
from llm_agent_builder.validation.text import MODEL_MAX_CHARS, ModelText
from server.models import CodeRequest
from server.services import Services

__all__ = ["UpgradeRequest", "add_upgrade_route"]


def _check_filename(value: object) -> str:
    if not isinstance(value, str) or not is_line(value):
        raise PydanticCustomError("file_name", "should be one line of text")
    return value


_FILENAME = WithJsonSchema({"type": "string", "maxLength": MODEL_MAX_CHARS, "title": "Filename"})


class UpgradeRequest(CodeRequest):
    """An agent file that is to move to another model."""

    filename: Annotated[str, PlainValidator(_check_filename), _FILENAME] = Field(
        default="agent.py", description="What the diff calls the file."
    )
    to: ModelText | None = Field(default=None, description="The one model to move to.")


def add_upgrade_route(app: FastAPI) -> None:
    """Add the route."""
    app.post("/api/upgrade")(post_upgrade)


async def post_upgrade(request: Request, body: UpgradeRequest) -> JSONResponse:
    """Return what becomes of a file's model, and the file moved to each successor.

    `{provider, model, lifecycle, retires_on, note, successors: [{id, label, price, context_window,
    problems, diff, code}]}`; with `to`, to that model alone. Where the model is no plain literal,
    422 `not_ours` says so.
    """
    services: Services = request.app.state.services
    catalog = services.catalog.current()
    found = await services.reading.run(
        lambda: find_upgrade(body.code, catalog, filename=body.filename, to=body.to)
    )
    content: dict[str, Any] = asdict(found)
    content["retires_on"] = found.retires_on.isoformat() if found.retires_on else None
    return JSONResponse(content)
