"""The command line, pure half: all that needs no server. `server/cli.py` adds the rest."""

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
    "Read an agent file, also one edited by hand, back into a spec; the file is not run.",
)
cli.add_later(
    "import",
    "llm_agent_builder.commands.import_agent:import_",
    "Make a spec of an agent of OpenAI's Agents SDK, or of code exported by its Agent Builder.",
)
cli.add_later(
    "schema",
    "llm_agent_builder.commands.read:schema",
    "Print the JSON Schema of spec files, by which editors complete and check them.",
)
cli.add_later(
    "models",
    "llm_agent_builder.commands.models:models",
    "List the models of each provider: what ships, what was last asked for, what you added.",
)
cli.add_later(
    "check",
    "llm_agent_builder.commands.check:check",
    "Check an agent file: that it is Python, has its parts, and names a model that is still there.",
)
cli.add_later(
    "tools",
    "llm_agent_builder.commands.tools:tools",
    "List the ready tools; with an ID, print that one's Python source.",
)
