"""The whole command line: the pure commands, and run, serve, doctor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from urllib.parse import quote

import click
import uvicorn
from prometheus_client import CollectorRegistry

from llm_agent_builder.cli import cli, example_task
from llm_agent_builder.errors import MachineryError
from llm_agent_builder.providers import PROVIDERS
from server.backends import BackendChoice, providers_in
from server.cli_files import read_files, save_files
from server.confine import MIB, Limits
from server.listening import listen_without_delay
from server.local_model import LocalModel
from server.main import STATIC, create_app
from server.models import CODE_MAX_BYTES
from server.rooms import Rooms, open_rooms
from server.run_files import MAX_BYTES, MAX_FILES, Collected
from server.runs import Run
from server.sandbox import Sandbox, run_in_sandbox
from server.settings import LOOPBACK_HOSTS, KeySource, Settings, load_settings
from server.store import Store
from server.tiers import TierReport

__all__ = ["cli", "main"]


def main() -> None:
    """Run the command line."""
    cli()


# ---------------------------------------------------------------- run


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--task", help="What the agent is to do (default: the file's example task).")
@click.option(
    "--backend",
    type=click.Choice(["auto", "provider", "local"]),
    default="auto",
    show_default=True,
    help="Who answers: the provider (with your key), the built-in model, or what is there.",
)
@click.option(
    "--file",
    "given",
    metavar="PATH",
    multiple=True,
    help="A file or folder that the agent may use, by the same relative name; NAME=PATH gives it "
    f"another. Repeatable; at most {MAX_FILES} files with {MAX_BYTES // MIB} MiB.",
)
@click.option(
    "--save",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the files that the agent wrote in this folder. Never replaces one that is there.",
)
def run(
    file: Path, task: str | None, backend: str, given: tuple[str, ...], save: Path | None
) -> None:
    """Run an agent file in the sandbox, showing its output as it comes.

    Exit code 0 when the program succeeded, 1 when it failed or was ended, or a file could not be
    saved; a line on standard error says which.
    """
    content = file.read_bytes()
    if len(content) > CODE_MAX_BYTES:
        raise click.UsageError(f"{file} is larger than 1 MiB")
    try:
        source = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(f"{file} is not UTF-8 text") from None
    task = example_task(source) if task is None else task
    if task is None:
        raise click.UsageError(f"{file} has no EXAMPLE_TASK: say what to do with --task")
    files = read_files(given)
    code, written = asyncio.run(_run_once(source, task, backend, files))
    saved = save_files(written, save)
    sys.exit(code if saved else 1)


async def _run_once(
    code: str, task: str, backend: str, files: Mapping[str, bytes]
) -> tuple[int, Collected]:
    """Run one program with rooms of its own, in a data folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="agent-builder-") as folder:
        settings = load_settings(data_dir=Path(folder), database_url=None)
        async with open_rooms(settings, KeySource(), CollectorRegistry()) as rooms:
            choice = cast("BackendChoice", backend)
            admitted = await rooms.runs.admit(code, task, choice, Limits(), files)
            status = await _show(rooms, admitted)
            return status, Collected(admitted.files, admitted.files_left_out)


async def _show(rooms: Rooms, admitted: Run) -> int:
    if providers_in(admitted.code):
        click.echo(f"[{admitted.backend}: {_who(rooms, admitted)}]", err=True)
    async for _, kind, data in rooms.runs.events(admitted.id):
        if kind == "output":
            stream = sys.stdout if data["stream"] == "stdout" else sys.stderr
            stream.write(data["text"])
            stream.flush()
        elif kind == "limit":
            click.echo(f"[reached: {data['message']}]", err=True)
        elif kind == "denied":
            click.echo(f"[denied: {data['message']}]", err=True)
    if admitted.failure is not None:
        raise admitted.failure
    if admitted.status == "success":
        return 0
    click.echo(f"[{admitted.status}: {admitted.result['reason']}]", err=True)
    return 1


def _who(rooms: Rooms, admitted: Run) -> str:
    if admitted.backend == "local":
        return f"built-in model {rooms.local_model.label}"
    return "your key"


# ---------------------------------------------------------------- serve


@cli.command()
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (default: 7860; 0: any free).")
@click.option("--token", help="Access token; made and printed where one is needed.")
@click.option("--no-token", is_flag=True, help="No token; only on loopback.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
def serve(
    host: str | None, port: int | None, token: str | None, no_token: bool, open_page: bool
) -> None:
    """Serve the page and the HTTP interface."""
    given = {"host": host, "port": port, "token": token}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    settings = _with_token(settings, no_token=no_token, asked=token is not None)
    Store(settings.data_dir, settings.database_url).close()  # a clear error beats a failed start
    listener = _bind(settings)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    app = create_app(settings=settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        server_header=False,
        date_header=False,
    )
    server = uvicorn.Server(config)
    threading.Thread(
        target=_announce, args=(server, settings, open_page), name="announce", daemon=True
    ).start()
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if not server.started:
        raise MachineryError("the server could not start; its log says why")


def _with_token(settings: Settings, *, no_token: bool, asked: bool) -> Settings:
    loopback = settings.host in LOOPBACK_HOSTS
    if no_token:
        if asked:
            raise click.UsageError("--token and --no-token exclude each other")
        if not loopback or settings.allowed_hosts:
            raise click.UsageError(
                "--no-token is allowed on loopback only: whoever reaches the server can run code"
            )
        return settings.model_copy(update={"token": None})
    needed = not loopback or bool(settings.allowed_hosts)
    if needed and settings.token is None:
        return settings.model_copy(update={"token": secrets.token_urlsafe(24)})
    return settings


def _bind(settings: Settings) -> socket.socket:
    try:
        return listen_without_delay(settings.host, settings.port)
    except OSError as error:
        raise MachineryError(
            f"can't listen on {settings.host} port {settings.port}: {error.strerror}. "
            "Choose another with --port, or --port 0 for any that is free."
        ) from None


def _announce(server: uvicorn.Server, settings: Settings, open_page: bool) -> None:
    """Print the address once the server answers."""
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.02)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    url = f"http://{host}:{settings.port}/"
    if settings.token is not None:
        # In the fragment: browsers send it to nobody, so it is in no log.
        url += f"#token={quote(settings.token, safe='')}"
    click.echo(f"LLM Agent Builder: {url}")
    if not (STATIC / "index.html").is_file():
        click.echo("The page is not built; `make run` builds it. The HTTP interface works.")
    if open_page:
        webbrowser.open(url)


# ---------------------------------------------------------------- doctor


@cli.command()
def doctor() -> None:
    """Show what works on this machine, and how to mend what doesn't.

    Exit code 1 when an agent can't be run here.
    """
    settings, keys = load_settings(), KeySource()
    report = Sandbox.probe(
        force=settings.sandbox_tier, allow_weak=settings.allow_weak_sandbox
    ).report
    _line(report.available, f"sandbox tier: {report.tier}", report.reason)
    for layer in report.layers:
        _line(layer.active, f"  {layer.name}", layer.reason)
    for provider in PROVIDERS.values():
        there = keys.key(provider.id) is not None
        mend = None if there else f"set {provider.key_env} in the environment or .env"
        _line(there, f"key for {provider.label}", mend)
    problem = _sdk_problem(report)
    _line(problem is None, "SDKs load in the sandbox", problem)
    problem = asyncio.run(_local_model_problem(settings))
    _line(problem is None, "local model answers", problem)
    page = (STATIC / "index.html").is_file()
    _line(page, "page is built", None if page else "run `make run`, or install the wheel")
    writable = _writable(settings.data_dir)
    _line(writable, f"data folder {settings.data_dir}", None if writable else "can't be written")
    if not (report.available and writable):
        sys.exit(1)


def _line(good: bool, what: str, note: str | None) -> None:
    mark = click.style("ok", fg="green") if good else click.style("--", fg="yellow")
    click.echo(f"{mark}  {what}" + (f": {note}" if note else ""))


def _sdk_problem(report: TierReport) -> str | None:
    imports = "\n".join(f"import {provider.sdk_module}" for provider in PROVIDERS.values())
    try:
        shown = run_in_sandbox(imports, "", sandbox=Sandbox(report))
    except MachineryError as error:
        return str(error)
    return shown.strip().splitlines()[-1] if shown else None


async def _local_model_problem(settings: Settings) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        model = LocalModel(path=settings.local_model_path, log_file=Path(folder) / "log")
        try:
            await model.endpoint()
        except MachineryError as error:
            return str(error)
        finally:
            await model.close()
    return None


def _writable(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)
