"""Gallery tools: plain functions that are copied into agent files unchanged.

They are read as text and never imported: they run in the agent, not in the builder.
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
    """A gallery tool."""

    id: str
    """The function's name."""
    label: str
    description: str
    """One line for people; the model reads the docstring."""
    needs: Needs | None
    """What a run must provide for it: files in its folder, or allowed hosts."""
    code: str
    """The canonical source, from `tool_code.parse_tool`."""


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
    """Return the gallery tools, simplest first."""
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
    """Return one gallery tool.

    Raises:
        SpecError: there is no tool with that id; lists the available ones.

    """
    for tool in gallery():
        if tool.id == id_:
            return tool
    known = ", ".join(tool.id for tool in gallery())
    raise SpecError("tools", f"there is no gallery tool {id_!r}; available: {known}")
