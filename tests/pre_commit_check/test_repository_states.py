"""pre-commit-check.sh in repositories of every state, and with settings of git."""

import shutil
from pathlib import Path

import pytest

from tests.support.hooked_repository import ANTHROPIC, ANTHROPIC_KEY, SCRIPT, Repository, findings


def test_very_first_commit_is_blocked(repository: Repository) -> None:
    repository.stage("a", ANTHROPIC_KEY)
    assert findings(repository.blocked()) == [f"a:1: {ANTHROPIC}"]


def test_very_first_commit_passes_without_a_key(repository: Repository) -> None:
    repository.stage("a", "clean\n")
    repository.commit()


def test_first_commit_of_a_sha256_repository_is_blocked(
    repository: Repository, tmp_path: Path
) -> None:
    other = Repository(tmp_path / "sha256", repository.environment)
    other.root.mkdir()
    other.git("init", "--quiet", "--template=", "--object-format=sha256")
    shutil.copytree(repository.root / ".git" / "hooks", other.root / ".git" / "hooks")
    other.stage("a", ANTHROPIC_KEY)
    assert findings(other.blocked()) == [f"a:1: {ANTHROPIC}"]


def _conflict(repository: Repository, theirs: str) -> None:
    repository.git("switch", "--quiet", "--create", "side")
    repository.stage("first.txt", "side\n")
    repository.stage("theirs", theirs)
    repository.commit_unchecked()
    repository.git("switch", "--quiet", "main")
    repository.stage("first.txt", "main\n")
    repository.commit()
    assert repository.run("git", "merge", "side").returncode == 1


def test_merge_passes_once_its_conflict_is_resolved(started: Repository) -> None:
    _conflict(started, theirs="clean\n")
    started.stage("first.txt", "both\n")
    started.commit()
    assert len(started.git("rev-list", "--parents", "-1", "HEAD").split()) == 3


def test_merge_is_blocked_by_a_key_in_its_resolution(started: Repository) -> None:
    _conflict(started, theirs="clean\n")
    started.stage("first.txt", f"both\n{ANTHROPIC_KEY}\n")
    assert findings(started.blocked()) == [f"first.txt:2: {ANTHROPIC}"]


def test_merge_is_blocked_by_a_key_that_it_brings_in(started: Repository) -> None:
    _conflict(started, theirs=f"{ANTHROPIC_KEY}\n")
    started.stage("first.txt", "both\n")
    assert findings(started.blocked()) == [f"theirs:1: {ANTHROPIC}"]


def test_unresolved_conflict_is_blocked(started: Repository) -> None:
    _conflict(started, theirs="clean\n")
    done = started.check()
    assert done.returncode == 1
    assert b"first.txt: has an unresolved conflict\n" in done.stderr


def test_detached_head_is_blocked(started: Repository) -> None:
    started.git("switch", "--quiet", "--detach")
    started.stage("a", ANTHROPIC_KEY)
    assert findings(started.blocked()) == [f"a:1: {ANTHROPIC}"]


def test_linked_work_tree_is_blocked(started: Repository, tmp_path: Path) -> None:
    started.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    linked = Repository(tmp_path / "linked", started.environment)
    linked.stage("a", ANTHROPIC_KEY)
    assert findings(linked.blocked()) == [f"a:1: {ANTHROPIC}"]


@pytest.mark.parametrize("folder", ["sub", "other/deep"])
def test_run_from_a_folder_sees_the_whole_index(started: Repository, folder: str) -> None:
    started.stage("sub/a", ANTHROPIC_KEY)
    (started.root / folder).mkdir(parents=True, exist_ok=True)
    done = started.check(cwd=started.root / folder)
    assert done.returncode == 1
    assert findings(done.stderr.decode()) == [f"sub/a:1: {ANTHROPIC}"]


def test_hook_may_be_a_symbolic_link(started: Repository) -> None:
    hook = started.root / ".git" / "hooks" / "pre-commit"
    hook.unlink()
    hook.symlink_to(SCRIPT)
    started.stage("a", ANTHROPIC_KEY)
    assert findings(started.blocked()) == [f"a:1: {ANTHROPIC}"]


def test_relative_git_dir_and_index_are_honoured(started: Repository) -> None:
    started.stage("a", ANTHROPIC_KEY)
    (started.root / ".git" / "index").rename(started.root / ".git" / "other")
    done = started.check(GIT_DIR=".git", GIT_INDEX_FILE=".git/other")
    assert findings(done.stderr.decode()) == [f"a:1: {ANTHROPIC}"]


def test_replaced_object_does_not_hide_the_key_that_is_committed(started: Repository) -> None:
    started.stage("a", ANTHROPIC_KEY)
    clean = started.git("hash-object", "-w", "--stdin", stdin=b"clean\n")
    started.git("replace", started.git("rev-parse", ":a"), clean)
    assert findings(started.blocked()) == [f"a:1: {ANTHROPIC}"]


@pytest.mark.matrix(keep=3)
@pytest.mark.parametrize(
    "setting",
    [
        "diff.relative=true",
        "diff.external=false",
        "diff.noprefix=true",
        "diff.ignoreSubmodules=all",
        "core.quotePath=true",
        "core.abbrev=4",
        "core.bigFileThreshold=1",
        "core.attributesFile=/dev/zero/none",
        "submodule.recurse=true",
        "color.ui=always",
    ],
)
def test_setting_of_git_does_not_change_what_is_found(started: Repository, setting: str) -> None:
    name, value = setting.split("=")
    started.git("config", name, value)
    started.stage("sub/é", ANTHROPIC_KEY)
    (started.root / "empty").mkdir()
    done = started.check(cwd=started.root / "empty")
    assert findings(done.stderr.decode()) == [f'"sub/\\303\\251":1: {ANTHROPIC}']
