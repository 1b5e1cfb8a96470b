"""The bodies of the HTTP interface."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from llm_agent_builder import catalog
from llm_agent_builder.errors import SpecError, UnknownModelError
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.spec import TEXT_MAX_BYTES, AgentSpec, utf8_length
from server.backends import Backend, BackendChoice
from server.cassette import parse_cassette
from server.confine import Limits
from server.ledgers import Caps
from server.runs import RunOptions
from server.settings import Settings, destination

__all__ = [
    "BudgetBody",
    "ExecuteRequest",
    "ExecuteResponse",
    "GenerateRequest",
    "GenerateResponse",
    "LimitsBody",
    "ProviderEnum",
    "RunAccepted",
    "SessionRequest",
]

CODE_MAX_BYTES = 1024 * 1024


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GenerateRequest(AgentSpec):
    """An agent to write; the model is checked against the provider's allow-list."""

    @field_validator("model")
    @classmethod
    def _check_allowed(cls, value: str, info: ValidationInfo) -> str:
        provider = info.data.get("provider")
        if provider is not None:  # else the provider's own error is the one to show
            try:
                catalog.require_allowed(provider, value)
            except UnknownModelError as error:
                problem = {"problem": error.problem}
                raise PydanticCustomError("unknown_model", "{problem}", problem) from None
        return value

    def spec(self) -> AgentSpec:
        """Return the plain spec."""
        return AgentSpec(**self.model_dump())


class GenerateResponse(_Body):
    """A written agent. `warnings` are sentences: a retired model, say."""

    status: Literal["success"] = "success"
    message: str
    code: str
    filename: str
    warnings: list[str] = []


def _bounded(value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "should be text")
    if (size := utf8_length(value)) > longest:
        sizes = {"size": f"{size:,}", "longest": f"{longest:,}"}
        template = "is {size} bytes long; at most {longest} are allowed"
        raise PydanticCustomError("too_long", template, sizes)
    return value


def _check_code(value: object) -> str:
    return _bounded(value, CODE_MAX_BYTES)


def _check_task(value: object) -> str:
    return _bounded(value, TEXT_MAX_BYTES)


_DEFAULTS = Limits()


class LimitsBody(_Body):
    """Limits of one run, within the ranges that the server sets; see `server/confine.py`."""

    cpu_s: float = Field(default=_DEFAULTS.cpu_s, ge=0.1, le=300)
    wall_s: float = Field(default=_DEFAULTS.wall_s, ge=0.1, le=600)
    memory_mib: int = Field(default=_DEFAULTS.memory_mib, ge=64, le=4096)
    processes: int = Field(default=_DEFAULTS.processes, ge=1, le=512)
    scratch_mib: int = Field(default=_DEFAULTS.scratch_mib, ge=1, le=1024)
    output_kib: int = Field(default=_DEFAULTS.output_kib, ge=1, le=16_384)

    def limits(self) -> Limits:
        """Return them as the sandbox takes them."""
        return Limits(**self.model_dump())


class BudgetBody(_Body):
    """What one run may use; the server's own caps hold as well."""

    usd: float | None = Field(default=None, ge=0, description="US dollars.")
    tokens: int | None = Field(default=None, ge=0, description="Tokens, in and out.")
    calls: int | None = Field(default=None, ge=0, description="Model calls.")

    def caps(self) -> Caps:
        """Return them as the gateway takes them."""
        return Caps(**self.model_dump())


class ExecuteRequest(_Body):
    """A program to run in the sandbox, as `agent.py --task TASK`."""

    code: Annotated[
        str,
        PlainValidator(_check_code),
        WithJsonSchema({"type": "string", "maxLength": CODE_MAX_BYTES}),
    ] = Field(description="Python source, at most 1 MiB.")
    task: Annotated[
        str,
        PlainValidator(_check_task),
        WithJsonSchema({"type": "string", "maxLength": TEXT_MAX_BYTES}),
    ] = Field(description="The task, at most 100 KiB.")
    backend: BackendChoice = Field(default="auto", description="Which model answers.")
    limits: LimitsBody = Field(default_factory=LimitsBody)
    budget: BudgetBody = Field(default_factory=BudgetBody)
    egress: list[Annotated[str, AfterValidator(destination)]] = Field(
        default=[], max_length=16, description="HOST:PORT that the program may reach."
    )
    record: bool = Field(default=False, description="Whether to record the model calls.")
    replay: dict[str, Any] | None = Field(
        default=None, description="A cassette that answers the model calls."
    )

    def options(self, settings: Settings) -> RunOptions:
        """Return what the run is granted, within what the server's settings allow.

        Raises:
            SpecError: it asks for more; names the field.

        """
        for place in self.egress:
            if place not in settings.egress_allow:
                allowed = ", ".join(settings.egress_allow) or "nothing"
                raise SpecError("egress", f"{place} may not be granted here; may be: {allowed}")
        replay = None if self.replay is None else parse_cassette(self.replay)
        caps = _within(self.budget.caps(), settings)
        return RunOptions(caps, tuple(self.egress), self.record, replay)


def _within(asked: Caps, settings: Settings) -> Caps:
    found: dict[str, Any] = {}
    for name, value in asdict(asked).items():
        cap = getattr(settings, f"run_budget_{name}")
        if None not in {value, cap} and value > cap:
            raise SpecError(f"budget.{name}", f"more than the {cap:g} this server allows a run")
        found[name] = cap if value is None else value
    return Caps(**found)


class ExecuteResponse(_Body):
    """How a run ended, and what it wrote. A failed program is `status: "error"`."""

    status: str
    output: str
    """Both streams in order of arrival."""
    stdout: str
    stderr: str
    returncode: int | None
    reason: str | None
    duration: float | None
    time_to_first_output: float | None
    usage: dict[str, int] | None
    cost_usd: float | None
    run_id: str
    backend: Backend
    cassette: dict[str, Any] | None = None
    """The recorded model calls, where that was asked for."""


class RunAccepted(_Body):
    """A run that was taken in."""

    id: str


class SessionRequest(_Body):
    """The access token, to be kept in a cookie."""

    token: str
