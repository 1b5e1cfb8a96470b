"""The answers of the HTTP interface, as the OpenAPI document describes them.

Most answers are written without these models (a large one in pieces, a stored one as it is read);
tests/server/api/test_described_answers.py compares the sent answers with them. The answers of
/api/execute and /api/generate are in `server/models.py`, the events of a run in `events.py`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from llm_agent_builder.errors import Conflict
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.spec.agent_spec import AgentSpec
from llm_agent_builder.spec.draft import IgnoredField
from server.isolation.events import LeftOut
from server.models import Answer, HandWritten, RunStatus, Usage
from server.runs.backends import Backend

ErrorCode = Literal[
    "backend_unavailable",
    "bad_request",
    "bug",
    "busy",
    "conflict",
    "file_not_found",
    "host_not_allowed",
    "invalid_request",
    "json_only",
    "machinery_failed",
    "method_not_allowed",
    "not_compressed",
    "not_found",
    "not_ours",
    "origin_not_allowed",
    "queue_full",
    "readers_busy",
    "run_elsewhere",
    "run_not_found",
    "sandbox_unavailable",
    "store_unavailable",
    "token_missing",
    "token_required",
    "too_large",
]


# ---------------------------------------------------------------- errors


class ErrorResponse(Answer):
    """An error. `detail` is a message for people, `code` is for programs."""

    detail: str
    code: ErrorCode


class Problem(Answer):
    """One problem of a request."""

    loc: list[str | int]
    """The location: "body" or "query", then names of fields and positions in lists."""
    msg: str
    type: str
    line: int | None
    """The line of the source in that place, counted from 1; null where it is about no line."""


class InvalidRequestResponse(Answer):
    """An invalid request, with up to 20 of its problems."""

    detail: list[Problem]
    code: Literal["invalid_request"]


class NotOursResponse(Answer):
    """A file of an unexpected kind, for example one that is not an agent file."""

    detail: str
    code: Literal["not_ours"]
    importable: bool
    """Whether /api/import can read the file."""


class ConflictResponse(Answer):
    """Changed fields that conflict with manual edits of the file; nothing was changed."""

    detail: str
    code: Literal["conflict"]
    conflicts: list[Conflict]


# ---------------------------------------------------------------- agent files


class Edit(HandWritten):
    """A manual edit with its lines, counted from 1, both ends included.

    Removed lines have their original text, at the position of the line that now follows them.
    """

    text: str


class ReadResponse(Answer):
    """The contents of an agent file."""

    spec: AgentSpec
    exact: bool
    """Whether the spec alone generates exactly this file."""
    edits: list[Edit]
    warnings: list[str]
    """The parts that could not become a field, and why."""


class SpecFileResponse(Answer):
    """The contents of a spec file, as far as a form can show them."""

    spec: dict[str, Any]
    """The fields of an `AgentSpec` that were found; their values may be invalid."""
    ignored: list[IgnoredField]


class ImportedLine(Answer):
    """How one part of a program was imported."""

    line: int
    what: str
    carried: bool
    """Whether the part is in the spec."""
    note: str
    """What the user must know or do; may be empty."""


class ImportResponse(Answer):
    """The result of importing a program of OpenAI's Agents SDK."""

    spec: dict[str, Any]
    """The fields of an `AgentSpec` that were found."""
    report: list[ImportedLine]
    agents: list[str]
    """The names of all agents in the program; one of them was imported."""


# ---------------------------------------------------------------- runs


class RunSummary(Answer):
    """One run of the history. Values that are not known (yet) are null; times are in seconds."""

    id: str
    status: RunStatus
    backend: Backend | None
    created_at: str
    """ISO 8601, UTC."""
    reason: str | None
    """The reason of its status; null after success."""
    returncode: int | None
    duration: float | None
    time_to_first_output: float | None
    usage: Usage | None
    cost_usd: float | None
    """Null if nothing was paid, or the price of a call is unknown."""


class RunsResponse(Answer):
    """A page of the history, newest first."""

    runs: list[RunSummary]
    next: str | None
    """The `before` of the next page; null on the last one."""


class RunFile(Answer):
    """A file that a run wrote, without its content."""

    name: str
    size: int
    """In bytes."""


class StoredFile(RunFile):
    """A file of a run in the history."""

    kept: bool
    """Whether its content can still be fetched."""


class RunResponse(RunSummary):
    """One run with its program."""

    code: str
    task: str
    files: list[StoredFile]
    files_left_out: list[LeftOut]


class CassetteRequest(Answer):
    """A recorded request to a model API."""

    method: str
    path: str
    body: Any
    """A JSON value; text, if the body was not JSON."""


class CassetteChunk(Answer):
    """A chunk that is not UTF-8 text."""

    base64: str


class CassetteAnswer(Answer):
    """A recorded answer."""

    status: int
    headers: dict[str, str]
    chunks: list[str | CassetteChunk]
    cut: bool
    """Whether the answer broke off after its last chunk."""


class CassetteCall(Answer):
    """One recorded model call."""

    provider: ProviderEnum
    request: CassetteRequest
    response: CassetteAnswer


class CassetteResponse(Answer):
    """The recorded model calls of a run, to be sent as `replay`."""

    format: Literal[1]
    calls: list[CassetteCall]


# ---------------------------------------------------------------- the server


class HealthComponents(Answer):
    """The state of each component: "ok", or what is wrong with it."""

    store: str
    sandbox: str
    local_model: str
    budget: str


class HealthResponse(Answer):
    """Whether the server works: `failing` means that no run can be started or saved."""

    status: Literal["ok", "degraded", "failing"]
    components: HealthComponents
    sandbox_tier: str = Field(description="The sandbox tier of this server.")
