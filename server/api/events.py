"""The events of a run, as `GET /api/runs/{run_id}/events` sends them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from llm_agent_builder.providers import ProviderEnum
from server.api.schemas import RunFile
from server.isolation.events import LeftOut, StreamName
from server.limits import Limits
from server.models import Answer, RunStatus, Usage
from server.runs.backends import Backend

__all__ = ["ExitData", "RunEvent"]


class _Timed(Answer):
    time: float
    """Seconds since the run started."""


class Granted(Answer):
    """The files and hosts that a run may use."""

    files: list[str]
    """Names of its input files."""
    hosts: list[str]
    """The hosts that it may reach as HOST:PORT, and provider-tools."""


class MissingNeed(Answer):
    """Something that the agent's tools need and the run does not have."""

    tool: str
    """Empty if it concerns all tools."""
    kind: Literal["files", "hosts", "tools"]
    names: list[str]
    message: str


class StartedData(_Timed):
    """The start of a run."""

    run_id: str
    backend: Backend
    model_label: str
    """The model that answers, for people."""
    tier: str
    """The sandbox tier that isolates the run."""
    limits: Limits
    granted: Granted
    missing: list[MissingNeed]


class OutputData(_Timed):
    """Text that the program wrote."""

    stream: StreamName
    text: str


class ModelCallData(_Timed):
    """One finished model call, under the attribute names of OpenTelemetry's GenAI conventions.

    Unknown values are null. Times are in seconds.
    """

    operation: Literal["chat", "count_tokens", "list_models"] = Field(alias="gen_ai.operation.name")
    provider: ProviderEnum = Field(alias="gen_ai.provider.name")
    request_model: str | None = Field(alias="gen_ai.request.model")
    max_tokens: int | None = Field(alias="gen_ai.request.max_tokens")
    response_model: str | None = Field(alias="gen_ai.response.model")
    response_id: str | None = Field(alias="gen_ai.response.id")
    finish_reasons: list[str] | None = Field(alias="gen_ai.response.finish_reasons")
    input_tokens: int | None = Field(alias="gen_ai.usage.input_tokens")
    output_tokens: int | None = Field(alias="gen_ai.usage.output_tokens")
    cached_tokens: int | None = Field(alias="gen_ai.usage.cache_read.input_tokens")
    cache_write_tokens: int | None = Field(alias="gen_ai.usage.cache_creation.input_tokens")
    reasoning_tokens: int | None = Field(alias="gen_ai.usage.reasoning.output_tokens")
    status_code: int | None = Field(alias="http.response.status_code")
    server_address: str | None = Field(alias="server.address")
    error_type: str | None = Field(alias="error.type")
    backend: str | None
    """The kind of upstream: provider, own, local or replay."""
    time_to_first_chunk: float | None
    time_to_first_token: float | None
    duration: float
    price_table: str | None
    unpriced: bool
    """Whether the call may have cost an unknown amount of money."""
    refused: bool
    """Whether the gateway refused the call without sending it to a model."""
    cost_usd: float | None


class DeniedData(_Timed):
    """An access that the sandbox or the gateway denied to the program."""

    kind: Literal["network", "file", "call"]
    message: str


class LimitData(_Timed):
    """A limit that the run reached."""

    kind: str
    """Such as cpu, wall, memory, processes, scratch, output, budget, recording."""
    message: str


class BudgetData(LimitData):
    """A budget that a model call exceeded."""

    kind: Literal["budget"]
    cap: str
    """The exceeded cap: of the run or the day, in dollars, tokens or calls; as in run_usd."""


class ExitData(BaseModel):
    """The end of a run: always the last event.

    If the server stopped before it could save this event, only the fields in the history are sent:
    at least `status`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    status: RunStatus
    returncode: int | None = None
    duration: float | None = None
    time_to_first_output: float | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    files: list[RunFile] = []
    files_left_out: list[LeftOut] = []
    reason: str | None = None
    time: float | None = None
    """Seconds since the run started."""
    interrupted: bool = False
    """Whether it failed because its server stopped."""
    stopped_early: bool = False
    """Whether the agent stopped early (exit code 3): at one of its own limits, or because the model
    refused or its context window is full."""


class _Event(Answer):
    id: int
    """Number of the event in its run, from 1; sent as `Last-Event-ID`, it resumes the stream."""


class StartedEvent(_Event):
    """The program starts."""

    event: Literal["started"]
    data: StartedData


class OutputEvent(_Event):
    """The program wrote something."""

    event: Literal["output"]
    data: OutputData


class ModelCallEvent(_Event):
    """A model call ended."""

    event: Literal["model_call"]
    data: ModelCallData


class DeniedEvent(_Event):
    """An access was denied to the program."""

    event: Literal["denied"]
    data: DeniedData


class LimitEvent(_Event):
    """A limit or a budget was reached."""

    event: Literal["limit"]
    data: BudgetData | LimitData


class ExitEvent(_Event):
    """The run ended."""

    event: Literal["exit"]
    data: ExitData


AnyEvent = StartedEvent | OutputEvent | ModelCallEvent | DeniedEvent | LimitEvent | ExitEvent


class RunEvent(RootModel[Annotated[AnyEvent, Field(discriminator="event")]]):
    """One server-sent event: its fields `id`, `event` and `data`, which is JSON on one line."""
