"""The report of `doctor --report`: the facts for a bug report, without personal data.

`Redactor.clean` redacts each value; the rest of the text is fixed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from llm_agent_builder.providers import PROVIDERS
from server.diagnostics.checks import (
    can_be_written,
    database_problem,
    local_model_problem,
    sdk_problem,
)
from server.diagnostics.machine import isolation_facts, machine_facts, package_versions
from server.diagnostics.probes.run_probes import attack, outcome
from server.diagnostics.probes.targets import targets
from server.diagnostics.redaction import Redactor, changed_settings
from server.installation import STATIC, package_version
from server.keys import KeySource
from server.limits import Limits
from server.sandbox import Sandbox
from server.settings import PREFIX, Settings

_Facts = Iterable[tuple[str, str]]


def make_report(settings: Settings, keys: KeySource) -> str:
    """Return the report as Markdown. Running the sandbox, probes and local model takes seconds."""
    redactor = Redactor(settings, keys)
    sandbox = Sandbox.probe(
        force=settings.sandbox_tier, allow_weak=settings.allow_weak_sandbox, ready=1
    )
    try:
        sections: dict[str, _Facts] = {
            "Versions": [("LLM Agent Builder", package_version()), *package_versions()],
            "Machine": machine_facts(),
            "Sandbox": [*_tier(sandbox), *isolation_facts()],
            "Layers": _layers(sandbox),
            "Attacks": _attacks(sandbox),
            "Limits of a run": [(name, str(value)) for name, value in asdict(Limits()).items()],
            "Changed settings": _settings(settings),
            "Keys": _keys(keys),
            "What works": _works(sandbox, settings),
        }
        return "\n".join(["# LLM Agent Builder: report", *_lines(sections, redactor), ""])
    finally:
        sandbox.close()


def _lines(sections: dict[str, _Facts], redactor: Redactor) -> Iterator[str]:
    for title, facts in sections.items():
        yield from ("", f"## {title}", "")
        listed = [f"- {name}: {_code(redactor.clean(value))}" for name, value in facts]
        yield from listed or ["- none"]


def _code(text: str) -> str:
    """Return text as a code span, in which Markdown and HTML have no effect."""
    return f"`{text.replace('`', chr(39))}`"


def _tier(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    report = sandbox.report
    yield "tier", report.tier
    yield "code can be run", _yes_or_no(report.available, report.reason)


def _layers(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    for layer in sandbox.report.layers:
        yield layer.name, ("active" if layer.active else f"not active: {layer.reason}")


def _attacks(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    if not sandbox.report.available:
        return
    try:
        with targets() as task:
            for done in attack(sandbox, task):
                note = f": {done.note}" if done.note else ""
                yield f"{done.probe.what} ({done.probe.layer})", outcome(done) + note
    except OSError as error:  # the rest of the report may explain it
        yield "could not be tried", str(error)


def _settings(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, value in changed_settings(settings):
        yield PREFIX + name.upper(), value


def _keys(keys: KeySource) -> Iterator[tuple[str, str]]:
    for provider in PROVIDERS.values():
        yield provider.label, _yes_or_no(keys.key(provider.id) is not None)


def _works(sandbox: Sandbox, settings: Settings) -> Iterator[tuple[str, str]]:
    problem = sdk_problem(sandbox)
    yield "SDKs load in the sandbox", _yes_or_no(problem is None, problem)
    problem = asyncio.run(local_model_problem(settings))
    yield "local model answers", _yes_or_no(problem is None, problem)
    yield "page is built", _yes_or_no((STATIC / "index.html").is_file())
    yield "data folder is writable", _yes_or_no(can_be_written(settings.data_dir))
    yield "run history is writable", _yes_or_no(database_problem(settings) is None)


def _yes_or_no(good: bool, why: str | None = None) -> str:
    return ("yes" if good else "no") + (f": {why}" if why else "")
