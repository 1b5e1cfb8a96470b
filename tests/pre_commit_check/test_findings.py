"""pre-commit-check.sh against real repositories and real commits.

Every key is put together while the test runs, so that this file passes the check itself.
"""

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "pre-commit-check.sh"
MARKER = "pragma: allowlist secret"
ANTHROPIC = "looks like an Anthropic API key"
HUGGING_FACE = "looks like a Hugging Face token"

_NOISE = base64.urlsafe_b64encode(
    b"".join(hashlib.sha512(bytes([n])).digest() for n in range(3))
).decode()
ANTHROPIC_SECRET = _NOISE[:95]
HUGGING_FACE_SECRET = "".join(char for char in _NOISE if char.isalpha())[:34]
ANTHROPIC_PREFIX = "sk-" + "ant-"
ANTHROPIC_KEY = f"{ANTHROPIC_PREFIX}api03-{ANTHROPIC_SECRET}"
HUGGING_FACE_TOKEN = f"{'hf'}_{HUGGING_FACE_SECRET}"
HUGGING_FACE_ORG_TOKEN = f"{'api'}_org_{HUGGING_FACE_SECRET}"

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


@dataclass(frozen=True)
class Repository:
    """A throw-away repository with the check as its pre-commit hook."""

    root: Path
    environment: dict[str, str]

    def run(
        self,
        *command: str | bytes | Path,
        cwd: Path | None = None,
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            cwd=cwd or self.root,
            env=self.environment | (env or {}),
            input=stdin,
            capture_output=True,
            check=False,
        )

    def git(self, *arguments: str | bytes, stdin: bytes = b"") -> bytes:
        """Returns what git writes; git has to succeed."""
        done = self.run("git", *arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.strip()

    def check(self, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[bytes]:
        """Runs the script itself, by hand."""
        return self.run(SCRIPT, cwd=cwd, env=env)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def stage(self, name: str, content: str | bytes) -> Path:
        path = self.write(name, content)
        self.git("add", "--force", "--", name)
        return path

    def stage_entry(self, path: bytes, content: bytes, mode: bytes = b"100644") -> None:
        """Stages without a file on disk: any name, on any file system."""
        blob = self.git("hash-object", "-w", "--stdin", stdin=content)
        self.stage_object(path, blob, mode)

    def stage_object(self, path: bytes, object_id: bytes, mode: bytes = b"100644") -> None:
        entry = mode + b" " + object_id + b"\t" + path + b"\0"
        self.git("update-index", "-z", "--index-info", stdin=entry)

    def commit(self, *arguments: str) -> None:
        """Commits; the hook has to let it pass."""
        output = self.try_commit(*arguments)
        assert output is None, output

    def blocked(self, *arguments: str) -> str:
        """Returns what a commit that the hook blocks has to say."""
        before = self.run("git", "rev-parse", "--verify", "--quiet", "HEAD").stdout
        output = self.try_commit(*arguments)
        assert output is not None, "the commit went through"
        assert self.run("git", "rev-parse", "--verify", "--quiet", "HEAD").stdout == before
        return output

    def try_commit(self, *arguments: str) -> str | None:
        """Returns None if the commit went through, else everything that was printed."""
        done = self.run("git", "commit", "--quiet", "--message", "x", *arguments)
        output = (done.stdout + done.stderr).decode()
        if done.returncode == 0:
            return None
        assert done.returncode == 1, output
        assert "Commit blocked by" in output
        return output

    def commit_unchecked(self) -> None:
        self.git("commit", "--quiet", "--no-verify", "--message", "unchecked")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return _new_repository(tmp_path)


@pytest.fixture(scope="module")
def first_commit(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with one commit, which tests copy: git's processes take most of their time."""
    repository = _new_repository(tmp_path_factory.mktemp("first commit"))
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


def _new_repository(parent: Path) -> Repository:
    root = parent / "a repository"
    home = parent / "home"
    for folder in (root, home):
        folder.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }
    for role in ("AUTHOR", "COMMITTER"):
        environment[f"GIT_{role}_NAME"] = "Test"
        environment[f"GIT_{role}_EMAIL"] = "test@example.invalid"
    repository = Repository(root, environment)
    repository.git("init", "--quiet", "--template=", "--initial-branch=main")
    hook = root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text(f'#!/bin/sh\nexec "{SCRIPT}" "$@"\n')
    hook.chmod(0o755)
    return repository


def findings(output: str) -> list[str]:
    return [line for line in output.splitlines() if ": looks like" in line or ": a .env" in line]


# What is blocked, and what it says


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
    for path in (SCRIPT, Path(__file__)):
        started.stage(path.name, path.read_bytes())
    started.commit()


def test_commit_with_nothing_staged_passes(started: Repository) -> None:
    started.commit("--allow-empty")


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


# .env files


@pytest.mark.matrix(keep=4)
@pytest.mark.parametrize("name", [".env", ".env.local", "server/.env", ".env.prod/x/.env.a b"])
@pytest.mark.parametrize("key", ["ANTHROPIC_API_KEY", "HUGGINGFACEHUB_API_TOKEN", "HF_TOKEN"])
def test_staged_env_file_with_a_value_is_blocked(started: Repository, name: str, key: str) -> None:
    started.stage(name, f"# mine\n{key}=anything\n")
    assert findings(started.blocked()) == [f"{name}:2: a .env file with a value for {key}"]


@pytest.mark.parametrize(
    "line",
    [
        "export HF_TOKEN=x",
        "  HF_TOKEN = x",
        'HF_TOKEN="x"',
        "HF_TOKEN='x' # mine",
        "HF_TOKEN=#x",
        "HF_TOKEN=x\r",
        "\ufeffHF_TOKEN=x",
        "HF_TOKEN=''x",
    ],
)
def test_value_in_an_env_file_is_found_however_it_is_written(
    started: Repository, line: str
) -> None:
    started.stage(".env", line)
    assert findings(started.blocked()) == [".env:1: a .env file with a value for HF_TOKEN"]


@pytest.mark.parametrize(
    "content",
    [
        "HF_TOKEN=\nANTHROPIC_API_KEY=\r\nHUGGINGFACEHUB_API_TOKEN=",
        "HF_TOKEN=\"\"\nANTHROPIC_API_KEY=''\r\n",
        'HF_TOKEN=  \nANTHROPIC_API_KEY= # none\nHUGGINGFACEHUB_API_TOKEN=""  # none\n',
        "# HF_TOKEN=x\nMY_HF_TOKEN=x\nHF_TOKEN_FILE=x\nPORT=8000\n",
        "",
    ],
)
def test_staged_env_file_without_a_value_passes(started: Repository, content: str) -> None:
    started.stage(".env", content)
    started.commit()


def test_env_example_passes_with_placeholders_and_is_blocked_with_a_key(
    started: Repository,
) -> None:
    started.stage(".env.example", "ANTHROPIC_API_KEY=your_key\nHF_TOKEN=hf_xxxxxxxx\n")
    started.commit()
    started.stage(".env.example", f"ANTHROPIC_API_KEY={ANTHROPIC_KEY}\n")
    assert findings(started.blocked()) == [f".env.example:1: {ANTHROPIC}"]


def test_value_in_a_file_that_is_no_env_file_passes(started: Repository) -> None:
    started.stage("env.md", "HF_TOKEN=your_token\n")
    started.stage(".environment", "HF_TOKEN=your_token\n")
    started.commit()


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


# States of the repository


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


# When it cannot check


def _shim(folder: Path, name: str, script: str) -> None:
    """Puts a stand-in for a program into a folder; `$real` in it is the program."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\nreal='{shutil.which(name)}'\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("command", ["hash-object", "diff-index", "cat-file"])
def test_failing_git_blocks_with_a_message(
    started: Repository, tmp_path: Path, command: str
) -> None:
    started.stage("a", "clean\n")
    shim = tmp_path / "shim"
    _shim(shim, "git", f'[ "$1" = {command} ] && exit 128\nexec "$real" "$@"')
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
    _shim(tmp_path / "shim", tool, script)
    done = started.check(PATH=f"{tmp_path / 'shim'}:{started.environment['PATH']}")
    assert done.returncode == 2
    assert b"could not check" in done.stderr


def test_git_that_stops_half_way_blocks(started: Repository, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        started.stage(name, "clean\n")
    half = '[ "$1" = cat-file ] || exec "$real" "$@"\n"$real" "$@" | head -n 2'
    _shim(tmp_path / "shim", "git", half)
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


# Many files


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
        _shim(shim, tool, f'echo {tool} >> \'{log}\'\nexec "$real" "$@"')

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
