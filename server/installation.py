"""The installed version and the built page."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

STATIC = Path(__file__).with_name("static")
"""The folder of the built page; missing or empty if the page is not built."""


def package_version() -> str:
    """Return the installed version, or "dev" when run from a checkout."""
    try:
        return version("llm-agent-builder")
    except PackageNotFoundError:
        return "dev"


def page_paths(static: Path = STATIC) -> frozenset[str]:
    """Return the URL paths of the page: `/`, and one for each of its present files."""
    files = (each.relative_to(static).as_posix() for each in static.rglob("*") if each.is_file())
    return frozenset({"/", *(f"/{name}" for name in files)})
