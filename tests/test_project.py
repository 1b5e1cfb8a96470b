"""The project itself: what is derived is up to date, and facts stand in one place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from llm_agent_builder.errors import CONFLICTS_MAX
from llm_agent_builder.providers import PROVIDERS
from llm_agent_builder.reading.source import CODE_MAX_CHARS, FILE_MAX_BYTES, MAX_LINES
from llm_agent_builder.spec.parts import TOOLS_MAX
from llm_agent_builder.user_code.parse import CODE_MAX_BYTES, TOOL_MAX_BYTES
from llm_agent_builder.user_code.schema_to_pydantic import SCHEMA_MAX_CHARS, SCHEMA_TEXT_MAX_BYTES
from llm_agent_builder.validation.text import KEYS_MAX
from server.parser_pool import ADMITTED_MAX, THREADS

ROOT = Path(__file__).resolve().parent.parent


def tracked_files() -> list[Path]:
    """Return the files that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def doc_pages() -> list[Path]:
    """Return the pages that are read as documentation."""
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def anchors(page: Path) -> set[str]:
    """Return the names by which links can point to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_generated_docs_are_up_to_date() -> None:
    made = [sys.executable, "scripts/make_docs.py", "--check"]
    done = subprocess.run(made, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_sdk_ranges_of_generated_files_are_those_we_install() -> None:
    required = (ROOT / "requirements.txt").read_text().splitlines()
    for provider in PROVIDERS.values():
        assert provider.sdk_requirement in required


def test_env_example_names_both_keys_and_holds_none() -> None:
    text = (ROOT / ".env.example").read_text()
    for provider in PROVIDERS.values():
        assert re.search(rf"^{provider.key_env}=$", text, re.MULTILINE)


def test_lock_file_names_no_package_registry() -> None:
    assert '"resolved"' not in (ROOT / "frontend" / "package-lock.json").read_text()


def test_planned_files_stand_under_their_planned_names() -> None:
    for name in (
        "frontend/src/components/AgentForm.jsx",
        "server/models.py",
        "server/main.py",
        "server/sandbox.py",
        "llm_agent_builder/agent_builder.py",
        "llm_agent_builder/templates/agent_template.py.j2",
        "llm_agent_builder/templates/agent_template_hf.py.j2",
        ".env.example",
        "pre-commit-check.sh",
        "requirements.txt",
    ):
        assert (ROOT / name).is_file(), name


def test_links_between_the_docs_lead_somewhere() -> None:
    for page in doc_pages():
        for target in re.findall(r"\]\((?!https?:)([^)]+)", page.read_text("utf-8")):
            name, _, anchor = target.partition("#")
            linked = page.parent / name if name else page
            assert linked.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(linked), f"{page.name}: {target}"


def test_files_that_the_docs_name_exist() -> None:
    named = re.compile(r"`((?:server|llm_agent_builder|frontend|tests|scripts|docs|ops)/[\w./-]+)`")
    for page in doc_pages():
        for path in named.findall(page.read_text("utf-8")):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_the_security_model_names_the_limits_on_code_from_outside() -> None:
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    part = " ".join(text.partition("## Code from outside")[2].split())
    for limit in (
        f"one tool | {TOOL_MAX_BYTES // 1024} KiB",
        f"number of tools of an agent | {TOOLS_MAX}",
        f"together | {CODE_MAX_BYTES // 1024} KiB",
        f"JSON Schema | {SCHEMA_MAX_CHARS // 1024} KiB",
        f"white space | {SCHEMA_TEXT_MAX_BYTES // 1024} KiB",
        f"MCP server in it | {KEYS_MAX}",
        f"a file | {FILE_MAX_BYTES // 1024**2} MiB",
        f"texts and comments | {CODE_MAX_CHARS // 1024} KiB",
        f"lines inside texts | {MAX_LINES:,}",
        f"a response names | {CONFLICTS_MAX}",
        f"by {THREADS} threads",
        f"If {ADMITTED_MAX} files are being read",
    ):
        assert limit in part


def test_nothing_built_or_secret_is_tracked() -> None:
    debris = re.compile(r"(^|/)(node_modules|dist|__pycache__|\.venv)/|^server/static/|^\.env$")
    names = [str(path.relative_to(ROOT)) for path in tracked_files()]
    assert [name for name in names if debris.search(name)] == []
