"""The errors of the HTTP interface: their codes, statuses, exceptions and descriptions.

Every error is `{"detail": ..., "code": ...}`. `ERRORS` is the one table of codes; routes list
their own codes with `describe_errors`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import reduce
from http import HTTPStatus
from operator import or_
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match

from llm_agent_builder.errors import (
    AgentBuilderError,
    BackendUnavailableError,
    MachineryError,
    MergeConflictError,
    NotOursError,
    QueueFullError,
    ReadersBusyError,
    RunElsewhereError,
    RunFileNotFoundError,
    RunNotFoundError,
    SandboxUnavailableError,
    ServerBusyError,
    SpecError,
    StoreError,
    TooLargeError,
)
from llm_agent_builder.validation.messages import describe_error
from server.api.schemas import (
    ConflictResponse,
    ErrorCode,
    ErrorResponse,
    InvalidRequestResponse,
    NotOursResponse,
)

__all__ = ["BODY_ERRORS", "ERRORS", "HANDLED", "Responses", "answer_error", "describe_errors"]

_log = logging.getLogger(__name__)

_PROBLEMS_SHOWN = 20
"""Enough to fix a body. Validation itself reports a few hundred at most: it stops at the first item
beyond the limit of a list or an object."""
_KEY_SHOWN = 100
_MESSAGE_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One code of the interface."""

    code: ErrorCode
    status: int
    meaning: str
    exception: type[Exception] | None = None
    """The exception that it stands for; None: it has none of its own."""
    model: type[ErrorResponse | InvalidRequestResponse | NotOursResponse | ConflictResponse] = (
        ErrorResponse
    )


ERRORS: tuple[ErrorKind, ...] = (
    ErrorKind("queue_full", 429, "Too many runs are waiting.", QueueFullError),
    ErrorKind("readers_busy", 429, "Too many files are being read.", ReadersBusyError),
    ErrorKind("run_not_found", 404, "The run does not exist.", RunNotFoundError),
    ErrorKind("file_not_found", 404, "The run has no such file.", RunFileNotFoundError),
    ErrorKind(
        "run_elsewhere",
        409,
        "The run belongs to another server, which has not cancelled it in time.",
        RunElsewhereError,
    ),
    ErrorKind("busy", 503, "Too many requests of this kind at once.", ServerBusyError),
    ErrorKind("too_large", 413, "The request is too large.", TooLargeError),
    ErrorKind(
        "invalid_request",
        422,
        "The request is not valid; `detail` lists its problems.",
        SpecError,
        InvalidRequestResponse,
    ),
    ErrorKind(
        "not_ours", 422, "The file is not of the expected kind.", NotOursError, NotOursResponse
    ),
    ErrorKind(
        "conflict",
        409,
        "Changed fields conflict with manual edits; `conflicts` lists the lines.",
        MergeConflictError,
        ConflictResponse,
    ),
    ErrorKind("backend_unavailable", 409, "No model can answer.", BackendUnavailableError),
    ErrorKind(
        "sandbox_unavailable", 503, "The server can't isolate runs.", SandboxUnavailableError
    ),
    ErrorKind("store_unavailable", 503, "The run history can't be read or written.", StoreError),
    ErrorKind("machinery_failed", 503, "The server failed or is stopping.", MachineryError),
    # Errors without an exception of their own.
    ErrorKind("bug", 500, "The server failed unexpectedly; its log says why."),
    ErrorKind("bad_request", 400, "The request is malformed or incomplete."),
    ErrorKind("not_found", 404, "The path does not exist."),
    ErrorKind("method_not_allowed", 405, "The path does not support this method."),
    # Sent by SecurityMiddleware before any route sees the request.
    ErrorKind("token_required", 401, "The access token is missing or wrong."),
    ErrorKind("token_missing", 403, "Set AGENT_BUILDER_TOKEN to accept remote requests."),
    ErrorKind("host_not_allowed", 403, "The Host header has an unknown name."),
    ErrorKind("origin_not_allowed", 403, "Another site sent the request."),
    ErrorKind("json_only", 415, "Send JSON, with content type application/json."),
    ErrorKind("not_compressed", 415, "Send the body without Content-Encoding."),
)
HANDLED: tuple[type[Exception], ...] = (
    AgentBuilderError,
    RequestValidationError,
    HTTPException,
    Exception,
)
"""The exceptions that `answer_error` handles."""

BODY_ERRORS: tuple[ErrorCode, ...] = (
    "invalid_request",
    "too_large",
    "json_only",
    "not_compressed",
    "busy",
)
"""The errors of routes with a body."""
_COMMON_ERRORS: tuple[ErrorCode, ...] = ("host_not_allowed", "origin_not_allowed", "bug")
_PROTECTED_ERRORS: tuple[ErrorCode, ...] = ("token_required", "token_missing", *_COMMON_ERRORS)
_RETRIED = frozenset({"queue_full", "readers_busy", "busy"})
_RETRY_AFTER = {
    "description": "Seconds to wait before trying again; sent with "
    + ", ".join(f"`{code}`" for code in sorted(_RETRIED)),
    "schema": {"type": "integer", "minimum": 1},
}

Responses = dict[int | str, dict[str, Any]]


# ---------------------------------------------------------------- descriptions


def describe_errors(*codes: ErrorCode, protected: bool = True) -> Responses:
    """Return the `responses` of a route with these error codes, by status.

    `protected` adds the errors of routes that need the access token.
    """
    named = {*codes, *(_PROTECTED_ERRORS if protected else _COMMON_ERRORS)}
    kinds = [kind for kind in ERRORS if kind.code in named]
    found: Responses = {
        status: _described([kind for kind in kinds if kind.status == status])
        for status in sorted({kind.status for kind in kinds})
    }
    found["default"] = {"model": ErrorResponse, "description": "Any other error."}
    return found


def _described(kinds: Iterable[ErrorKind]) -> dict[str, Any]:
    kinds = list(kinds)
    meanings = [f"`{kind.code}`: {kind.meaning}" for kind in kinds]
    models = dict.fromkeys(kind.model for kind in kinds)
    found: dict[str, Any] = {
        "model": reduce(or_, models),
        "description": "\n".join(meanings),
    }
    if any(kind.code in _RETRIED for kind in kinds):
        found["headers"] = {"Retry-After": _RETRY_AFTER}
    return found


# ---------------------------------------------------------------- responses


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Convert any exception to the common format of errors."""
    if isinstance(error, RequestValidationError):
        return _invalid(request, error)
    if isinstance(error, HTTPException):
        code = HTTPStatus(error.status_code).name.lower()
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
        body = {"detail": error.detail, "code": code}
        return _ErrorAnswer(body, error.status_code, headers)
    for kind in ERRORS:
        if kind.exception is not None and isinstance(error, kind.exception):
            return _answer(kind, error)
    _log.error("unexpected error", exc_info=error, extra={"path": request.url.path})
    return _ErrorAnswer({"detail": "the server failed; its log says why", "code": "bug"}, 500)


def _allowed(request: Request) -> str:
    """Return the methods of a path: of all its routes, or of the page's files."""
    routes = iter_route_contexts(request.app.routes)
    found = {
        method
        for route in routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }
    return ", ".join(sorted(found or {"GET", "HEAD"}))


def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    field = getattr(request.scope.get("route"), "body_field", None)
    model = field.field_info.annotation if field else None
    detail = [_problem(item, model) for item in error.errors()[:_PROBLEMS_SHOWN]]
    return _ErrorAnswer({"detail": detail, "code": "invalid_request"}, 422)


def _answer(kind: ErrorKind, error: Exception) -> JSONResponse:
    headers = {}
    if isinstance(error, QueueFullError | ReadersBusyError | ServerBusyError):
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    shown = _at_field(error) if isinstance(error, SpecError) else str(error)
    body: dict[str, Any] = {"detail": shown, "code": kind.code}
    if isinstance(error, NotOursError):
        body["importable"] = error.importable
    if isinstance(error, MergeConflictError):
        body["conflicts"] = [asdict(conflict) for conflict in error.conflicts]
    return _ErrorAnswer(body, kind.status, headers)


class _ErrorAnswer(JSONResponse):
    """An error in ASCII, because quoted text from the request may have lone surrogates."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


def _problem(item: Any, model: object) -> dict[str, Any]:
    """Return a problem for clients, without `input` and `ctx`, which echo the request."""
    place = [part if isinstance(part, int) else str(part)[:_KEY_SHOWN] for part in item["loc"]]
    message = describe_error(item, model, 1)[:_MESSAGE_SHOWN]
    line = item.get("ctx", {}).get("line")
    return {"loc": place[:_KEY_SHOWN], "msg": message, "type": item["type"], "line": line}


def _at_field(error: SpecError) -> list[dict[str, Any]]:
    return [
        {"loc": ["body", *field.split(".")], "msg": problem, "type": "value_error", "line": None}
        for field, problem in error.problems
    ]
