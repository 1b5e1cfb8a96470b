"""What all tests share: a scrubbed environment, and real servers to talk to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import matrix
from tests.support.forked import end_forks
from tests.support.left_processes import kill, left_after, mark_this_process
from tests.support.postgres import Postgres
from tests.support.serving import ServerFactory, Serving, start_server

# A developer's keys, settings and proxies never change an outcome. Done when tests are collected,
# before anything of the product is imported by them.
_SCRUBBED = ("ANTHROPIC_", "HF_", "HUGGINGFACE", "AGENT_BUILDER_", "OTEL_", "XDG_")
_SCRUBBED_NAMES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
for _name in list(os.environ):
    if _name.startswith(_SCRUBBED) or _name.upper() in _SCRUBBED_NAMES:
        del os.environ[_name]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that `make test-all` gives."""
    parser.addoption(
        "--matrix", action="store_true", help="run the tests marked `matrix` and all examples too"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell `tests.support.matrix`, which decorators of test modules ask."""
    matrix.enabled = config.getoption("matrix")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases marked `matrix` unless they were asked for."""
    if matrix.enabled:
        return
    left_out = matrix.left_out_of(items)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def _nothing_left() -> Iterator[None]:
    """Fail the session where a process that it has started is left; the last to be torn down."""
    mark = mark_this_process()
    yield
    end_forks()
    if mark is not None and (left := left_after(mark, 15)):
        kill(left)
        lines = "\n".join(f"  {pid}: {command}" for pid, command in left.items())
        pytest.fail(f"the tests of this session have left processes:\n{lines}", pytrace=False)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[ServerFactory]:
    """Start real server processes with settings of the test's own; they end with the test.

    They have no built-in model, which takes half a second to load, unless the test gives
    AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL.
    """
    with _servers_in(tmp_path, AGENT_BUILDER_LOCAL_MODEL_PATH="none") as start:
        yield start


@pytest.fixture(scope="module")
def serve_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerFactory]:
    """Start real server processes, with SDKs loaded ahead, that tests of a module share."""
    with _servers_in(tmp_path_factory.mktemp("servers"), AGENT_BUILDER_PRELOAD="1") as start:
        yield start


@contextmanager
def _servers_in(parent: Path, **always: str) -> Iterator[ServerFactory]:
    running: list[Serving] = []

    def start(*arguments: str, folder: Path | None = None, **settings: str) -> Serving:
        place = folder or parent / f"server{len(running)}"
        place.mkdir(parents=True, exist_ok=True)
        running.append(start_server(place, *arguments, **{**always, **settings}))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Return a real server process that loads SDKs ahead, for tests that change no setting."""
    settings = {"AGENT_BUILDER_LOG_LEVEL": "DEBUG", "AGENT_BUILDER_PRELOAD": "1"}
    running = start_server(tmp_path_factory.mktemp("server"), **settings)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[Postgres]:
    """Return a running PostgreSQL that tests share, each with a database of its own."""
    with _running_postgres() as running:
        yield running


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """Return a running PostgreSQL that the test may stop, kill and start again."""
    with _running_postgres() as running:
        yield running


@contextmanager
def _running_postgres() -> Iterator[Postgres]:
    running = Postgres()
    try:
        running.start()
        yield running
    finally:
        running.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database: each test that asks for it runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'database.sqlite3'}"
    postgres: Postgres = request.getfixturevalue("shared_postgres")
    return postgres.database()
