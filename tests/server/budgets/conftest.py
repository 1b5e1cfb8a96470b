"""Databases for the tests of budgets."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'runs.sqlite3'}"
    try:
        postgres = request.getfixturevalue("shared_postgres")
    except pytest.FixtureLookupError:
        pytest.skip("no PostgreSQL for tests")
    found: str = postgres.database()
    return found.replace("postgresql://", "postgresql+psycopg://")
