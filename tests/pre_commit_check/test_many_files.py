"""pre-commit-check.sh: commits of many files."""

from collections.abc import Callable
from pathlib import Path

from tests.support.hooked_repository import (
    ANTHROPIC,
    ANTHROPIC_KEY,
    HUGGING_FACE_TOKEN,
    Repository,
    findings,
    put_stand_in,
)


def _stage_many(repository: Repository, count: int, content: Callable[[int], str]) -> None:
    for number in range(count):
        repository.write(f"many/folder {number % 7}/file {number}.txt", content(number))
    repository.git("add", "many")


def test_key_in_one_of_a_thousand_files_is_blocked(started: Repository) -> None:
    _stage_many(
        started, 1000, lambda number: ANTHROPIC_KEY if number == 613 else f"file {number}\n"
    )
    assert findings(started.blocked()) == [f"many/folder 4/file 613.txt:1: {ANTHROPIC}"]


def test_a_thousand_files_take_as_many_processes_as_three(
    started: Repository, tmp_path: Path
) -> None:
    shim, log = tmp_path / "shim", tmp_path / "log"
    for tool in ("git", "awk", "tr", "cat"):
        put_stand_in(shim, tool, f'echo {tool} >> \'{log}\'\nexec "$real" "$@"')

    def programs_run() -> list[str]:
        log.write_text("")
        done = started.check(PATH=f"{shim}:{started.environment['PATH']}")
        assert done.returncode == 0, done.stderr
        return sorted(log.read_text().split())

    _stage_many(started, 3, "few {}\n".format)
    few = programs_run()
    _stage_many(started, 1000, "many {}\n".format)
    assert programs_run() == few


def test_key_in_each_of_a_thousand_files_is_named(started: Repository) -> None:
    _stage_many(started, 1000, lambda number: f"{number}\n{HUGGING_FACE_TOKEN}\n")
    named = findings(started.blocked())
    assert len(named) == len(set(named)) == 1000
