"""A real repository that has pre-commit-check.sh as its hook, and keys for it to find.

Every key is put together while a test runs, so that this file passes the check itself.
"""

import base64
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

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


def new_repository(parent: Path) -> Repository:
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


def put_stand_in(folder: Path, name: str, script: str) -> None:
    """Puts a stand-in for a program into a folder; `$real` in it is the program."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\nreal='{shutil.which(name)}'\n{script}\n")
    path.chmod(0o755)


def findings(output: str) -> list[str]:
    return [line for line in output.splitlines() if ": looks like" in line or ": a .env" in line]
