"""Shared fixtures of the server's tests."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx
import pytest

from server.sandbox import Sandbox
from tests.support.attacking import offered_tiers, open_sandbox
from tests.support.matrix import MATRIX
from tests.support.serving import Serving


@pytest.fixture
def client(server: Serving) -> Iterator[httpx.Client]:
    """Return a client of a server with default settings."""
    with server.client() as client:
        yield client


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for `tier` on every tier that this machine offers.

    `make test` runs it on the strongest of them, and every fourth test on each of the others too.
    """
    if "tier" not in metafunc.fixturenames:
        return
    strongest, *others = offered_tiers() or ("none",)
    turn = zlib.crc32(metafunc.definition.nodeid.encode()) % 4
    marked = [
        tier if turn == number else pytest.param(tier, marks=MATRIX)
        for number, tier in enumerate(others)
    ]
    metafunc.parametrize("tier", [strongest, *marked], scope="session")


@pytest.fixture(scope="session")
def tiered(tier: str) -> Iterator[Sandbox]:
    """Return the sandbox of one tier; all that the machine offers have their turn."""
    sandbox = open_sandbox(tier)
    yield sandbox
    sandbox.close()
