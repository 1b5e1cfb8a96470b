"""Puts the rooms of a server together, and takes them apart again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from llm_agent_builder.errors import BackendUnavailableError
from llm_agent_builder.providers import PROVIDERS
from server.backends import Backend, Backends
from server.catalog_refresh import LiveCatalog
from server.gateway import Gateway
from server.local_model import NOTE, LocalModel
from server.metrics import RunMetrics
from server.runs import Runs
from server.sandbox import Sandbox
from server.scratch import sweep_scratch
from server.settings import KeySource, Settings
from server.store import Store

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Rooms:
    """What a running server is made of."""

    settings: Settings
    keys: KeySource
    catalog: LiveCatalog
    local_model: LocalModel
    sandbox: Sandbox
    store: Store
    gateway: Gateway
    runs: Runs


@asynccontextmanager
async def open_rooms(
    settings: Settings, keys: KeySource, registry: CollectorRegistry
) -> AsyncIterator[Rooms]:
    """Build the rooms, and leave nothing of them behind.

    Raises:
        StoreError: the data folder or the database can't be used.

    """
    store = await asyncio.to_thread(
        Store,
        settings.data_dir,
        settings.database_url,
        keep_runs=settings.keep_runs,
        keep_files_mib=settings.keep_files_mib,
    )
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    sandbox = await asyncio.to_thread(
        Sandbox.probe, force=settings.sandbox_tier, allow_weak=settings.allow_weak_sandbox
    )
    if sandbox.report.reason:
        _log.warning("sandbox: %s", sandbox.report.reason)
    await asyncio.to_thread(sweep_scratch)
    local_model = LocalModel(
        path=settings.local_model_path,
        log_file=settings.data_dir / "local_model.log",
        verbose=settings.log_level == "DEBUG",
    )
    gateway = Gateway()
    await gateway.start()
    runs = Runs(
        sandbox=sandbox,
        gateway=gateway,
        backends=Backends(settings, keys, local_model),
        store=store,
        metrics=RunMetrics(registry),
        max_concurrent=settings.max_concurrent_runs,
        max_queued=settings.max_queued_runs,
        model_label=lambda backend: backend_label(backend, local_model),
    )
    await runs.start()
    warm_up = asyncio.create_task(_warm_up(local_model, keys))
    try:
        yield Rooms(settings, keys, LiveCatalog(), local_model, sandbox, store, gateway, runs)
    finally:
        warm_up.cancel()
        await asyncio.gather(warm_up, return_exceptions=True)
        await runs.close()
        await gateway.close()
        await local_model.close()
        store.close()


async def _warm_up(local_model: LocalModel, keys: KeySource) -> None:
    """Load the local model before it is first asked, where it is the one that will be."""
    if any(keys.key(id_) for id_ in PROVIDERS) or local_model.why_unavailable():
        return
    try:
        await local_model.endpoint()
    except BackendUnavailableError as error:
        _log.warning("%s", error)


def backend_label(backend: Backend, local_model: LocalModel) -> str:
    """Return who answers, in words for the page."""
    if backend == "local":
        return f"built-in local model {local_model.label} ({NOTE})"
    return "the provider's API"
