"""`run --file` and `--save`, as real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.isolation.files import MAX_BYTES, MAX_FILES
from tests.server.commands.test_cli import program
from tests.support.serving import call

LIST = (
    "import os\n"
    "for folder, _, files in sorted(os.walk('.')):\n"
    "    for name in sorted(files):\n"
    "        print(os.path.join(folder, name), open(os.path.join(folder, name)).read())\n"
)


def listed(folder: Path, *arguments: str) -> list[str]:
    done = call(folder, "run", program(folder, LIST), "--task", "x", *arguments)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("./") and " " in line][1:]


def test_files_and_folders_are_given_by_their_relative_names(tmp_path: Path) -> None:
    (tmp_path / "data/deep").mkdir(parents=True)
    (tmp_path / "data/a.csv").write_text("A")
    (tmp_path / "data/deep/b.csv").write_text("B")
    (tmp_path / "c.txt").write_text("C")
    (tmp_path / "x=y").write_text("D")
    given = ("--file", "data/", "--file", "./c.txt", "--file", "in/d=c.txt", "--file", "x=y")
    lines = listed(tmp_path, *given, "--file", f"e={tmp_path / 'c.txt'}")
    assert set(lines) == {
        "./c.txt C",
        "./e C",
        "./x=y D",
        "./data/a.csv A",
        "./data/deep/b.csv B",
        "./in/d C",
    }


@pytest.mark.matrix
def test_absolute_path_keeps_its_last_part(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("C")
    assert listed(tmp_path, "--file", str(tmp_path / "c.txt")) == ["./c.txt C"]


@pytest.mark.matrix(keep=3)
@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("missing.csv", "no such file"),
        ("../up=agent.py", "'..'"),
        ("agent.py", "the name 'agent.py' is the program's own name: choose another name"),
        ("tmp=agent.py", "temporary files: tmp"),
        ("tmp/x=agent.py", "temporary files: tmp"),
        ("many", f"at most {MAX_FILES}"),
        ("large", f"{MAX_BYTES:,}"),
        ("/dev/zero", f"{MAX_BYTES:,}"),
    ],
)
def test_file_that_can_not_be_given_is_wrong_usage(
    tmp_path: Path, argument: str, problem: str
) -> None:
    (tmp_path / "many").mkdir()
    for number in range(MAX_FILES + 1):
        (tmp_path / "many" / str(number)).touch()
    (tmp_path / "large").write_bytes(bytes(MAX_BYTES + 1))
    done = call(tmp_path, "run", program(tmp_path, ""), "--task", "x", "--file", argument)
    assert (done.returncode, problem in done.stderr) == (2, True), done.stderr


def test_same_name_twice_is_wrong_usage(tmp_path: Path) -> None:
    file = program(tmp_path, "")
    done = call(tmp_path, "run", file, "--task", "x", "--file", f"a={file}", "--file", f"a={file}")
    assert (done.returncode, "twice" in done.stderr) == (2, True)


WRITE = "import os\nos.mkdir('out')\nopen('out/a.txt', 'w').write('A')\nopen('b', 'w').write('B')"


def test_written_files_are_saved_below_the_folder(tmp_path: Path) -> None:
    file = program(tmp_path, WRITE)
    done = call(tmp_path, "run", file, "--task", "x", "--save", "new/results")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new/results/out/a.txt").read_text() == "A"
    assert (tmp_path / "new/results/b").read_text() == "B"
    assert "[saved: new/results/out/a.txt]" in done.stderr


@pytest.mark.matrix
def test_written_files_are_listed_without_save(tmp_path: Path) -> None:
    done = call(tmp_path, "run", program(tmp_path, WRITE), "--task", "x")
    assert (
        "[files written: b (1 bytes), out/a.txt (1 bytes); save them with --save DIR]"
        in done.stderr
    )
    assert not (tmp_path / "b").exists()


@pytest.mark.matrix
def test_folder_for_saving_is_not_created_without_files(tmp_path: Path) -> None:
    done = call(tmp_path, "run", program(tmp_path, "print(1)"), "--task", "x", "--save", "results")
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert done.stderr == "[nothing to save: the program wrote no files]\n"
    assert not (tmp_path / "results").exists()


def test_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/b").write_text("mine")
    done = call(tmp_path, "run", program(tmp_path, WRITE), "--task", "x", "--save", "results")
    assert done.returncode == 1
    assert "[not saved: results/b: File exists]" in done.stderr
    assert (tmp_path / "results/b").read_text() == "mine"
    assert (tmp_path / "results/out/a.txt").read_text() == "A"


def test_nothing_is_saved_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "results/out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "results/b").symlink_to(tmp_path / "elsewhere/b")
    done = call(tmp_path, "run", program(tmp_path, WRITE), "--task", "x", "--save", "results")
    assert done.returncode == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.matrix
def test_denials_and_omitted_files_are_listed_after_the_output(tmp_path: Path) -> None:
    code = "import os\nprint('out')\nos.symlink('/', 'link')\nopen('/no/such/file')"
    done = call(tmp_path, "run", program(tmp_path, code), "--task", "x")
    assert (done.returncode, done.stdout) == (1, "out\n")
    lines = done.stderr.splitlines()
    assert lines[-3].startswith("[denied: /no/such/file is outside the program's folder")
    assert lines[-2] == "[error: exit code 1]"
    assert lines[-1] == "[not returned: links and special files: 1]"
