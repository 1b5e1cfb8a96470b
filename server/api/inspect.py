"""The route that inspects an unfinished form: names of tools, hosts, and the answering model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from llm_agent_builder.gallery import Needs
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.spec.agent_spec import CODE_MAX_BYTES
from llm_agent_builder.user_code.outline import ToolOutline, answer_name, tool_outline
from llm_agent_builder.validation.base_urls import check_base_url
from server.api.bodies import BoundedRoute
from server.api.dependencies import CurrentServices
from server.api.errors import BODY_ERRORS, describe_errors
from server.models import Answer
from server.runs.answerers import Answerer, server_answerer
from server.services import Services

__all__ = ["InspectRequest", "InspectResponse", "router"]

router = APIRouter(route_class=BoundedRoute, tags=["agents"])

_ENTRIES_MAX = 64
_QUICK_CHARS = 64 * 1024
"""Texts up to this size are read faster than a thread starts."""

_Code = Annotated[str, Field(max_length=CODE_MAX_BYTES)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DraftServer(_Body):
    """An MCP server as typed so far."""

    name: str = Field(default="", max_length=1000)
    url: str = Field(default="", max_length=10_000)


class InspectRequest(_Body):
    """The parts of an unfinished form that its notes depend on; they need not be valid."""

    provider: ProviderEnum
    base_url: str = Field(default="", max_length=10_000)
    tools: list[_Code] = Field(default=[], max_length=_ENTRIES_MAX)
    answer: _Code = ""
    mcp_servers: list[DraftServer] = Field(default=[], max_length=_ENTRIES_MAX)


class Outline(Answer):
    """The outline of a tool."""

    name: str | None
    """Name of its public function; null if there is none yet."""
    summary: str | None
    """The first line of its docstring."""
    needs: Needs | None
    """The files and hosts that it probably needs."""


class WantedHost(Answer):
    """A host that the agent needs."""

    host: str
    """As HOST:PORT."""
    by: str
    """The first tool or MCP server that names it."""


class InspectResponse(Answer):
    """The facts for the notes of a form."""

    answerer: Answerer | None
    """For the typed address; null if there is none, or it is not a valid address yet."""
    tools: list[Outline]
    """In the order of the request."""
    answer_name: str | None
    """The name of the answer's type."""
    hosts: list[WantedHost]
    need_files: list[str]
    """Tools that probably read files."""
    need_hosts: list[str]
    """Tools that probably use the network without listing hosts."""


@router.post("/api/inspect", responses=describe_errors(*BODY_ERRORS, "readers_busy"))
async def inspect_form(services: CurrentServices, body: InspectRequest) -> InspectResponse:
    """Inspect an unfinished form; no code is parsed as Python or executed.

    Returns the names of its tools, the hosts that it needs, and the model that answers.
    """
    if sum(map(len, body.tools)) + len(body.answer) <= _QUICK_CHARS:
        return _inspect(body, services)
    return await services.parser_pool.run(lambda: _inspect(body, services))


def _inspect(body: InspectRequest, services: Services) -> InspectResponse:
    outlines = [tool_outline(code) for code in body.tools]
    named = [(each, each.name) for each in outlines if each.name]
    return InspectResponse(
        answerer=_answerer(body, services),
        tools=[Outline(name=o.name, summary=o.summary, needs=o.needs) for o in outlines],
        answer_name=answer_name(body.answer),
        hosts=_hosts(outlines, body.mcp_servers),
        need_files=[name for each, name in named if each.needs == "files"],
        need_hosts=[name for each, name in named if each.needs == "hosts" and not each.hosts],
    )


def _answerer(body: InspectRequest, services: Services) -> Answerer | None:
    if not body.base_url.strip():
        return None
    try:
        base_url = check_base_url(body.base_url)
    except ValueError:
        return None  # generating says so, at the field
    return server_answerer(base_url, services.settings, services.keys)


def _hosts(outlines: list[ToolOutline], servers: list[DraftServer]) -> list[WantedHost]:
    wanted: dict[str, str] = {}
    for outline in outlines:
        for host in outline.hosts:
            wanted.setdefault(host, outline.name or "a tool")
    for host, name in _server_hosts(servers):
        wanted.setdefault(host, name)
    return [WantedHost(host=host, by=by) for host, by in wanted.items()]


def _server_hosts(servers: list[DraftServer]) -> Iterator[tuple[str, str]]:
    for server in servers:
        try:
            parts = urlsplit(server.url.strip())
            port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        except ValueError:
            continue  # not an address yet
        if parts.hostname and port:
            yield f"{parts.hostname}:{port}", server.name.strip() or "an MCP server"
