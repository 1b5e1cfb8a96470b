"""pre-commit-check.sh: what it blocks, what it prints, and what it lets pass."""

import hashlib
from pathlib import Path

import pytest

from tests.support import hooked_repository
from tests.support.hooked_repository import (
    ANTHROPIC,
    ANTHROPIC_KEY,
    ANTHROPIC_PREFIX,
    ANTHROPIC_SECRET,
    HUGGING_FACE,
    HUGGING_FACE_ORG_TOKEN,
    HUGGING_FACE_SECRET,
    HUGGING_FACE_TOKEN,
    MARKER,
    SCRIPT,
    Repository,
    findings,
)


def test_commit_with_an_anthropic_key_is_blocked_and_names_file_and_line(
    started: Repository,
) -> None:
    started.stage("src/app.py", f'import os\n\nKEY = "{ANTHROPIC_KEY}"\n')
    assert findings(started.blocked()) == [f"src/app.py:3: {ANTHROPIC}"]


def test_commit_with_a_hugging_face_token_is_blocked_and_names_file_and_line(
    started: Repository,
) -> None:
    started.stage("src/app.py", f'import os\nTOKEN = "{HUGGING_FACE_TOKEN}"\n')
    assert findings(started.blocked()) == [f"src/app.py:2: {HUGGING_FACE}"]


@pytest.mark.matrix(keep=3)
@pytest.mark.parametrize(
    "key",
    [
        f"{ANTHROPIC_PREFIX}{kind}-{ANTHROPIC_SECRET}"
        for kind in ("api03", "api04", "admin01", "admin", "oat01", "ort01", "sid01")
    ]
    + [
        f"{ANTHROPIC_PREFIX}{ANTHROPIC_SECRET}",
        f"{ANTHROPIC_PREFIX}api03-{ANTHROPIC_SECRET[:30]}",
    ],
)
def test_every_kind_of_anthropic_key_is_blocked(started: Repository, key: str) -> None:
    started.stage("a", key)
    assert findings(started.blocked()) == [f"a:1: {ANTHROPIC}"]


@pytest.mark.parametrize(
    "token",
    [
        HUGGING_FACE_TOKEN,
        HUGGING_FACE_ORG_TOKEN,
        f"{HUGGING_FACE_TOKEN}7Qx",
        f"{'hf'}_{hashlib.sha1(b'x').hexdigest()}",
    ],
)
def test_every_kind_of_hugging_face_token_is_blocked(started: Repository, token: str) -> None:
    started.stage("a", token)
    assert findings(started.blocked()) == [f"a:1: {HUGGING_FACE}"]


@pytest.mark.matrix(keep=6)
@pytest.mark.parametrize(
    "text",
    [
        '"{}"',
        "x={}&y=1",
        "_{}_",
        "'\\n{}\\n'",
        "https://user:{}@example.org",
        "a%3D{}",
        "--token={};",
        "\t{}\r",
        "é{}é",
        "{0}{0}",
        "sk-ant-... {}",
        "hf_xxxx api_org_ {}",
    ],
)
@pytest.mark.parametrize("key", [ANTHROPIC_KEY, HUGGING_FACE_TOKEN], ids=["anthropic", "hf"])
def test_key_is_found_whatever_surrounds_it(started: Repository, text: str, key: str) -> None:
    started.stage("a", text.format(key) + "\n")
    assert len(findings(started.blocked())) == 1


def test_every_line_and_every_file_with_a_key_is_named(started: Repository) -> None:
    started.stage("a", f"{ANTHROPIC_KEY}\n\n{HUGGING_FACE_TOKEN} {ANTHROPIC_KEY}")
    started.stage("b", f"\n{HUGGING_FACE_ORG_TOKEN}\n")
    started.stage("c", "nothing\n")
    assert findings(started.blocked()) == [
        f"a:1: {ANTHROPIC}",
        f"a:3: {ANTHROPIC}",
        f"a:3: {HUGGING_FACE}",
        f"b:2: {HUGGING_FACE}",
    ]


def test_key_is_never_printed(started: Repository) -> None:
    for index, key in enumerate((ANTHROPIC_KEY, HUGGING_FACE_TOKEN, HUGGING_FACE_ORG_TOKEN)):
        started.stage(f"file{index}", f"{key}\n")
        started.stage(f"dir{index}/{key}", "in the name\n")
    started.stage(".env", f"ANTHROPIC_API_KEY={ANTHROPIC_KEY}\n")
    output = started.blocked()
    for secret in (ANTHROPIC_SECRET, HUGGING_FACE_SECRET):
        parts = (secret[start : start + 5] for start in range(len(secret) - 4))
        assert [part for part in parts if part in output] == []


def test_message_says_how_to_go_on(started: Repository) -> None:
    started.stage("a", ANTHROPIC_KEY)
    output = started.blocked()
    for hint in ("Remove the key", "git add", ".env, which git ignores", "revoke", MARKER):
        assert hint in output


def test_message_has_no_colour_even_when_git_is_told_to_use_it(started: Repository) -> None:
    started.git("config", "color.ui", "always")
    started.stage("a", ANTHROPIC_KEY)
    assert "\x1b" not in started.blocked()


def test_key_in_a_file_name_is_blocked_and_hidden(started: Repository) -> None:
    started.stage_entry(f"a/{ANTHROPIC_KEY}.txt".encode(), b"nothing\n")
    output = started.blocked()
    assert findings(output) == [f"file name a/[key].txt: {ANTHROPIC}"]


def test_content_behind_a_name_with_a_key_is_named_without_it(started: Repository) -> None:
    started.stage_entry(HUGGING_FACE_TOKEN.encode(), f"{ANTHROPIC_KEY}\n".encode())
    assert findings(started.blocked()) == [
        f"file name [key]: {HUGGING_FACE}",
        f"[key]:1: {ANTHROPIC}",
    ]


# What passes


def test_commit_without_a_key_passes_silently(started: Repository) -> None:
    started.stage("a", "nothing\n")
    done = started.check()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    started.commit()


@pytest.mark.matrix(keep=6)
@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-...",
        "sk-ant-your-key-here",
        "sk-ant-api03-your-key-here",
        "sk-ant-api03-YOUR_KEY_HERE",
        "sk-ant-api03-" + "x" * 95,
        "sk-ant-api03-" + "X" * 95,
        "sk-ant-api03-" + "xX0" * 30,
        "sk-ant-" + "replace-this-with-the-key-from-the-console-of-your-account",
        "sk-ant-[A-Za-z0-9_-]{93}AA",
        "https://example.org/task-ant-design-guide-for-React-18",
        "https://example.org/task-ant-design-a-very-long-title-about-react-in-2024",
        "hf_...",
        "hf_xxxxxxxx",
        "hf_" + "x" * 40,
        "hf_" + "xX" * 20,
        "hf_your_token",
        "hf_hub_download_with_retries_enabled_x",
        "hf_transformers_model_for_sequence_classification_with_a_head",
        "hf_" + "Transformers_Model_For_Sequence_Classification_With_A_Head2",
        "hf_" + hashlib.md5(b"x", usedforsecurity=False).hexdigest(),
        "api_org_",
        "api_org_id_of_the_organisation_that_pays_for_it",
        "your_token <key> ${ANTHROPIC_API_KEY}",
        "ANTHROPIC_API_KEY=os.environ['ANTHROPIC_API_KEY']",
        ANTHROPIC_SECRET,
        HUGGING_FACE_SECRET,
    ],
)
def test_placeholder_or_name_passes(started: Repository, text: str) -> None:
    started.stage("a", f"{text}\n")
    started.commit()


def test_line_marked_as_a_false_alarm_passes(started: Repository) -> None:
    started.stage("a.py", f'KEY = "{ANTHROPIC_KEY}"  # {MARKER}\n')
    started.commit()


def test_mark_covers_its_own_line_only(started: Repository) -> None:
    line = f'KEY = "{HUGGING_FACE_TOKEN}"'
    started.stage("a.py", f"# {MARKER}\n{line}\n{line}  # {MARKER}\n{line}\n")
    assert findings(started.blocked()) == [f"a.py:2: {HUGGING_FACE}", f"a.py:4: {HUGGING_FACE}"]


def test_the_check_and_this_test_pass_the_check(started: Repository) -> None:
    helper = Path(hooked_repository.__file__)
    for path in (SCRIPT, helper, *Path(__file__).parent.glob("*.py")):
        started.stage(path.name, path.read_bytes())
    started.commit()


def test_commit_with_nothing_staged_passes(started: Repository) -> None:
    started.commit("--allow-empty")
