"""The routes that read files.

An agent file or a spec file is read into a spec, a program of another SDK is imported, and an agent
file is switched to another model.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, PlainValidator, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError

from llm_agent_builder.catalog.model import is_line
from llm_agent_builder.editing.regenerate import regenerate
from llm_agent_builder.editing.upgrade import Upgrade, find_upgrade
from llm_agent_builder.errors import NotOursError, SpecFileError
from llm_agent_builder.openai_import.importer import import_agent
from llm_agent_builder.openai_import.program import uses_agents_sdk
from llm_agent_builder.providers import DEFAULT_PROVIDER, ProviderEnum
from llm_agent_builder.reading.read_agent import read_agent
from llm_agent_builder.spec.agent_spec import AgentSpec
from llm_agent_builder.spec.draft import read_draft
from llm_agent_builder.spec.files import SUFFIXES, file_schema, parse_spec
from llm_agent_builder.validation.strict_model import StrictModel
from llm_agent_builder.validation.text import MODEL_MAX_CHARS, ModelText
from server.api.bodies import BoundedRoute
from server.api.dependencies import CurrentServices
from server.api.errors import BODY_ERRORS, describe_errors
from server.api.schemas import ImportResponse, ReadResponse, SpecFileResponse
from server.models import CodeText, HandWritten
from server.parser_pool import ParserPool

__all__ = ["UpgradeRequest", "regenerate_file", "router"]

router = APIRouter(route_class=BoundedRoute, tags=["agents"])
_ERRORS = describe_errors(*BODY_ERRORS, "not_ours", "readers_busy")


class CodeRequest(StrictModel):
    """A Python file. It is read and never run."""

    code: CodeText


class ReadRequest(CodeRequest):
    """An agent file or a spec file. It is read and never run."""

    filename: str | None = Field(
        default=None,
        max_length=1000,
        description="The file's name. If it ends in .yaml, .yml or .json, `code` is a spec.",
    )


@router.post("/api/read", response_model=ReadResponse | SpecFileResponse, responses=_ERRORS)
async def read_agent_file(services: CurrentServices, body: ReadRequest) -> Response:
    """Return the spec of an agent file, and the manual edits in it; the file is not run.

    For a spec file (see `filename`), return its fields, even if they are not complete or not valid
    yet, and list those that a form can't show. 422 `invalid_request` at `code` if it is neither
    YAML nor JSON, is not a mapping of fields, or has more than 100 keys.
    """
    path = PurePath(body.filename or "")
    if path.suffix.lower() in SUFFIXES:
        return await services.parser_pool.run(lambda: _read_spec(body.code, path))
    return await services.parser_pool.run(lambda: _read(body.code))


def _read_spec(text: str, path: PurePath) -> Response:
    try:
        draft = read_draft(parse_spec(text, path))
    except SpecFileError as error:
        problem = f"the spec can't be read: {error.problem}"
        context = {"problem": problem, "line": error.line}
        wrong = {"type": "spec_file", "loc": ("body", "code"), "msg": problem, "ctx": context}
        raise RequestValidationError([wrong]) from None
    return _json(asdict(draft))


def _read(code: str) -> Response:
    try:
        reading = read_agent(code)
    except NotOursError as error:
        error.importable = uses_agents_sdk(code)
        raise
    return _json(
        {
            "spec": reading.spec.model_dump(mode="python"),
            "exact": reading.exact,
            "edits": [asdict(edit) for edit in reading.edits],
            "warnings": reading.warnings,
        }
    )


class ImportRequest(CodeRequest):
    """A program of OpenAI's Agents SDK. It is read and never run."""

    provider: ProviderEnum = Field(
        default=DEFAULT_PROVIDER,
        description="The provider whose default model replaces the program's.",
    )
    agent: str | None = Field(
        default=None, max_length=200, description="Which agent to import, if there are several."
    )


@router.post("/api/import", response_model=ImportResponse, responses=_ERRORS)
async def import_program(services: CurrentServices, body: ImportRequest) -> Response:
    """Convert an agent of OpenAI's Agents SDK to a spec; the program is not run.

    `agents` lists all agents of the program; `agent` in the request chooses one of them.
    """
    return await services.parser_pool.run(lambda: _import(body))


def _import(body: ImportRequest) -> Response:
    made = import_agent(body.code, body.provider, body.agent)
    report = [asdict(line) for line in made.report]
    return _json({"spec": made.spec, "report": report, "agents": made.agents})


def _check_filename(value: object) -> str:
    if not isinstance(value, str) or not is_line(value):
        raise PydanticCustomError("file_name", "must be one line of text")
    return value


_FILENAME = WithJsonSchema({"type": "string", "maxLength": MODEL_MAX_CHARS, "title": "Filename"})


class UpgradeRequest(CodeRequest):
    """An agent file to move to another model."""

    filename: Annotated[str, PlainValidator(_check_filename), _FILENAME] = Field(
        default="agent.py", description="The file's name in the diff."
    )
    to: ModelText | None = Field(default=None, description="The only model to move to.")


_UPGRADE = TypeAdapter(Upgrade)


@router.post("/api/upgrade", response_model=Upgrade, responses=_ERRORS)
async def upgrade_agent_file(services: CurrentServices, body: UpgradeRequest) -> Response:
    """Return the lifecycle of a file's model, and the file moved to each of its successors.

    With `to`, only to that model. 422 `not_ours` if the model is not a plain literal.
    """
    catalog = services.catalog.current()
    found = await services.parser_pool.run(
        lambda: find_upgrade(body.code, catalog, filename=body.filename, to=body.to)
    )
    return _json(_UPGRADE.dump_python(found, mode="json"))


def _json(content: dict[str, Any]) -> Response:
    # ASCII, because text in a spec may have lone surrogates, which UTF-8 can't encode.
    return Response(json.dumps(content), media_type="application/json")


@router.get("/api/spec-schema", responses=describe_errors())
async def get_spec_schema() -> dict[str, Any]:
    """Return the JSON Schema of spec files, for editors and other programs."""
    return file_schema()


async def regenerate_file(
    pool: ParserPool, base: str, spec: AgentSpec
) -> tuple[str, list[HandWritten]]:
    """Return a manually edited file with the fields of `spec`, and the edits in it.

    Raises:
        NotOursError: `base` is not an agent file.
        MergeConflictError: a changed field conflicts with a manual edit.
        ReadersBusyError: too many files are being read.

    """
    made = await pool.run(lambda: regenerate(base, spec))
    kept = [
        HandWritten(kind=edit.kind, first_line=edit.first_line, last_line=edit.last_line)
        for edit in made.reading.edits
    ]
    return made.code, kept
