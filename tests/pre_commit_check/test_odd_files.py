"""pre-commit-check.sh: files with odd names and odd contents."""

import pytest

from tests.support.hooked_repository import (
    ANTHROPIC,
    ANTHROPIC_KEY,
    HUGGING_FACE_TOKEN,
    Repository,
    findings,
)

ODD_NAMES = {
    "space": (b"a b.py", "a b.py"),
    "spaces at the ends": (b" a ", " a "),
    "newline": (b"a\nb.py", '"a\\nb.py"'),
    "only a newline": (b"\n", '"\\n"'),
    "tab": (b"a\tb.py", '"a\\tb.py"'),
    "carriage return at the end": (b"a\r", '"a\\015"'),
    "quotes": (b'it\'s "b".py', '"it\'s \\"b\\".py"'),
    "backslash": (b"a\\nb.py", '"a\\\\nb.py"'),
    "leading dash": (b"-n", "-n"),
    "an option": (b"--cached", "--cached"),
    "an option with a value": (b"--output=x", "--output=x"),
    "globs": (b"*[a]?.py", "*[a]?.py"),
    "pathspec magic": (b":(exclude)a", ":(exclude)a"),
    "expansions": (b"$(touch x)`id`$HOME;&|", "$(touch x)`id`$HOME;&|"),
    "awk assignment": (b"header=x", "header=x"),
    "printf format": (b"%s%n%(rest)", "%s%n%(rest)"),
    "UTF-8": ("é.py".encode(), '"\\303\\251.py"'),
    "not UTF-8": (b"\xff\xfe.py", '"\\377\\376.py"'),
    "terminal escape": (b"\x1b[2Ja", '"\\033[2Ja"'),
    "control characters": (b"\x03\x7f", '"\\003\\177"'),
    "a file header": (b"staged-1-1", "staged-1-1"),
    "deep": (b"a/b/c/.d/e", "a/b/c/.d/e"),
    "long": (b"d" * 200 + b"/" + b"f" * 200, "d" * 200 + "/" + "f" * 200),
}


# Odd names


@pytest.mark.matrix(keep=6)
@pytest.mark.parametrize(("name", "shown"), ODD_NAMES.values(), ids=ODD_NAMES.keys())
def test_odd_name_is_blocked_and_shown_safely(started: Repository, name: bytes, shown: str) -> None:
    started.stage_entry(name, f"\n{ANTHROPIC_KEY}".encode())
    assert findings(started.blocked()) == [f"{shown}:2: {ANTHROPIC}"]


def test_odd_names_together_pass_without_a_key(started: Repository) -> None:
    for name, _ in ODD_NAMES.values():
        started.stage_entry(name, b"nothing\n")
    started.commit()


def test_key_right_after_odd_names_is_attributed_to_its_own_file(started: Repository) -> None:
    for name, _ in ODD_NAMES.values():
        started.stage_entry(name, b"no newline at the end")
    started.stage_entry(b"zzz", ANTHROPIC_KEY.encode())
    assert findings(started.blocked()) == [f"zzz:1: {ANTHROPIC}"]


# Odd contents


def test_binary_file_passes(started: Repository) -> None:
    started.stage("a.bin", f"{ANTHROPIC_KEY}\n\0{ANTHROPIC_KEY}\n".encode())
    started.commit()


def test_text_file_after_a_binary_one_is_blocked(started: Repository) -> None:
    started.stage("a.bin", b"\0" * 100_000)
    started.stage("b", ANTHROPIC_KEY)
    assert findings(started.blocked()) == [f"b:1: {ANTHROPIC}"]


def test_nul_far_into_a_text_file_does_not_hide_a_key(started: Repository) -> None:
    started.stage("a", "x" * 9000 + f"\0\n{ANTHROPIC_KEY}\n")
    assert findings(started.blocked()) == [f"a:2: {ANTHROPIC}"]


def test_attributes_that_call_a_file_binary_do_not_hide_a_key(started: Repository) -> None:
    started.stage(".gitattributes", "* binary\n")
    started.stage("package-lock.json", ANTHROPIC_KEY)
    assert findings(started.blocked()) == [f"package-lock.json:1: {ANTHROPIC}"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_key_is_found_in_a_file_with_a_byte_order_mark(started: Repository, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    started.stage("a", f"{mark}one\r\n{ANTHROPIC_KEY}\r\n".encode(encoding))
    started.stage(".env", f"{mark}HF_TOKEN=x\r\n".encode(encoding))
    assert findings(started.blocked()) == [
        ".env:1: a .env file with a value for HF_TOKEN",
        f"a:2: {ANTHROPIC}",
    ]


def test_value_is_found_in_an_env_file_with_nuls(started: Repository) -> None:
    started.stage(".env", "PORT=1\nHF_TOKEN=x\n".encode("utf-16-le"))
    assert findings(started.blocked()) == [".env:2: a .env file with a value for HF_TOKEN"]


def test_very_long_line_is_blocked_without_being_printed(started: Repository) -> None:
    filler = "hf_a,sk-ant-b;" * 70_000
    started.stage("a.min.js", f"{filler}{ANTHROPIC_KEY}{filler}\n{filler}")
    output = started.blocked()
    assert findings(output) == [f"a.min.js:1: {ANTHROPIC}"]
    assert len(output) < 2000


@pytest.mark.parametrize("key", [ANTHROPIC_KEY, HUGGING_FACE_TOKEN], ids=["anthropic", "hf"])
def test_key_is_found_anywhere_in_a_long_line(started: Repository, key: str) -> None:
    before = [*range(3900, 4200), *range(8000, 8300)]
    started.stage("a", "".join(f"{' ' * count}{key}{' ' * 99}\n" for count in before))
    assert len(findings(started.blocked())) == len(before)


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n", b"\r", b"\xff\xfe", b"\x01\x02\xff"])
def test_tiny_or_odd_content_passes(started: Repository, content: bytes) -> None:
    started.stage("a", content)
    started.stage("b", "after\n")
    started.commit()


def test_content_that_imitates_git_output_does_not_hide_a_key(started: Repository) -> None:
    blob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    fake = f"{blob} blob 0\n\nstaged-1-1-F x|\nstaged-1-1-E0\n{blob} missing\n:100644\n"
    started.stage("a", fake + ANTHROPIC_KEY)
    assert findings(started.blocked()) == [f"a:7: {ANTHROPIC}"]
