"""The route that inspects an unfinished form: names of tools, hosts, and the answering model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from fastapi import APIRouter
from pydantic import Field

from llm_agent_builder.gallery import Needs
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.spec.agent_spec import SERVERS_MAX_COUNT
from llm_agent_builder.spec.parts import (
    ARGUMENT_MAX_CHARS,
    MCP_NAME_MAX_CHARS,
    TOOLS_MAX,
    answer_max_bytes,
)
from llm_agent_builder.user_code.outline import ToolOutline, answer_name, tool_outline
from llm_agent_builder.user_code.parse import CODE_MAX_BYTES, TOOL_MAX_BYTES
from llm_agent_builder.validation.base_urls import check_base_url
from llm_agent_builder.validation.strict_model import StrictModel
from llm_agent_builder.validation.text import few_items, utf8_length
from server.api.bodies import BoundedRoute
from server.api.dependencies import CurrentServices
from server.api.errors import BODY_ERRORS, describe_errors
from server.models import Answer
from server.runs.answerers import Answerer, server_answerer
from server.services import Services
from server.settings import destination

__all__ = ["InspectRequest", "InspectResponse", "router"]

_QUICK_CHARS = 4 * 1024
"""Forms with less text are read in less than 1 ms: on the event loop, without a thread."""
_HOSTS_MAX = 64
"""Limit of the hosts in an answer: encoding a name takes up to 20 µs."""


class _InspectRoute(BoundedRoute):
    """A form within the limits of a spec fits, even with each character of its code escaped.

    The escapes of JSON text are shorter than those of code: it has no control characters.
    """

    max_bytes: ClassVar[int] = 1024 * 1024


router = APIRouter(route_class=_InspectRoute, tags=["agents"])


class DraftServer(StrictModel):
    """An MCP server as typed so far."""

    name: str = ""
    url: str = ""


class InspectRequest(StrictModel):
    """The parts of an unfinished form that its notes depend on; they need not be valid.

    A text that is longer than a spec allows is treated as empty.
    """

    provider: ProviderEnum
    base_url: str = ""
    tools: Annotated[list[str], few_items(TOOLS_MAX)] = Field(default=[], max_length=TOOLS_MAX)
    answer: str = ""
    mcp_servers: Annotated[list[DraftServer], few_items(SERVERS_MAX_COUNT)] = Field(
        default=[], max_length=SERVERS_MAX_COUNT
    )

    @property
    def chars(self) -> int:
        """The length of all texts together."""
        texts = [self.base_url, self.answer, *self.tools]
        return sum(map(len, texts)) + sum(len(each.url) for each in self.mcp_servers)


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
    """As HOST:PORT, in the form that a run is granted it."""
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
    if body.chars <= _QUICK_CHARS:
        return _inspect(body, services)
    return await services.parser_pool.run(lambda: _inspect(body, services))


def _inspect(body: InspectRequest, services: Services) -> InspectResponse:
    outlines = [tool_outline(code) for code in _within_limits(body.tools)]
    named = [(each, each.name) for each in outlines if each.name]
    return InspectResponse(
        answerer=_answerer(body, services),
        tools=[Outline(name=o.name, summary=o.summary, needs=o.needs) for o in outlines],
        answer_name=answer_name(_short(body.answer, answer_max_bytes(body.answer))),
        hosts=_hosts(outlines, body.mcp_servers),
        need_files=[name for each, name in named if each.needs == "files"],
        need_hosts=[name for each, name in named if each.needs == "hosts" and not each.hosts],
    )


def _within_limits(tools: Iterable[str]) -> Iterator[str]:
    """Yield each tool, or "" for one that exceeds a spec's limits, alone or with those before."""
    left = CODE_MAX_BYTES
    for tool in tools:
        code = _short(tool, min(left, TOOL_MAX_BYTES))
        left -= utf8_length(code)
        yield code


def _short(text: str, max_bytes: int) -> str:
    """Return a text, or "" if it is too long."""
    return text if utf8_length(text) <= max_bytes else ""


def _answerer(body: InspectRequest, services: Services) -> Answerer | None:
    if not body.base_url.strip():
        return None
    try:
        base_url = check_base_url(body.base_url)
    except ValueError:
        return None  # generating says so, at the field
    return server_answerer(base_url, services.settings.own_servers, services.keys)


def _hosts(outlines: list[ToolOutline], servers: list[DraftServer]) -> list[WantedHost]:
    named: dict[str, str] = {}
    for host, by in (*_tool_hosts(outlines), *_server_hosts(servers)):
        named.setdefault(host, by)
    wanted: dict[str, str] = {}
    for host, by in islice(named.items(), _HOSTS_MAX):
        if granted := _granted_form(host):
            wanted.setdefault(granted, by)
    return [WantedHost(host=host, by=by) for host, by in wanted.items()]


def _tool_hosts(outlines: list[ToolOutline]) -> Iterator[tuple[str, str]]:
    return ((host, each.name or "a tool") for each in outlines for host in each.hosts)


def _server_hosts(servers: list[DraftServer]) -> Iterator[tuple[str, str]]:
    for server in servers:
        if host := _url_host(_short(server.url.strip(), ARGUMENT_MAX_CHARS)):
            name = server.name.strip()[:MCP_NAME_MAX_CHARS]
            yield host, name or "an MCP server"


def _url_host(url: str) -> str | None:
    """Return the HOST:PORT of a URL, or None if it is not a complete URL yet."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    if port is None:
        port = 80 if parts.scheme == "http" else 443
    return f"{parts.hostname}:{port}"


def _granted_form(host: str) -> str | None:
    """Return a HOST:PORT in the form that a run is granted it, or None if there is no such form.

    Clients ask for a name that is not ASCII in its encoded form (xn--...).
    """
    name, _, port = host.rpartition(":")
    try:
        ascii_name = name if name.isascii() else name.encode("idna").decode()
        return destination(f"{ascii_name}:{port}")
    except ValueError:
        return None
