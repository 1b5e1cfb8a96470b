"""The whole command line: the pure commands, and run, serve and doctor."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

try:
    from llm_agent_builder.cli import cli
except KeyboardInterrupt:  # Ctrl-C while it loads; later ones are the group's
    print("interrupted", file=sys.stderr)
    raise SystemExit(130) from None

if TYPE_CHECKING:
    from llm_agent_builder.catalog.catalog import Catalog
    from server.catalog.cached import CachedCatalog

__all__ = ["cli", "main"]

cli.add_later(
    "run",
    "server.commands.run:run",
    "Run an agent file in the sandbox, showing its output as it comes.",
)
cli.add_later(
    "serve",
    "server.commands.serve:serve",
    "Serve the page and the HTTP interface.",
)
cli.add_later(
    "doctor",
    "server.commands.doctor:doctor",
    "Show what works on this machine, and how to mend what doesn't.",
)


def main() -> None:
    """Run the command line."""
    try:
        cli(obj=_Known())
    except OSError as error:  # standard output can't be written: the disk is full, say
        raise SystemExit(f"Error: {error}") from None


class _Known:
    """The catalog as the server had it last: with its settings, and the lists it kept."""

    def __call__(self) -> Catalog:
        return self._kept.current()

    def server_notes(self) -> list[str]:
        return self._kept.server_notes()

    @cached_property
    def _kept(self) -> CachedCatalog:
        from server.catalog.cached import CachedCatalog  # noqa: PLC0415 - few commands ask for it
        from server.keys import KeySource  # noqa: PLC0415
        from server.settings import load_settings  # noqa: PLC0415

        kept = CachedCatalog(load_settings(), KeySource())
        kept.load()
        return kept
