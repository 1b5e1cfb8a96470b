"""The command line: the builder's commands, and run, serve and doctor."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

try:
    from llm_agent_builder.cli import cli
except KeyboardInterrupt:  # Ctrl-C during the import; the group handles later ones
    print("interrupted", file=sys.stderr)
    raise SystemExit(130) from None

if TYPE_CHECKING:
    from llm_agent_builder.catalog.catalog import Catalog
    from server.catalog.cached import CachedCatalog

__all__ = ["cli", "main"]

cli.add_later(
    "run",
    "server.commands.run:run",
    "Run an agent file in the sandbox and show its output live.",
)
cli.add_later(
    "serve",
    "server.commands.serve:serve",
    "Serve the page and the HTTP interface.",
)
cli.add_later(
    "doctor",
    "server.commands.doctor:doctor",
    "Check this machine and suggest fixes.",
)


def main() -> None:
    """Run the command line."""
    try:
        cli(obj=_StoredCatalog())
    except OSError as error:  # such as a full disk, when writing to standard output
        raise SystemExit(f"Error: {error}") from None


class _StoredCatalog:
    """The catalog from the server's settings and the model lists that it has cached."""

    def __call__(self) -> Catalog:
        return self._cached.current()

    def server_notes(self) -> list[str]:
        return self._cached.server_notes()

    @cached_property
    def _cached(self) -> CachedCatalog:
        from server.catalog.cached import CachedCatalog  # noqa: PLC0415 - few commands ask for it
        from server.keys import KeySource  # noqa: PLC0415
        from server.settings import load_settings  # noqa: PLC0415

        cached = CachedCatalog(load_settings(), KeySource())
        cached.load()
        return cached
