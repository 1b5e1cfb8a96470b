"""The command serve: serves the page and the HTTP interface until it is stopped."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
import webbrowser
from urllib.parse import quote

import click
import uvicorn

from llm_agent_builder.commands.base import Command
from llm_agent_builder.errors import MachineryError
from server.installation import STATIC
from server.isolation.shutdown import GRACE_S
from server.main import create_app
from server.net.http_deadlines import IDLE_S, DeadlineProtocol
from server.net.listeners import allow_many_connections, listen_without_delay
from server.settings import EVERYWHERE, LOOPBACK_HOSTS, Settings, load_settings
from server.storage.store import Store

_ACCEPTED_AT_ONCE = 1024
"""Connections accepted at once: fewer than the limit, so that a new connection is read before it
becomes the oldest."""
_LOOPBACK_NAMES_ONLY = (
    "Only requests to 127.0.0.1 and localhost are accepted. Add other names or addresses of this "
    "server to AGENT_BUILDER_ALLOWED_HOSTS, without scheme or port."
)


@click.command(cls=Command)
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (default: 7860; 0: any free).")
@click.option("--token", help="Access token (default: generated and printed if one is needed).")
@click.option("--no-token", is_flag=True, help="Serve without a token; on loopback only.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
def serve(
    host: str | None, port: int | None, token: str | None, no_token: bool, open_page: bool
) -> None:
    """Serve the page and the HTTP interface."""
    if token is not None and not token.strip():  # --token "$UNSET"
        raise click.UsageError("--token is empty; omit it to have one generated")
    given = {"host": host, "port": port, "token": token}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    settings = _with_token(settings, no_token=no_token, asked=token is not None)
    Store(settings.data_dir, settings.database_url).close()  # fail early, with a clear error
    all_connections = DeadlineProtocol.all_connections
    available = allow_many_connections()
    all_connections.max_connections = min(all_connections.max_connections, available)
    listener = _bind(settings)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    app = create_app(settings=settings)
    config = uvicorn.Config(
        app,
        http=DeadlineProtocol,
        backlog=_ACCEPTED_AT_ONCE,
        ws="none",  # no route uses WebSockets, and the deadlines don't cover them
        log_config=None,
        access_log=False,
        proxy_headers=False,  # only the connection shows whether a client is local
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GRACE_S,  # type: ignore[arg-type]  # a float works as well
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
            raise click.UsageError("use either --token or --no-token, not both")
        if not loopback or settings.allowed_hosts:
            raise click.UsageError(
                "--no-token is allowed on loopback only: any client of the server can run code"
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
            "Choose another port with --port, or any free one with --port 0."
        ) from None


def _announce(server: uvicorn.Server, settings: Settings, open_page: bool) -> None:
    """Print the address once the server accepts requests."""
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.02)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    url = f"http://{host}:{settings.port}/"
    if settings.token is not None:
        # In the fragment, which browsers don't send, so that no log contains the token.
        url += f"#token={quote(settings.token, safe='')}"
    if settings.host in EVERYWHERE and not settings.allowed_hosts:
        click.echo(_LOOPBACK_NAMES_ONLY, err=True)
    click.echo(f"LLM Agent Builder: {url}")
    if not (STATIC / "index.html").is_file():
        click.echo("The page is not built (run `make run`). Only the HTTP interface is available.")
    if open_page:
        webbrowser.open(url)
