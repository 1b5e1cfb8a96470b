"""pre-commit-check.sh blocks the commit if it cannot check it."""

from pathlib import Path

import pytest

from tests.support.hooked_repository import ANTHROPIC_KEY, Repository, put_stand_in


@pytest.mark.parametrize("command", ["hash-object", "diff-index", "cat-file"])
def test_failing_git_blocks_with_a_message(
    started: Repository, tmp_path: Path, command: str
) -> None:
    started.stage("a", "clean\n")
    shim = tmp_path / "shim"
    put_stand_in(shim, "git", f'[ "$1" = {command} ] && exit 128\nexec "$real" "$@"')
    done = started.check(PATH=f"{shim}:{started.environment['PATH']}")
    assert done.returncode == 2
    assert b"could not check the staged files" in done.stderr
    assert b"commit blocked" in done.stderr


@pytest.mark.parametrize("tool", ["awk", "tr"])
@pytest.mark.parametrize("script", ["exit 127", "cat > /dev/null"])
def test_failing_tool_blocks_with_a_message(
    started: Repository, tmp_path: Path, tool: str, script: str
) -> None:
    started.stage("a", ANTHROPIC_KEY)
    put_stand_in(tmp_path / "shim", tool, script)
    done = started.check(PATH=f"{tmp_path / 'shim'}:{started.environment['PATH']}")
    assert done.returncode == 2
    assert b"could not check" in done.stderr


def test_git_that_stops_half_way_blocks(started: Repository, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        started.stage(name, "clean\n")
    half = '[ "$1" = cat-file ] || exec "$real" "$@"\n"$real" "$@" | head -n 2'
    put_stand_in(tmp_path / "shim", "git", half)
    done = started.check(PATH=f"{tmp_path / 'shim'}:{started.environment['PATH']}")
    assert done.returncode == 2


def test_missing_object_blocks(started: Repository) -> None:
    started.stage_object(b"a", b"1" * 40)
    started.stage("b", "clean\n")
    done = started.check()
    assert done.returncode == 2
    assert b"could not check" in done.stderr


def test_damaged_index_blocks(started: Repository) -> None:
    (started.root / ".git" / "index").write_bytes(b"damaged")
    assert started.check().returncode == 2


def test_outside_a_repository_blocks(started: Repository, tmp_path: Path) -> None:
    done = started.check(cwd=tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert done.returncode == 2
    assert b"could not check" in done.stderr
