"""The bodies of requests that run or write agents, and their answers."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from llm_agent_builder.errors import SpecError
from llm_agent_builder.spec.agent_spec import TEXT_MAX_BYTES, AgentSpec, utf8_length
from llm_agent_builder.user_code.gallery_needs import Need
from llm_agent_builder.validation.strict_model import StrictModel
from llm_agent_builder.validation.text import few_items, value_error
from server.budgets.ledger import Caps
from server.gateway.cassette import Cassette, parse_cassette
from server.isolation.events import LeftOut, WrittenFile
from server.isolation.files import (
    MAX_BYTES,
    MAX_FILES,
    MAX_NAME,
    amount_problem,
    clash,
    name_problem,
    scratch_problem,
)
from server.limits import MIB, Limits
from server.runs.backends import Backend, BackendChoice
from server.runs.run import RunOptions
from server.settings import Settings, grantable

__all__ = [
    "Answer",
    "BudgetBody",
    "CodeText",
    "ExecuteRequest",
    "ExecuteResponse",
    "GenerateRequest",
    "GenerateResponse",
    "GivenFile",
    "HandWritten",
    "LimitsBody",
    "RunAccepted",
    "RunStatus",
    "SessionRequest",
    "Usage",
]

CODE_MAX_BYTES = 1024 * 1024


class Answer(BaseModel):
    """The base of answers: every field is sent, whether or not it has a default."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_serialization_defaults_required=True,
        defer_build=True,  # most only describe what is sent
    )


def _bounded(value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "must be text")
    if (size := utf8_length(value)) > longest:
        sizes = {"size": f"{size:,}", "longest": f"{longest:,}"}
        template = "is {size} bytes long; at most {longest} are allowed"
        raise PydanticCustomError("too_long", template, sizes)
    return value


def _check_code(value: object) -> str:
    return _bounded(value, CODE_MAX_BYTES)


CodeText = Annotated[
    str,
    PlainValidator(_check_code),
    WithJsonSchema({"type": "string", "maxLength": CODE_MAX_BYTES, "title": "Code"}),
]


class GenerateRequest(AgentSpec):
    """An agent to write. Writing it checks the model against the catalog."""

    base: CodeText | None = Field(
        default=None,
        description="A manually edited agent file whose edits are preserved.",
    )

    def spec(self) -> AgentSpec:
        """Return the plain spec."""
        return AgentSpec(**self.model_dump(exclude={"base"}))


class HandWritten(Answer):
    """A manual edit of a file: lines counted from 1, both ends included."""

    kind: Literal["added", "changed", "removed"]
    first_line: int
    last_line: int


class GenerateResponse(Answer):
    """A written agent."""

    status: Literal["success"] = "success"
    message: str
    code: str
    filename: str
    warnings: list[str] = []
    """Sentences, for example on a retired model."""
    kept: list[HandWritten] = []
    """The manual edits of `base`, at their new lines."""
    needs: list[Need] = []
    """What a run must be given for the agent's gallery tools: files, or hosts to reach."""


def _check_task(value: object) -> str:
    return _bounded(value, TEXT_MAX_BYTES)


_DEFAULTS = Limits()


class LimitsBody(StrictModel):
    """Limits of one run, within the ranges that the server sets."""

    cpu_s: float = Field(default=_DEFAULTS.cpu_s, ge=0.1, le=300)
    wall_s: float = Field(default=_DEFAULTS.wall_s, ge=0.1, le=600)
    memory_mib: int = Field(default=_DEFAULTS.memory_mib, ge=64, le=4096)
    processes: int = Field(default=_DEFAULTS.processes, ge=1, le=512)
    scratch_mib: int = Field(default=_DEFAULTS.scratch_mib, ge=1, le=1024)
    output_kib: int = Field(default=_DEFAULTS.output_kib, ge=1, le=16_384)

    def limits(self) -> Limits:
        """Return the limits in the sandbox's form."""
        return Limits(**self.model_dump())


_MOST_OF_A_BUDGET = 10**12
"""Anything larger is no limit in practice, and unlimited numbers overflow elsewhere."""


class BudgetBody(StrictModel):
    """What one run may use; the server's own caps apply as well."""

    usd: float | None = Field(
        default=None, ge=0, le=_MOST_OF_A_BUDGET, allow_inf_nan=False, description="US dollars."
    )
    tokens: int | None = Field(
        default=None, ge=0, le=_MOST_OF_A_BUDGET, description="Tokens, in and out."
    )
    calls: int | None = Field(default=None, ge=0, le=_MOST_OF_A_BUDGET, description="Model calls.")

    def caps(self) -> Caps:
        """Return the caps in the gateway's form."""
        return Caps(**self.model_dump())


def _check_name(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "must be text")
    if problem := name_problem(value):
        raise PydanticCustomError("file_name", "{problem}", {"problem": problem})
    return value


def _encoded(value: object) -> bytes:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "must be text")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("text", "has lone surrogates: send it as base64") from None


def _decoded(value: object) -> bytes:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "must be text")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("base64", "is not base64") from None


def _schema(**schema: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema})


class GivenFile(StrictModel):
    """A file placed in the program's folder before it starts, as either `text` or `base64`."""

    name: Annotated[str, PlainValidator(_check_name), _schema(maxLength=MAX_NAME)] = Field(
        description="A relative name; its folders are created."
    )
    text: Annotated[bytes, PlainValidator(_encoded), _schema()] | None = None
    base64: Annotated[bytes, PlainValidator(_decoded), _schema(contentEncoding="base64")] | None = (
        None
    )

    @model_validator(mode="after")
    def _check_content(self) -> GivenFile:
        if (self.text is None) == (self.base64 is None):
            raise PydanticCustomError("file_content", "needs either text or base64")
        return self

    @property
    def content(self) -> bytes:
        """Return the file's bytes."""
        return (self.text if self.base64 is None else self.base64) or b""


class TextFile(Answer):
    """A file that the program wrote, if it is UTF-8 text."""

    name: str
    size: int
    text: str


class BinaryFile(Answer):
    """A file that the program wrote, if it is not text."""

    name: str
    size: int
    base64: str


def returned_file(file: WrittenFile) -> TextFile | BinaryFile:
    """Return a written file in the form of the answer of /api/execute."""
    name, size = file.name, len(file.content)
    try:
        return TextFile(name=name, size=size, text=file.content.decode())
    except UnicodeDecodeError:
        return BinaryFile(name=name, size=size, base64=base64.b64encode(file.content).decode())


_PLACES_MAX = 16
_CASSETTE_SCHEMA = WithJsonSchema({"type": "object", "additionalProperties": True})


def _few_files(value: object) -> object:
    """Refuse too many files before each one is validated."""
    if isinstance(value, list) and len(value) > MAX_FILES:
        problem = amount_problem([0] * len(value))
        raise PydanticCustomError("files", "{problem}", {"problem": problem})
    return value


def _check_replay(value: object) -> Cassette:
    if isinstance(value, Cassette):  # already parsed, in a thread
        return value
    try:
        return parse_cassette(value)
    except SpecError as error:
        raise value_error("cassette", error.problem) from None


class ExecuteRequest(StrictModel):
    """A program to run in the sandbox, as `agent.py --task TASK`."""

    code: CodeText = Field(description="Python source, at most 1 MiB.")
    task: Annotated[
        str,
        PlainValidator(_check_task),
        WithJsonSchema({"type": "string", "maxLength": TEXT_MAX_BYTES}),
    ] = Field(description="The task, at most 100 KiB.")
    backend: BackendChoice = Field(default="auto", description="Which model answers.")
    limits: LimitsBody = Field(default_factory=LimitsBody)
    budget: BudgetBody = Field(default_factory=BudgetBody)
    egress: Annotated[list[Annotated[str, AfterValidator(grantable)]], few_items(_PLACES_MAX)] = (
        Field(
            default=[],
            max_length=_PLACES_MAX,
            description="Hosts that the program may reach, as HOST:PORT; or provider-tools.",
        )
    )
    record: bool = Field(default=False, description="Whether to record the model calls.")
    replay: Annotated[Cassette, PlainValidator(_check_replay), _CASSETTE_SCHEMA] | None = Field(
        default=None, description="A cassette that answers the model calls."
    )

    files: Annotated[list[GivenFile], BeforeValidator(_few_files)] = Field(
        default=[],
        description=(
            f"Placed beside agent.py: at most {MAX_FILES} files with {MAX_BYTES // MIB} MiB in all."
        ),
    )

    @field_validator("files")
    @classmethod
    def _check_files(cls, value: list[GivenFile], info: ValidationInfo) -> list[GivenFile]:
        sizes = [len(file.content) for file in value]
        problem = amount_problem(sizes)
        if name := clash([file.name for file in value]):
            problem = f"{name} is there twice, or as a file and as a folder"
        limits, code = info.data.get("limits"), info.data.get("code")
        if value and not problem and limits and code is not None:
            named = {file.name: len(file.content) for file in value}
            problem = scratch_problem(named, utf8_length(code), limits.scratch_mib)
        if problem:
            raise PydanticCustomError("files", "{problem}", {"problem": problem})
        return value

    def contents(self) -> dict[str, bytes]:
        """Return the given files by name."""
        return {file.name: file.content for file in self.files}

    def options(self, settings: Settings) -> RunOptions:
        """Return the run's options, within the limits of the server's settings.

        Raises:
            SpecError: the request asks for more; names the field.

        """
        for place in self.egress:
            if place not in settings.egress_allow:
                allowed = ", ".join(settings.egress_allow) or "nothing"
                message = f"{place} may not be granted here; AGENT_BUILDER_EGRESS_ALLOW: {allowed}"
                raise SpecError("egress", message)
        caps = _within(self.budget.caps(), settings)
        return RunOptions(caps, tuple(self.egress), self.record, self.replay, self.contents())


def _within(asked: Caps, settings: Settings) -> Caps:
    found: dict[str, Any] = {}
    for name, value in asdict(asked).items():
        cap = getattr(settings, f"run_budget_{name}")
        if None not in {value, cap} and value > cap:
            raise SpecError(f"budget.{name}", f"more than the {cap:g} this server allows a run")
        found[name] = cap if value is None else value
    return Caps(**found)


RunStatus = Literal[
    "queued", "running", "success", "error", "timeout", "limit", "cancelled", "failed"
]
"""`error`: the program failed; `failed`: the server did."""


class Usage(Answer):
    """The model calls of one run, added up."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    calls: int
    refused_calls: int
    """Calls that the gateway refused."""
    unmetered_calls: int
    """Answered calls whose tokens are not known."""


class ExecuteResponse(Answer):
    """How a run ended, and its output. A failed program is `status: "error"`."""

    status: RunStatus
    output: str
    """Both streams in order of arrival."""
    stdout: str
    stderr: str
    returncode: int | None
    reason: str | None
    duration: float | None
    time_to_first_output: float | None
    usage: Usage | None
    cost_usd: float | None
    run_id: str
    backend: Backend
    cassette: dict[str, Any] | None = None
    """The recorded model calls, if `record` was set."""
    recording_full: str | None = None
    """Why they are left out, if they exceed the limits of a recording."""
    denied: str | None = None
    """What the sandbox refused last, and how to fix that."""
    budget: str | None = None
    """Which cap ended the run and why, if `reason` is "budget"."""
    stopped_early: bool = False
    """Whether the agent stopped early (exit code 3): at one of its own limits, or because the model
    refused or its context window is full."""
    missing: list[str] = []
    """What the agent's gallery tools need and the run was not given."""
    files: list[TextFile | BinaryFile] = Field(
        description=(
            "Regular files that the program wrote or changed: "
            f"at most {MAX_FILES} with {MAX_BYTES // MIB} MiB in all."
        )
    )
    files_left_out: list[LeftOut]


class RunAccepted(Answer):
    """A run that was accepted."""

    id: str


class SessionRequest(StrictModel):
    """The access token, to be saved in a cookie."""

    token: str
