"""Files placed in a run's folder, and collected from a folder that a hostile program has made."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.isolation.events import WrittenFile
from server.isolation.files import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_FILES,
    MAX_NAME,
    Collected,
    clash,
    collect_files,
    name_problem,
    place_files,
    safe_name,
)
from server.limits import MIB


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """Return a run's folder, open; its path is `tmp_path / "run"`."""
    (tmp_path / "run").mkdir()
    descriptor = os.open(tmp_path / "run", os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def run(tmp_path: Path, folder: int) -> Path:
    return tmp_path / "run"


Collect = Callable[..., Collected]


@pytest.fixture
def collect(folder: int) -> Collect:
    def collect(given: dict[str, bytes] | None = None, **more: object) -> Collected:
        return collect_files(folder, given or {}, **more)  # type: ignore[arg-type]

    return collect


def left_out(collected: Collected) -> dict[str, int]:
    return {each.reason: each.count for each in collected.left_out}


# ---------------------------------------------------------------- in


def test_given_files_are_there_for_their_owner_only(folder: int, run: Path) -> None:
    place_files(folder, {"a.csv": b"1,2", "data/deep/b.bin": b"\0\xff", "data/empty": b""})
    assert (run / "a.csv").read_bytes() == b"1,2"
    assert (run / "data/deep/b.bin").read_bytes() == b"\0\xff"
    assert (run / "data/empty").read_bytes() == b""
    assert stat.S_IMODE((run / "data/deep/b.bin").stat().st_mode) == 0o600
    assert stat.S_IMODE((run / "data/deep").stat().st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_given_files_can_be_handed_to_the_runs_user(folder: int, run: Path) -> None:
    place_files(folder, {"data/b": b"x"}, uid=65534, gid=65533)
    for path in (run / "data", run / "data/b"):
        assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65533)


@pytest.mark.parametrize("name", ["data/x", "data"])
def test_link_in_the_way_is_not_followed(folder: int, run: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").mkdir()
    (run / "data").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match=r"Not a directory|File exists|symbolic links"):
        place_files(folder, {name: b"x"})
    assert list((tmp_path / "outside").iterdir()) == []


def test_file_that_is_there_is_not_written_to(folder: int, run: Path) -> None:
    (run / "x").write_text("mine")
    with pytest.raises(FileExistsError):
        place_files(folder, {"x": b"theirs"})
    assert (run / "x").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("/etc/passwd", "absolute"),
        ("../x", "'..'"),
        ("a/../../x", "'..'"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("./a", "'.'"),
        ("", "empty part"),
        ("agent.py", "is the program's own name"),
        ("agent.py/x", "as its folder"),
        ("a\\b", "backslash"),
        ("a\nb", "invisible character"),
        ("a\0b", "invisible character"),
        ("a\u202eb", "invisible character"),
        ("a\ud800", "invisible character"),
        (" a", "blanks"),
        ("é" * 128, "255 bytes"),
        ("a/" * (MAX_DEPTH + 1) + "b", "folders deep"),
    ],
)
def test_name_that_can_not_be_given_is_refused_with_the_reason(
    folder: int, run: Path, name: str, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem.replace(".", r"\.")):
        place_files(folder, {name: b"x"})
    assert list(run.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["a", "a b.csv", "data/agent.py", "Größe.txt", ".env", "数据/表.csv"]
)
def test_ordinary_name_can_be_given(name: str) -> None:
    assert name_problem(name) is None


def test_names_that_exclude_each_other_are_found() -> None:
    assert clash(["a", "b/c", "b/d"]) is None
    assert clash(["a", "b", "a"]) == "a"
    assert clash(["a/b", "a"]) == "a"
    assert clash(["a", "a/b/c"]) == "a"


@given(st.text())
def test_every_name_can_be_made_safe_once(name: str) -> None:
    safe = safe_name(name)
    assert safe_name(safe) == safe
    assert all(letter.isprintable() for letter in safe)
    assert not {"", ".", ".."} & set(safe.split("/"))


# ---------------------------------------------------------------- out


def test_written_and_changed_files_are_returned(folder: int, run: Path, collect: Collect) -> None:
    given = {"same.csv": b"1", "changed.csv": b"2", "grown.csv": b"3", "gone.csv": b"4"}
    place_files(folder, given)
    (run / "agent.py").write_text("print(1)")
    (run / "changed.csv").write_bytes(b"x")
    (run / "grown.csv").write_bytes(b"3333")
    (run / "gone.csv").unlink()
    (run / "out/deep").mkdir(parents=True)
    (run / "out/deep/z.bin").write_bytes(b"\0\xff")
    (run / "out/a.txt").write_text("a")
    (run / "empty").touch()
    collected = collect(given)
    assert collected.files == (
        WrittenFile("changed.csv", b"x"),
        WrittenFile("empty", b""),
        WrittenFile("grown.csv", b"3333"),
        WrittenFile("out/a.txt", b"a"),
        WrittenFile("out/deep/z.bin", b"\0\xff"),
    )
    assert collected.left_out == ()


def test_cache_files_of_libraries_are_not_returned(run: Path, collect: Collect) -> None:
    for name in ("__pycache__", "lib/__pycache__", ".cache/sdk", ".tmp", "sub/.tmp"):
        (run / name).mkdir(parents=True)
        (run / name / "x").write_text("x")
    collected = collect(skip={".tmp"})
    assert [file.name for file in collected.files] == ["sub/.tmp/x"]
    assert collected.left_out == ()


def test_only_regular_files_are_opened(run: Path, tmp_path: Path, collect: Collect) -> None:
    (tmp_path / "secret").write_text("secret")
    (run / "link").symlink_to(tmp_path / "secret")
    (run / "folder").symlink_to(tmp_path)
    (run / "self").symlink_to("self")
    os.mkfifo(run / "fifo")
    # From inside the folder, because a socket's path must be short.
    with contextlib.chdir(run), socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    (run / "fine").write_text("fine")
    collected = collect()
    assert [file.name for file in collected.files] == ["fine"]
    assert left_out(collected) == {"links and special files": 5}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make devices")
def test_device_is_not_opened(run: Path, collect: Collect) -> None:
    try:
        os.mknod(run / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no devices can be made here")
    assert left_out(collect()) == {"links and special files": 1}


def test_hard_link_is_left_out(run: Path, tmp_path: Path, collect: Collect) -> None:
    (tmp_path / "secret").write_text("secret")
    os.link(tmp_path / "secret", run / "mine")
    collected = collect()
    assert (collected.files, left_out(collected)) == ((), {"hard links": 1})


def test_more_files_than_are_returned_are_counted(run: Path, collect: Collect) -> None:
    for number in range(MAX_FILES + 7):
        (run / f"{number:03}").write_text("x")
    collected = collect()
    assert [file.name for file in collected.files] == [f"{n:03}" for n in range(MAX_FILES)]
    assert left_out(collected) == {f"more than {MAX_FILES} files": 7}


def test_too_large_file_does_not_displace_others(run: Path, collect: Collect) -> None:
    (run / "a.sparse").touch()
    os.truncate(run / "a.sparse", 1 << 40)
    (run / "b").write_bytes(b"x" * (MAX_BYTES - 1))
    (run / "c").write_bytes(b"xx")
    (run / "d").write_bytes(b"x")
    collected = collect()
    assert [file.name for file in collected.files] == ["b", "d"]
    assert left_out(collected) == {f"more than {MAX_BYTES // MIB} MiB in all": 2}


def test_of_many_entries_only_a_limited_number_is_read(collect: Collect) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as flood:
        for number in range(30_000):
            os.close(os.open(f"{flood}/{number}", os.O_CREAT | os.O_WRONLY))
        descriptor = os.open(flood, os.O_RDONLY | os.O_DIRECTORY)
        collected = collect_files(descriptor, {})
        os.close(descriptor)
    assert len(collected.files) == MAX_FILES
    assert any(each.reason.startswith("not looked at") for each in collected.left_out)


def test_folders_too_deep_are_left_out(folder: int, run: Path, collect: Collect) -> None:
    current = os.dup(folder)
    for depth in range(5000):
        os.mkdir("d", dir_fd=current)
        below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=current)
        os.close(current)
        current = below
        if depth == MAX_DEPTH - 1:
            (run / "/".join("d" * MAX_DEPTH) / "deepest").write_text("x")
    os.close(current)
    collected = collect()
    subprocess.run(["rm", "-rf", run / "d"], check=True)  # too deep for pytest's own hand
    assert [file.name.rpartition("/")[2] for file in collected.files] == ["deepest"]
    assert left_out(collected) == {f"more than {MAX_DEPTH} folders deep": 1}


def test_names_are_made_safe_and_stay_apart(run: Path, collect: Collect) -> None:
    for name in (b"a\nb", b"a\tb", b"a\xff", b"..\\x", b" ", "\u202egpj.exe".encode(), b"x" * 255):
        (run / os.fsdecode(name)).write_bytes(name)
    (run / "a_b").write_bytes(b"the clean one")
    (run / "c\n").mkdir()
    (run / "c\n" / "x").write_bytes(b"below")
    collected = collect()
    names = [file.name for file in collected.files]
    assert len(set(names)) == len(names)
    assert all(name_problem(name) is None for name in names)
    assert clash(names) is None
    assert set(names) == {"a_b", "a_", ".._x", "_", "_gpj.exe", "c_/x", "x" * MAX_NAME}
    assert WrittenFile("a_b", b"the clean one") in collected.files
    assert left_out(collected) == {"names that can't be used": 2}


def test_name_longer_than_a_file_name_is_left_out(run: Path, collect: Collect) -> None:
    (run / ("d" * 200)).mkdir()
    (run / ("d" * 200) / ("f" * 100)).write_text("x")
    assert left_out(collect()) == {"names that can't be used": 1}


@pytest.mark.skipif(os.getuid() == 0, reason="root can read everything")
def test_unreadable_response_counts_as_text(run: Path, collect: Collect) -> None:
    (run / "file").write_text("x")
    (run / "folder").mkdir()
    (run / "file").chmod(0)
    (run / "folder").chmod(0)
    assert left_out(collect()) == {"can't be read": 2}


def test_no_descriptor_is_left_open(folder: int, run: Path, collect: Collect) -> None:
    place_files(folder, {"a/b/c": b"x", "d": b"y"})
    os.mkfifo(run / "fifo")
    before = len(os.listdir("/proc/self/fd"))
    collect()
    assert len(os.listdir("/proc/self/fd")) == before
