"""The command doctor: checks this machine, attacks its sandbox, and writes reports for bugs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

import click

from llm_agent_builder.commands.base import Command
from llm_agent_builder.errors import MachineryError
from llm_agent_builder.providers import PROVIDERS
from server.diagnostics.checks import (
    can_be_written,
    database_problem,
    local_model_problem,
    sdk_problem,
    server_problems,
)
from server.diagnostics.probes.run_probes import OUTCOMES, attack, outcome
from server.diagnostics.probes.table import PROBES
from server.diagnostics.probes.targets import targets
from server.diagnostics.report import make_report
from server.installation import STATIC
from server.isolation.tiers.detection import ACCEPTED
from server.keys import KeySource
from server.sandbox import Sandbox
from server.settings import Settings, load_settings, unknown_variables

STANDARD_OUTPUT = "-"


@click.command(cls=Command)
@click.option("--attack", "attacked", is_flag=True, help="Test the sandbox with harmless attacks.")
@click.option(
    "--report",
    "report_file",
    metavar="[FILE]",
    is_flag=False,
    flag_value=STANDARD_OUTPUT,
    help="Write diagnostics for a bug report to FILE or standard output, without keys, names or "
    "paths. Never overwrites a file.",
)
def doctor(attacked: bool, report_file: str | None) -> None:
    """Check this machine and suggest fixes.

    With --attack, run small harmless attacks against the sandbox that a server would use. Exit code
    1 if agents can't run on this machine, an attack was not blocked, or no tier isolates programs.
    """
    settings, keys = load_settings(), KeySource()
    if report_file is not None:
        if attacked:
            raise click.UsageError("--report includes the attacks: use either --report or --attack")
        _write_report(settings, keys, report_file)
    elif attacked:
        sys.exit(_attack(settings))
    else:
        sys.exit(_examine(settings, keys))


def _examine(settings: Settings, keys: KeySource) -> int:
    """Print the result of each check; return the exit code."""
    sandbox = Sandbox.probe(
        force=settings.sandbox_tier, allow_weak=settings.allow_weak_sandbox, ready=1
    )
    report = sandbox.report
    _line(report.available, f"sandbox tier: {report.tier}", report.reason)
    for layer in report.layers:
        _line(layer.active, f"  {layer.name}", layer.reason)
    for provider in PROVIDERS.values():
        has_key = keys.key(provider.id) is not None
        advice = None if has_key else f"set {provider.key_env} in the environment or .env"
        _line(has_key, f"key for {provider.label}", advice)
    problem = sdk_problem(sandbox)
    sandbox.close()
    _line(problem is None, "SDKs load in the sandbox", problem)
    problem = asyncio.run(local_model_problem(settings))
    _line(problem is None, "local model answers", problem)
    for server, problem in asyncio.run(server_problems(settings, keys)).items():
        _line(problem is None, f"model server {server} answers", problem)
    page = (STATIC / "index.html").is_file()
    _line(page, "page is built", None if page else "run `make run`, or install the wheel")
    writable = can_be_written(settings.data_dir)
    _line(writable, f"data folder {settings.data_dir}", None if writable else "not writable")
    problem = database_problem(settings)
    _line(problem is None, "run history is writable", problem)
    for unknown in unknown_variables():
        _line(False, "settings", unknown)
    return 0 if report.available and writable and problem is None else 1


def _attack(settings: Settings) -> int:
    """Run the probes and print the result of each; return the exit code."""
    sandbox = Sandbox.probe(
        force=settings.sandbox_tier,
        allow_weak=settings.allow_weak_sandbox,
        ready=1,
        preload=(),  # no probe imports an SDK
    )
    report = sandbox.report
    _line(report.available, f"sandbox tier: {report.tier}", report.reason)
    if not report.available:
        return 1
    counted = Counter[bool | None]()
    with targets() as task:
        for done in attack(sandbox, task):
            counted[done.blocked] += 1
            what = f"{outcome(done)}: {done.probe.what} [{done.probe.layer}]"
            _line(bool(done.blocked), what, done.note)
    sandbox.close()
    sums = ", ".join(f"{counted[blocked]} {word.lower()}" for blocked, word in OUTCOMES.items())
    click.echo(f"{len(PROBES)} attacks: {sums}")
    return 1 if counted[False] or report.tier not in ACCEPTED else 0


def _line(good: bool, what: str, note: str | None) -> None:
    mark = click.style("ok", fg="green") if good else click.style("--", fg="yellow")
    click.echo(f"{mark}  {what}" + (f": {note}" if note else ""))


def _write_report(settings: Settings, keys: KeySource, name: str) -> None:
    if name == STANDARD_OUTPUT:
        click.echo(make_report(settings, keys), nl=False)
        return
    if os.path.lexists(name):  # checked before the work; opening checks again after it
        raise click.UsageError(f"{name} already exists: choose another file")
    report = make_report(settings, keys)
    try:
        with Path(name).open("x", encoding="utf-8") as file:
            file.write(report)
    except OSError as error:
        raise MachineryError(f"can't write {name}: {error.strerror}") from None
    click.echo(f"Report written to {name}. Read it before you share it.")
