"""Ready tools: plain functions that an agent file takes in as they stand.

Read as text and never imported: what they do is the agent's, not the builder's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from llm_agent_builder.errors import SpecError

Needs = Literal["files", "hosts"]


@dataclass(frozen=True, slots=True)
class GalleryTool:
    """A ready tool."""

    id: str
    """The function's name."""
    label: str
    description: str
    """One line for people; what the model reads is the docstring."""
    needs: Needs | None
    """What a run must be given for it: files in its folder, or hosts it may reach."""
    code: str
    """The source, as `tool_code.parse_tool` writes it."""


_ROWS: tuple[tuple[str, str, str, Needs | None], ...] = (
    ("calculator", "Calculator", "Works out arithmetic, without eval.", None),
    ("current_time", "Current time", "Tells date and time, in any time zone.", None),
    (
        "read_file",
        "Read a file",
        "Reads text files of one folder, and lists them.",
        "files",
    ),
    (
        "fetch_url",
        "Fetch a page",
        "Reads https pages of the hosts in FETCH_HOSTS.",
        "hosts",
    ),
    (
        "query_sqlite",
        "Ask a database",
        "Runs SQL on a SQLite file, read-only.",
        "files",
    ),
)


@cache
def gallery() -> tuple[GalleryTool, ...]:
    """Return the ready tools, simplest first."""
    folder = files(__name__)
    return tuple(
        GalleryTool(
            id_,
            label,
            description,
            needs,
            folder.joinpath(f"{id_}.py").read_text("utf-8"),
        )
        for id_, label, description, needs in _ROWS
    )


def gallery_tool(id_: str) -> GalleryTool:
    """Return one ready tool.

    Raises:
        SpecError: there is none of that id; names those that are.

    """
    for tool in gallery():
        if tool.id == id_:
            return tool
    known = ", ".join(tool.id for tool in gallery())
    raise SpecError("tools", f"there is no ready-made tool {id_!r}; available: {known}")
