"""Repositories for the tests of pre-commit-check.sh."""

import shutil
from pathlib import Path

import pytest

from tests.support.hooked_repository import Repository, new_repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path)


@pytest.fixture(scope="session")
def first_commit(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with one commit, which tests copy: git's processes take most of their time."""
    repository = new_repository(tmp_path_factory.mktemp("first commit"))
    repository.stage("first.txt", "first\n")
    repository.commit()
    return repository


@pytest.fixture
def started(first_commit: Repository, tmp_path: Path) -> Repository:
    """The repository after a first commit."""
    copied = shutil.copytree(first_commit.root.parent, tmp_path, dirs_exist_ok=True)
    return Repository(
        copied / first_commit.root.name,
        first_commit.environment | {"HOME": str(copied / "home")},
    )
