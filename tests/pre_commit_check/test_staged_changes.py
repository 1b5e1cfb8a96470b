"""pre-commit-check.sh checks what is staged, whatever kind of change it is."""

from pathlib import Path

import pytest

from tests.support.hooked_repository import ANTHROPIC, ANTHROPIC_KEY, Repository, findings

# Staged against on disk


def test_key_staged_but_removed_on_disk_is_blocked(started: Repository) -> None:
    started.stage("a", ANTHROPIC_KEY)
    started.write("a", "clean\n")
    assert findings(started.blocked()) == [f"a:1: {ANTHROPIC}"]


def test_key_staged_in_a_file_gone_from_disk_is_blocked(started: Repository) -> None:
    started.stage("a", ANTHROPIC_KEY).unlink()
    assert findings(started.blocked()) == [f"a:1: {ANTHROPIC}"]


def test_key_on_disk_but_not_staged_passes(started: Repository) -> None:
    started.stage("a", "clean\n")
    started.write("a", ANTHROPIC_KEY)
    started.write("untracked", ANTHROPIC_KEY)
    started.commit()


def test_hunk_without_the_key_passes_and_the_hunk_with_it_is_blocked(started: Repository) -> None:
    lines = [f"{number}\n" for number in range(40)]
    started.stage("a", "".join(lines))
    started.commit()
    started.write("a", "".join(["top\n", *lines, f"{ANTHROPIC_KEY}\n"]))
    started.git("add", "--patch", "a", stdin=b"y\nn\n")
    started.commit()
    started.git("add", "--patch", "a", stdin=b"y\n")
    assert findings(started.blocked()) == [f"a:42: {ANTHROPIC}"]


def test_commit_all_is_blocked_by_a_key_in_a_tracked_file(started: Repository) -> None:
    started.write("first.txt", f"first\n{ANTHROPIC_KEY}\n")
    assert findings(started.blocked("--all")) == [f"first.txt:2: {ANTHROPIC}"]


def test_commit_of_a_path_is_blocked_by_a_key_that_is_in_no_index_yet(started: Repository) -> None:
    started.write("first.txt", ANTHROPIC_KEY)
    assert findings(started.blocked("--", "first.txt")) == [f"first.txt:1: {ANTHROPIC}"]


def test_commit_of_a_path_passes_if_the_key_is_staged_elsewhere(started: Repository) -> None:
    started.stage("secret", ANTHROPIC_KEY)
    started.write("first.txt", "second\n")
    started.commit("--only", "--", "first.txt")
    assert findings(started.blocked()) == [f"secret:1: {ANTHROPIC}"]


def test_old_key_in_a_file_changed_elsewhere_is_blocked(started: Repository) -> None:
    started.stage("a", f"{ANTHROPIC_KEY}\n")
    started.commit_unchecked()
    started.stage("a", f"{ANTHROPIC_KEY}\nmore\n")
    assert findings(started.blocked()) == [f"a:1: {ANTHROPIC}"]


def test_old_key_in_an_untouched_file_passes(started: Repository) -> None:
    started.stage("a", ANTHROPIC_KEY)
    started.commit_unchecked()
    started.stage("b", "clean\n")
    started.commit()


# Kinds of change


def test_deleting_a_file_with_a_key_passes(started: Repository) -> None:
    started.stage("a", ANTHROPIC_KEY)
    started.commit_unchecked()
    started.git("rm", "--quiet", "a")
    started.commit()


@pytest.mark.parametrize("detection", ["false", "true", "copies"])
def test_renamed_file_with_a_key_is_blocked_under_its_new_name(
    started: Repository, detection: str
) -> None:
    started.git("config", "diff.renames", detection)
    started.stage("a", ANTHROPIC_KEY)
    started.commit_unchecked()
    started.git("mv", "a", "b")
    assert findings(started.blocked()) == [f"b:1: {ANTHROPIC}"]


def test_copied_file_with_a_key_is_blocked(started: Repository) -> None:
    started.git("config", "diff.renames", "copies")
    started.stage("a", ANTHROPIC_KEY)
    started.commit_unchecked()
    started.stage("b", ANTHROPIC_KEY)
    assert findings(started.blocked()) == [f"b:1: {ANTHROPIC}"]


def test_mode_change_passes_without_a_key_and_is_blocked_with_one(started: Repository) -> None:
    started.git("update-index", "--chmod=+x", "first.txt")
    started.commit()
    started.stage("a", ANTHROPIC_KEY)
    started.commit_unchecked()
    started.git("update-index", "--chmod=+x", "a")
    assert findings(started.blocked()) == [f"a:1: {ANTHROPIC}"]


def test_file_in_place_of_a_folder_and_the_reverse_are_checked(started: Repository) -> None:
    started.stage("a/b", "x\n")
    started.stage("c", "x\n")
    started.commit()
    started.git("rm", "--quiet", "-r", "a", "c")
    started.stage("a", ANTHROPIC_KEY)
    started.stage("c/d", ANTHROPIC_KEY)
    assert findings(started.blocked()) == [f"a:1: {ANTHROPIC}", f"c/d:1: {ANTHROPIC}"]


def test_symbolic_link_to_a_file_with_a_key_passes(started: Repository, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(ANTHROPIC_KEY)
    (started.root / "link").symlink_to(tmp_path / "secret")
    (started.root / "dangling").symlink_to("nowhere")
    started.git("add", "link", "dangling")
    started.commit()


def test_key_as_the_target_of_a_symbolic_link_is_blocked(started: Repository) -> None:
    started.stage_entry(b"link", ANTHROPIC_KEY.encode(), mode=b"120000")
    assert findings(started.blocked()) == [f"link:1: {ANTHROPIC}"]


def test_file_that_becomes_a_symbolic_link_passes(started: Repository) -> None:
    started.stage("a", ANTHROPIC_KEY)
    started.commit_unchecked()
    started.stage_entry(b"a", b"elsewhere", mode=b"120000")
    started.commit()


def test_submodule_passes_and_does_not_hide_its_neighbours(started: Repository) -> None:
    head = started.git("rev-parse", "HEAD")
    started.stage_object(b"library", head, mode=b"160000")
    started.commit()
    started.stage_object(b"library", b"1" * 40, mode=b"160000")
    started.stage_entry(b"z", ANTHROPIC_KEY.encode())
    assert findings(started.blocked()) == [f"z:1: {ANTHROPIC}"]


def test_file_merely_intended_to_be_added_passes(started: Repository) -> None:
    started.write("later", ANTHROPIC_KEY)
    started.git("add", "--intent-to-add", "later")
    started.stage("now", "clean\n")
    started.commit()


def test_amending_is_blocked_by_a_newly_staged_key(started: Repository) -> None:
    started.stage("a", ANTHROPIC_KEY)
    assert findings(started.blocked("--amend")) == [f"a:1: {ANTHROPIC}"]
