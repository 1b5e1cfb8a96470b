"""The commands that need no server; `server/cli.py` adds the others."""

from __future__ import annotations

import click

from llm_agent_builder.commands.base import Group


@click.group(cls=Group)
@click.version_option(package_name="llm-agent-builder")
def cli() -> None:
    """Build an LLM agent as one readable Python file that you own."""


cli.add_later(
    "generate",
    "llm_agent_builder.commands.generate:generate",
    "Write an agent file.",
)
cli.add_later(
    "read",
    "llm_agent_builder.commands.read:read",
    "Turn an agent file back into a spec, even if you edited it by hand. The file is not run.",
)
cli.add_later(
    "import",
    "llm_agent_builder.commands.import_agent:import_",
    "Convert an OpenAI Agents SDK program, or an Agent Builder export, to a spec.",
)
cli.add_later(
    "schema",
    "llm_agent_builder.commands.read:schema",
    "Print the JSON Schema of spec files, for editors.",
)
cli.add_later(
    "models",
    "llm_agent_builder.commands.models:models",
    "List each provider's models: built-in, fetched from the provider, and added by settings.",
)
cli.add_later(
    "check",
    "llm_agent_builder.commands.check:check",
    "Check an agent file: its syntax, its parts, and whether its model is still available.",
)
cli.add_later(
    "tools",
    "llm_agent_builder.commands.tools:tools",
    "List the gallery tools, or print the Python source of the one with this ID.",
)
