"""The checks of `doctor`; each returns the problem, or None.

The tiers check the sandbox themselves: see `server/isolation/tiers/`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path

from llm_agent_builder.catalog.extra import ModelServer
from llm_agent_builder.errors import MachineryError, StoreError
from llm_agent_builder.providers import OWN_SERVER_PROVIDERS, PROVIDERS
from server.catalog.fetch import ListFailedError, fetch_list
from server.catalog.list_cache import Source
from server.keys import KeySource, server_key
from server.local_model.service import LocalModel
from server.net.upstreams import Pools
from server.sandbox import Sandbox, run_in_sandbox
from server.settings import HISTORY_FILE, PREFIX, Settings

_TIMEOUT_S = 5.0


def sdk_problem(sandbox: Sandbox) -> str | None:
    """Load the providers' SDKs in a run; return the problem, or None. Blocks during the run."""
    imports = "\n".join(f"import {provider.sdk_module}" for provider in PROVIDERS.values())
    try:
        shown = run_in_sandbox(imports, "", sandbox=sandbox)
    except MachineryError as error:
        return str(error)
    return shown.strip().splitlines()[-1] if shown else None


async def local_model_problem(settings: Settings) -> str | None:
    """Start and stop the built-in model; return the problem, or None."""
    with tempfile.TemporaryDirectory() as folder:
        model = LocalModel(path=settings.local_model_path, log_file=Path(folder) / "log")
        try:
            await model.endpoint()
        except MachineryError as error:
            return str(error)
        finally:
            await model.close()
    return None


async def server_problems(settings: Settings, keys: KeySource) -> dict[str, str | None]:
    """Fetch the list of each of the user's model servers; return the problems by base URL.

    Takes at most five seconds.
    """
    pools = Pools(os.environ, _TIMEOUT_S)
    try:
        await asyncio.to_thread(pools.start)
        servers = settings.own_servers.values()
        problems = await asyncio.gather(*(_server_problem(pools, each, keys) for each in servers))
    finally:
        await pools.close()
    return {server.base_url: problem for server, problem in zip(servers, problems, strict=True)}


async def _server_problem(pools: Pools, server: ModelServer, keys: KeySource) -> str | None:
    key = server_key(server, keys)
    if key is None:
        return f"set its key, {server.key_variable}, in the environment or .env"
    source = Source(OWN_SERVER_PROVIDERS[0].id, f"{server.base_url}/models", server.base_url)
    try:
        await fetch_list(pools, source, key, _TIMEOUT_S)
    except ListFailedError as error:
        return f"{error}; start it, or correct its address in {PREFIX}MODEL_SERVERS"
    return None


def database_problem(settings: Settings) -> str | None:
    """Open the run history as a server does, creating its tables, and try a write.

    Returns the problem, or None. Does not create a missing history in the data folder.
    """
    if settings.database_url is None and not os.path.exists(settings.data_dir / HISTORY_FILE):
        return None
    # Imported here because it loads SQLAlchemy, which takes half a second.
    from server.storage.database import Database  # noqa: PLC0415
    from server.storage.leases import Lease  # noqa: PLC0415

    try:
        with contextlib.closing(Database(settings.data_dir, settings.database_url)) as database:
            return Lease(database).problem()
    except StoreError as error:
        return str(error)


def can_be_written(folder: Path) -> bool:
    """Return whether a folder is writable, or can be created."""
    while not os.path.exists(folder):  # Path.exists raises if a parent is not accessible
        folder = folder.parent
    return os.access(folder, os.W_OK)
