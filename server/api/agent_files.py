"""Routes that read agent files: back to a spec, with changed fields, and the spec's schema."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request, Response

from llm_agent_builder.editing.regenerate import regenerate
from llm_agent_builder.openai_import.importer import import_agent
from llm_agent_builder.reading.read_agent import read_agent
from llm_agent_builder.spec.agent_spec import AgentSpec
from llm_agent_builder.spec.files import file_schema
from server.models import CodeRequest, HandWritten, ImportRequest
from server.parser_pool import ParserPool
from server.services import Services

__all__ = ["add_agent_file_routes", "regenerated"]


def add_agent_file_routes(app: FastAPI) -> None:
    """Add the routes."""
    app.post("/api/read", response_class=Response)(post_read)
    app.post("/api/import", response_class=Response)(post_import)
    app.get("/api/spec-schema")(get_spec_schema)


def _room(request: Request) -> ParserPool:
    services: Services = request.app.state.services
    return services.reading


async def post_read(request: Request, body: CodeRequest) -> Response:
    """Return the spec that an agent file has, and its hand-written parts; the file is not run.

    `{spec, exact, edits: [{kind, first_line, last_line, text}], warnings}`: lines count from 1,
    both ends included; those removed are named by the line they stood in front of.
    """
    return await _room(request).run(lambda: _read(body.code))


def _read(code: str) -> Response:
    reading = read_agent(code)
    return _json(
        {
            "spec": reading.spec.model_dump(mode="python"),
            "exact": reading.exact,
            "edits": [asdict(edit) for edit in reading.edits],
            "warnings": reading.warnings,
        }
    )


async def post_import(request: Request, body: ImportRequest) -> Response:
    """Return a spec, as far as it goes, of an agent of OpenAI's Agents SDK; it is not run.

    `{spec, report: [{line, what, carried, note}], agents}`: `agents` names all that the program
    has; `agent` in the request chooses another than the one that it starts.
    """
    return await _room(request).run(lambda: _import(body))


def _import(body: ImportRequest) -> Response:
    made = import_agent(body.code, body.provider, body.agent)
    report = [asdict(line) for line in made.report]
    return _json({"spec": made.spec, "report": report, "agents": made.agents})


def _json(content: dict[str, Any]) -> Response:
    # All of it escaped: a text of a spec may hold lone surrogates, which UTF-8 does not know.
    return Response(json.dumps(content), media_type="application/json")


async def get_spec_schema() -> dict[str, Any]:
    """Return the JSON Schema of spec files, for editors and other programs."""
    return file_schema()


async def regenerated(
    room: ParserPool, base: str, spec: AgentSpec
) -> tuple[str, list[HandWritten]]:
    """Return a hand-edited file with the fields of `spec`, and its hand-written parts.

    Raises:
        NotOursError: `base` is no agent file.
        MergeConflictError: a changed field meets a hand-written part.
        ReadersBusyError: too many files are being read.

    """
    made = await room.run(lambda: regenerate(base, spec))
    kept = [
        HandWritten(kind=edit.kind, first_line=edit.first_line, last_line=edit.last_line)
        for edit in made.reading.edits
    ]
    return made.code, kept
