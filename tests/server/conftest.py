"""What the tests of the server share."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.serving import Serving


@pytest.fixture
def client(server: Serving) -> Iterator[httpx.Client]:
    """Return a client of a server with default settings."""
    with server.client() as client:
        yield client
