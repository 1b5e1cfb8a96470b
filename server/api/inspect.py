"""The route that reads a form which is still being filled in: names, hosts, who would answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from llm_agent_builder.gallery import Needs
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.spec.agent_spec import CODE_MAX_BYTES
from llm_agent_builder.user_code.outline import ToolOutline, answer_name, tool_outline
from llm_agent_builder.validation.base_urls import URL_MAX_CHARS, check_base_url
from server.runs.answerers import server_answerer
from server.services import Services

__all__ = ["InspectRequest", "InspectResponse", "add_inspect_route"]

_ENTRIES_MAX = 64
_QUICK_CHARS = 64 * 1024
"""Texts up to this are read in less time than a thread takes."""

_Code = Annotated[str, Field(max_length=CODE_MAX_BYTES)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DraftServer(_Body):
    """An MCP server as typed so far."""

    name: str = Field(default="", max_length=1000)
    url: str = Field(default="", max_length=10_000)


class InspectRequest(_Body):
    """The parts of a form that its notes depend on, as typed so far: nothing has to be valid."""

    provider: ProviderEnum
    base_url: str = Field(default="", max_length=10_000)
    tools: list[_Code] = Field(default=[], max_length=_ENTRIES_MAX)
    answer: _Code = ""
    mcp_servers: list[DraftServer] = Field(default=[], max_length=_ENTRIES_MAX)


class AnswererBody(_Body):
    """Who would answer the agent's model calls."""

    own: bool
    """Whether it is a server of the user's own."""
    name: str
    reason: str | None
    """Why it can't answer; null when it can."""


class OutlineBody(_Body):
    """What can be seen of a tool."""

    name: str | None
    summary: str | None
    needs: Needs | None


class WantedHost(_Body):
    """A host that the agent asks for, and the tool or MCP server that names it first."""

    host: str
    by: str


class InspectResponse(_Body):
    """What the form's notes say; `tools` are in the order of the request."""

    answerer: AnswererBody | None
    """Of the typed address; null where there is none, or it can't be read yet."""
    tools: list[OutlineBody]
    answer_name: str | None
    hosts: list[WantedHost]
    need_files: list[str]
    """Tools that probably read files."""
    need_hosts: list[str]
    """Tools that probably use the network without listing hosts."""


def add_inspect_route(app: FastAPI) -> None:
    """Add the route."""
    app.post("/api/inspect", response_model=InspectResponse)(post_inspect)


async def post_inspect(request: Request, body: InspectRequest) -> InspectResponse:
    """Read a form that is still being filled in; nothing is parsed as Python, or run.

    Says what its tools are called, which hosts it asks for, and who answers at a typed address.
    """
    services: Services = request.app.state.services
    if sum(map(len, body.tools)) + len(body.answer) <= _QUICK_CHARS:
        return _inspect(body, services)
    return await services.reading.run(lambda: _inspect(body, services))


def _inspect(body: InspectRequest, services: Services) -> InspectResponse:
    outlines = [tool_outline(code) for code in body.tools]
    named = [(each, each.name) for each in outlines if each.name]
    return InspectResponse(
        answerer=_answerer(body, services),
        tools=[OutlineBody(name=o.name, summary=o.summary, needs=o.needs) for o in outlines],
        answer_name=answer_name(body.answer),
        hosts=_hosts(outlines, body.mcp_servers),
        need_files=[name for each, name in named if each.needs == "files"],
        need_hosts=[name for each, name in named if each.needs == "hosts" and not each.hosts],
    )


def _answerer(body: InspectRequest, services: Services) -> AnswererBody | None:
    if not body.base_url.strip() or len(body.base_url) > URL_MAX_CHARS:
        return None
    try:
        base_url = check_base_url(body.base_url)
    except ValueError:
        return None  # generating says so, at the field
    found = server_answerer(base_url, services.settings, services.keys)
    return AnswererBody(own=found.own, name=found.name, reason=found.reason)


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
