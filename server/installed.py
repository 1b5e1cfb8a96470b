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
