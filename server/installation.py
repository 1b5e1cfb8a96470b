"""What is installed: the built page, and which version."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

STATIC = Path(__file__).with_name("static")
"""The built page; the folder is empty, or not there, where nobody has built it."""


def package_version() -> str:
    """Return the installed version, or "dev" when run from a checkout."""
    try:
        return version("llm-agent-builder")
    except PackageNotFoundError:
        return "dev"


def page_paths(static: Path = STATIC) -> frozenset[str]:
    """Return the paths of the page: of its files as they are now, and of what is shown at `/`."""
    files = (each.relative_to(static).as_posix() for each in static.rglob("*") if each.is_file())
    return frozenset({"/", *(f"/{name}" for name in files)})
