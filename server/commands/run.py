"""The command `run`: runs one program in the sandbox, with its own services."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from llm_agent_builder.commands.base import Command
from llm_agent_builder.errors import MachineryError, NotOursError, SpecError
from llm_agent_builder.json_input.limits import JsonLimits, JsonProblem, read_json
from llm_agent_builder.providers import PROVIDERS
from llm_agent_builder.reading.constants import example_task
from llm_agent_builder.reading.source import read_source
from llm_agent_builder.validation.messages import describe_error
from server.commands.run_files import read_files, save_files
from server.commands.terminal import RunScreen
from server.gateway.cassette import CASSETTE_MAX_BYTES
from server.isolation.files import MAX_BYTES, MAX_FILES, Collected
from server.isolation.messages import limit_name, named_limit
from server.isolation.shutdown import Closing, Ending, leave
from server.keys import KeySource
from server.limits import MIB
from server.models import CODE_MAX_BYTES, ExecuteRequest
from server.runs.answerers import CannotAnswer, own_server_key
from server.runs.backends import base_url_in, providers_in
from server.runs.events import message_of, missing_messages, read_limit, read_output
from server.runs.run import Run
from server.services import Services, open_services
from server.settings import Settings, load_settings, unknown_variables
from server.storage.records import RunResult, RunUsage
from server.storage.store import Store

_CASSETTE_FILE_MAX = 2 * CASSETTE_MAX_BYTES
"""Bytes of a recording's file, which indentation makes larger."""


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--task", help="Task for the agent (default: the file's example task).")
@click.option(
    "--backend",
    type=click.Choice(["auto", "provider", "local"]),
    default="auto",
    show_default=True,
    help="Model to use: the provider (with your key), the built-in one (local), or auto: the "
    "provider if its key is set.",
)
@click.option(
    "--file",
    "given",
    metavar="PATH",
    multiple=True,
    help="File or folder for the agent, under the same relative name; NAME=PATH renames it. "
    f"Repeatable; at most {MAX_FILES} files with {MAX_BYTES // MIB} MiB in total.",
)
@click.option(
    "--save",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Save the files that the agent wrote in this folder. Never overwrites a file.",
)
@click.option("--budget", type=click.FloatRange(0), help="Spending limit in US dollars.")
@click.option(
    "--allow-host",
    "egress",
    multiple=True,
    metavar="HOST:PORT|provider-tools",
    help="Let the program connect to this host (https). provider-tools lets the provider itself "
    "fetch addresses and run tools. Repeatable.",
)
@click.option(
    "--record",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Record the model calls in this file.",
)
@click.option("--force", is_flag=True, help="Overwrite the --record file if it exists.")
@click.option(
    "--replay",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Answer the model calls from a recording: needs no key and no network.",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Show the output unfiltered. By default, colours are shown and other terminal control "
    "sequences (titles, clipboard, cursor) are removed.",
)
def run(
    file: Path,
    task: str | None,
    backend: str,
    budget: float | None,
    egress: tuple[str, ...],
    record: Path | None,
    force: bool,
    replay: Path | None,
    given: tuple[str, ...],
    save: Path | None,
    raw: bool,
) -> None:
    """Run an agent file in the sandbox and show its output live.

    Exit code 0 if the program succeeded; 1 if it failed, reached a limit, or a file could not be
    saved (the last line on stderr says which); 130 if it was interrupted with Ctrl-C. A second
    Ctrl-C ends the command at once.
    """
    source = _read_source(file)
    task = example_task(source) if task is None else task
    if task is None:
        _refuse_foreign(source, file)
        raise click.UsageError(f"{file} has no EXAMPLE_TASK: give it a task with --task")
    settings = load_settings()
    for problem in unknown_variables():
        click.echo(problem, err=True)
    asked = {
        "code": source,
        "task": task,
        "backend": backend,
        "budget": {"usd": budget},
        # Here the user is also the operator, and may allow any host.
        "egress": egress,
        "record": record is not None,
        "replay": _read_cassette(replay) if replay else None,
    }
    request = _parse_request(asked)
    if record is not None:  # fail before any money is spent
        _check_record_file(record, force=force)
    settings = settings.model_copy(
        update={"egress_allow": (*settings.egress_allow, *request.egress)}
    )
    screen, ending = RunScreen(raw=raw), Ending()
    work = _run_once(request, settings, record, read_files(given), screen, ending)
    try:
        code, written = asyncio.run(work)
    except KeyboardInterrupt:  # the run has ended with it
        sys.stdout.flush()
        screen.say("cancelled")
        leave(130)  # at once: during Python's finalization, a second Ctrl-C kills the process
    ending.done()
    saved = save_files(written, save)
    sys.exit(code if saved else 1)


def _read_source(file: Path) -> str:
    code = file.read_bytes()
    if len(code) > CODE_MAX_BYTES:
        raise click.UsageError(f"{file} is larger than 1 MiB")
    try:
        return code.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(f"{file} is not UTF-8 text") from None


def _refuse_foreign(source: str, file: Path) -> None:
    try:
        read_source(source)
    except NotOursError as error:
        raise click.UsageError(f"{file} {error}") from None


def _read_cassette(file: Path) -> object:
    if file.stat().st_size > _CASSETTE_FILE_MAX:
        raise click.UsageError(f"{file} is larger than {_CASSETTE_FILE_MAX // MIB} MiB")
    try:
        return read_json(file.read_bytes(), JsonLimits(values=1_000_000))
    except JsonProblem as problem:
        raise click.UsageError(f"{file} {problem}") from None


_OPTIONS = {"egress": "--allow-host", "replay": "--replay", "budget": "--budget", "task": "--task"}
"""The options, by the request field that they set."""


def _parse_request(asked: dict[str, object]) -> ExecuteRequest:
    try:
        return ExecuteRequest.model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        option = _OPTIONS.get(str(first["loc"][0]), str(first["loc"][0]))
        raise click.UsageError(f"{option}: {describe_error(first)}") from None


async def _run_once(
    request: ExecuteRequest,
    settings: Settings,
    record: Path | None,
    files: Mapping[str, bytes],
    screen: RunScreen,
    ending: Ending,
) -> tuple[int, Collected]:
    """Run one program with its own services, in a temporary data folder."""
    try:
        options = replace(request.options(settings), files=files)
    except SpecError as error:
        raise click.UsageError(str(error)) from None
    with (
        ending.watching(),
        tempfile.TemporaryDirectory(prefix="agent-builder-") as folder,
        _spend_store(settings) as spend_store,
    ):
        own = settings.model_copy(update={"data_dir": Path(folder), "database_url": None})
        admitted: Run | None = None
        try:
            async with open_services(
                own,
                KeySource(),
                CollectorRegistry(),
                spend_store=spend_store,
                refresh=False,
                only_for=request.code,
                closing=Closing(ending.left),
            ) as services:
                limits = request.limits.limits()
                admitted = await services.runs.admit(
                    request.code, request.task, request.backend, limits, options
                )
                code = await _show(screen, services, admitted, request.backend)
        except asyncio.CancelledError:  # Ctrl-C: the recorded calls are already paid for
            if record is not None and admitted is not None:
                _write_cut_cassette(record, admitted)
            raise
        if record is not None:
            _write_cassette(record, admitted)
        left_out = () if admitted.result is None else admitted.result.files_left_out
        return code, Collected(admitted.files, left_out)


@contextlib.contextmanager
def _spend_store(settings: Settings) -> Iterator[Store | None]:
    """Open the database with the day's spending, if there is a daily budget."""
    caps = ("daily_budget_usd", "daily_budget_tokens", "daily_budget_calls")
    if all(getattr(settings, name) is None for name in caps):
        yield None
        return
    with contextlib.closing(Store(settings.data_dir, settings.database_url)) as store:
        yield store


def _check_record_file(record: Path, *, force: bool) -> None:
    if not record.parent.is_dir():
        raise click.UsageError(
            f"the folder {record.parent} does not exist: create it or choose another"
        )
    if record.is_file() and not force:
        raise click.UsageError(f"{record} already exists: overwrite it with --force")


def _write_cassette(file: Path, admitted: Run) -> None:
    if admitted.cassette is None:
        why = admitted.recording_full or "the run made no recording"
        raise MachineryError(f"{file} was not written: {why}")
    text = json.dumps(json.loads(admitted.cassette), indent=1, ensure_ascii=False) + "\n"
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise MachineryError(f"{file} was not written: {error.strerror}") from None
    click.echo(f"[recorded: {file}]", err=True)


def _write_cut_cassette(file: Path, admitted: Run) -> None:
    try:
        _write_cassette(file, admitted)
    except MachineryError as error:
        click.echo(str(error), err=True)


async def _show(screen: RunScreen, services: Services, admitted: Run, choice: str) -> int:
    _show_model(screen, services, admitted, choice)
    notes: list[str] = []
    async for event in services.runs.events(admitted.id):
        if event.kind == "output":
            output = read_output(event)
            screen.write(output.stream, output.text)
        elif event.kind == "started":
            for message in missing_messages(event):
                screen.say(message)
        elif event.kind == "limit":
            notes.append(f"limit reached: {named_limit(read_limit(event))}")
        elif event.kind == "denied":
            notes.append(f"denied: {message_of(event)}")
    for note in notes:  # at the end, because a failing program writes a lot
        screen.say(note)
    screen.end_line()
    return _show_end(screen, admitted)


def _show_model(screen: RunScreen, services: Services, admitted: Run, choice: str) -> None:
    if not providers_in(admitted.code):
        return
    screen.say(f"{admitted.backend}: {_model_name(services, admitted)}")
    if unlisted := _fallback_reason(services, admitted, choice):
        screen.say(unlisted)


def _show_end(screen: RunScreen, admitted: Run) -> int:
    if admitted.failure is not None:
        raise admitted.failure
    result = admitted.result
    assert result is not None
    if result.usage is not None:
        is_paid = admitted.backend == "provider" and base_url_in(admitted.code) is None
        screen.say(_usage_line(result.usage, result.cost_usd, is_paid=is_paid))
    if result.status == "success":
        return 0
    screen.say(_outcome(result))
    return 1


def _outcome(result: RunResult) -> str:
    """Return why a run did not succeed."""
    if result.status in {"limit", "timeout"}:
        kind, separator, more = (result.reason or "").partition(";")
        return f"stopped: {limit_name(kind)} limit reached{separator}{more}"
    return f"{result.status}: {result.reason}"


def _usage_line(usage: RunUsage, cost_usd: float | None, *, is_paid: bool) -> str:
    refused = usage.refused_calls
    calls = usage.calls - refused
    count = f"{calls} model call{'' if calls == 1 else 's'}"
    parts = [f"{count}, {refused} refused" if refused else count]
    answered = usage.input_tokens or usage.unmetered_calls
    if answered:
        parts.append(f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out")
    if usage.unmetered_calls:
        parts.append(f"{usage.unmetered_calls} without token counts")
    if is_paid and answered:
        parts.append("cost unknown" if cost_usd is None else f"${cost_usd:.6f}".rstrip("0"))
    return "; ".join(parts)


def _model_name(services: Services, admitted: Run) -> str:
    if admitted.backend == "replay":
        return "a recording"
    if admitted.backend == "local":
        return f"built-in model {services.local_model.label}"
    base_url = _own_server(admitted)
    return f"your server {base_url}" if base_url else "your key"


def _own_server(admitted: Run) -> str | None:
    """Return the user's own server that the program calls; None if it calls a provider's API."""
    if not any(PROVIDERS[each].own_servers for each in providers_in(admitted.code)):
        return None
    return base_url_in(admitted.code)


def _fallback_reason(services: Services, admitted: Run, choice: str) -> str | None:
    """Return why the built-in model answers instead of the file's own server, if it does."""
    base_url = _own_server(admitted)
    if choice != "auto" or admitted.backend != "local" or base_url is None:
        return None
    key = own_server_key(base_url, services.settings.own_servers, services.keys)
    if not isinstance(key, CannotAnswer):
        return None  # another provider that the file uses has no key
    return f"{key.reason.removesuffix('.')}; using the built-in model instead"
