"""The command `tools`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from llm_agent_builder.commands.base import Command
from llm_agent_builder.gallery import GalleryTool, gallery, gallery_tool

_GIVEN = {"files": "run it with --file", "hosts": "run it with --allow-host"}


@click.command(cls=Command)
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def tools(id_: str | None, as_json: bool) -> None:
    """List the gallery tools, or print the Python source of the one with this ID."""
    found = gallery() if id_ is None else (gallery_tool(id_),)
    if as_json:
        click.echo(json.dumps([asdict(tool) for tool in found], indent=2))
    elif id_ is not None:
        click.echo(found[0].code, nl=False)
    else:
        width = max(len(tool.id) for tool in found)
        for tool in found:
            click.echo(f"{tool.id:<{width}}  {_about(tool)}")


def _about(tool: GalleryTool) -> str:
    return f"{tool.description} ({_GIVEN[tool.needs]})" if tool.needs else tool.description
