"""Cassettes: a run's recorded model calls, read within limits and replayed without key or network.

A cassette is JSON: requests and responses, streams with their chunks. It contains no key and no run
token: only the headers listed here are recorded, and both are removed from all text. A cassette may
be hostile, so all of it is checked before the run begins.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import (
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

from llm_agent_builder.errors import SpecError
from llm_agent_builder.json_input.limits import JsonLimits
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.validation.messages import describe_error
from llm_agent_builder.validation.strict_model import StrictModel
from llm_agent_builder.validation.text import few_items, few_keys, value_error
from server.gateway.routes import ROUTES

FORMAT = 1
CASSETTE_MAX_BYTES = 16 * 1024 * 1024
"""Limit on a cassette as JSON. HTTP requests allow less; the command `run` replays any."""
CASSETTE_MAX_CALLS = 2000
"""Limit on calls, the same as for a run."""
REQUEST_LIMITS = JsonLimits(depth=64)
"""Limits on the JSON of a recorded request; the cassette around it may be deeper."""
RECORDED_HEADERS = ("content-type", "content-encoding", "retry-after", "request-id", "x-request-id")
REDACTED = "[removed]"
_HEADER = re.compile(r"[\t\x20-\x7e]{0,1000}")
_WITHOUT_BODY = {204, 205, 304}
_PATH_MAX_CHARS = 16 * 1024


def readable(text: str) -> str:
    """Return header or path text, with characters that UTF-8 can't encode replaced."""
    return text.encode("utf-8", "replace").decode()


def canonical(value: object) -> bytes:
    """Return a JSON value as bytes: equal for equal values, and much smaller in memory."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _check_headers(value: object) -> Mapping[str, str]:
    if not isinstance(few_keys(value), Mapping):
        raise value_error("mapping_type", "must be a mapping of names and texts")
    assert isinstance(value, Mapping)
    for name, text in value.items():
        if not all(isinstance(each, str) and _HEADER.fullmatch(each) for each in (name, text)):
            raise value_error(
                "header", f"{str(name)[:40]} must be one line of printable ASCII text"
            )
    return {name.lower(): text for name, text in value.items() if name.lower() in RECORDED_HEADERS}


def _to_bytes(value: object) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise value_error("text", "has lone surrogates: write it as base64") from None
    if not isinstance(value, Mapping) or value.keys() != {"base64"}:
        raise value_error("chunk", 'must be text, or {"base64": "..."}')
    try:
        return base64.b64decode(value["base64"], validate=True)
    except (TypeError, ValueError):
        raise value_error("base64", "is not base64") from None


def _check_body(value: object) -> bytes:
    try:
        return canonical(value)
    except (TypeError, ValueError, RecursionError):
        raise value_error("json_invalid", "is not a JSON value") from None


class RecordedRequest(StrictModel):
    """A request. `body` is JSON; a body that was not JSON is a JSON string."""

    method: Annotated[str, Field(max_length=20)]
    path: Annotated[str, Field(max_length=_PATH_MAX_CHARS)]
    body: Annotated[bytes, PlainValidator(_check_body)] = b"null"

    @model_validator(mode="after")
    def _check_route(self) -> RecordedRequest:
        if (self.method, self.path.partition("?")[0]) not in ROUTES:
            raise value_error("route", "its method and path are not a route of a model API")
        return self


class RecordedAnswer(StrictModel):
    """A response, with its chunks as bytes."""

    status: int = Field(ge=200, le=599, strict=True)
    headers: Annotated[Mapping[str, str], PlainValidator(_check_headers)]
    chunks: tuple[Annotated[bytes, PlainValidator(_to_bytes)], ...] = Field(fail_fast=True)
    cut: bool = Field(default=False, strict=True)
    """Whether the response broke off after its last chunk."""

    @model_validator(mode="after")
    def _check_empty(self) -> RecordedAnswer:
        if self.status in _WITHOUT_BODY and any(self.chunks):
            raise value_error("body", f"an answer of status {self.status} has no body")
        return self


class RecordedCall(StrictModel):
    """One call."""

    provider: ProviderEnum
    request: RecordedRequest
    response: RecordedAnswer


class Cassette(StrictModel):
    """A run's calls, in the order in which they began."""

    format: int = Field(default=FORMAT, ge=FORMAT, le=FORMAT, strict=True)
    calls: Annotated[tuple[RecordedCall, ...], few_items(CASSETTE_MAX_CALLS)] = Field(
        default=(), fail_fast=True
    )

    @property
    def size(self) -> int:
        """Return about how many bytes it takes."""
        requests = sum(len(call.request.body) for call in self.calls)
        return requests + sum(len(chunk) + 50 for c in self.calls for chunk in c.response.chunks)


def parse_cassette(data: object) -> Cassette:
    """Read a cassette from parsed JSON.

    Raises:
        SpecError: it is not a valid cassette; the field is "replay", and the message has the path.

    """
    try:
        return Cassette.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    location = ".".join(str(part)[:40] for part in first["loc"]) or "it"
    raise SpecError("replay", f"not a cassette: {location}: {describe_error(first)}")
