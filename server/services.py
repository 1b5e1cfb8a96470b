"""Starts and stops the services of a server."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from llm_agent_builder.errors import BackendUnavailableError, MachineryError
from llm_agent_builder.providers import PROVIDERS
from server.budgets.daily_budget import DailyBudget, run_spend_writer, write_spending
from server.budgets.ledger import Caps
from server.budgets.spend_store import SpendStore
from server.catalog.live import LiveCatalog
from server.gateway.gateway import Gateway, preload_prices
from server.gateway.metering import today
from server.isolation.child.libc import give_memory_back
from server.isolation.scratch import sweep_scratch
from server.isolation.shutdown import Closing
from server.isolation.tiers.detection import PRELOADED
from server.keys import KeySource
from server.local_model.service import NOTE, LocalModel
from server.observability.metrics import RunMetrics
from server.observability.tracing import Telemetry
from server.parser_pool import ParserPool
from server.runs.backends import Backend, Backends, providers_in
from server.runs.manager import RunManager
from server.runs.sdk_imports import imported
from server.sandbox import Sandbox
from server.settings import Settings
from server.storage.database_threads import DatabaseThreads
from server.storage.pruning import Pruning
from server.storage.store import Store

_log = logging.getLogger(__name__)
_MAX_READY = 8


@dataclass(slots=True)
class Services:
    """The services of a running server."""

    settings: Settings
    keys: KeySource
    catalog: LiveCatalog
    local_model: LocalModel
    sandbox: Sandbox
    store: Store
    gateway: Gateway
    runs: RunManager
    parser_pool: ParserPool
    daily: DailyBudget


@asynccontextmanager
async def open_services(
    settings: Settings,
    keys: KeySource,
    registry: CollectorRegistry,
    *,
    spend_store: Store | None = None,
    refresh: bool = True,
    only_for: str | None = None,
    closing: Closing | None = None,
) -> AsyncIterator[Services]:
    """Start the services and stop them at the end; if the start fails, stop those already started.

    `spend_store` stores the day's spending instead of the run history. `refresh` updates the
    providers' model lists in the background. `only_for` is the code of the only program that will
    run, if there is only one: then only its SDKs are loaded in advance. `closing` limits how long
    closing all services may take.

    Raises:
        StoreError: the data folder or the database can't be used.

    """
    give_memory_back()
    async with AsyncExitStack() as stack:
        start = _Start(settings, keys, stack, closing or Closing())
        store = await _open_store(start)
        local_model = _open_local_model(start)
        sandbox = await _open_sandbox(start, only_for)
        gateway = await _open_gateway(start)
        telemetry = _open_telemetry(start)
        daily = await _open_daily_budget(start, spend_store or store)
        catalog = LiveCatalog(settings, keys)
        await asyncio.to_thread(catalog.load)
        await asyncio.to_thread(_warm_up_sandbox, sandbox)
        metrics = _metrics(registry, catalog, daily, sandbox)
        runs = _run_manager(start, store, sandbox, gateway, local_model, metrics, daily, telemetry)
        start.on_close("the runs", runs.close)
        await runs.start()
        background = [run_spend_writer(daily)]
        if only_for is None or providers_in(only_for):
            background.append(_warm_up_calls(local_model, keys))
        if refresh:
            background.append(catalog.run())
        _run_in_background(start, background)
        parser_pool = ParserPool()
        stack.callback(parser_pool.close)
        yield Services(
            settings, keys, catalog, local_model, sandbox, store, gateway, runs, parser_pool, daily
        )


@dataclass(frozen=True, slots=True)
class _Start:
    """The arguments that the functions below share; each of them opens one service."""

    settings: Settings
    keys: KeySource
    stack: AsyncExitStack
    closing: Closing

    def on_close(self, name: str, close: Callable[[], Awaitable[object]]) -> None:
        """Close a service at the end, before the services that were opened earlier."""
        self.stack.push_async_callback(self.closing.step, name, close)


async def _open_store(start: _Start) -> Store:
    settings = start.settings
    store = await asyncio.to_thread(Store, settings.data_dir, settings.database_url)
    start.on_close("the database", lambda: asyncio.to_thread(store.close))
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return store


def _open_local_model(start: _Start) -> LocalModel:
    settings = start.settings
    local_model = LocalModel(
        path=settings.local_model_path,
        log_file=settings.data_dir / "local_model.log",
        verbose=settings.log_level == "DEBUG",
    )
    start.on_close("the local model", local_model.close)
    return local_model


async def _open_sandbox(start: _Start, only_for: str | None) -> Sandbox:
    settings = start.settings
    sandbox = await asyncio.to_thread(
        Sandbox.probe,
        force=settings.sandbox_tier,
        allow_weak=settings.allow_weak_sandbox,
        ready=1 if only_for is not None else min(settings.max_concurrent_runs, _MAX_READY),
        preload=_preloaded(settings, only_for),
    )
    start.on_close("the sandbox", lambda: asyncio.to_thread(sandbox.close))
    if sandbox.report.reason:
        _log.warning("sandbox: %s", sandbox.report.reason)
    await asyncio.to_thread(sweep_scratch)
    return sandbox


async def _open_gateway(start: _Start) -> Gateway:
    gateway = Gateway()
    await gateway.start()
    start.on_close("the gateway", gateway.close)
    return gateway


def _open_telemetry(start: _Start) -> Telemetry:
    telemetry = Telemetry.from_environment(os.environ)
    start.on_close("the trace exporter", lambda: asyncio.to_thread(telemetry.close))
    return telemetry


async def _open_daily_budget(start: _Start, spend_store: Store) -> DailyBudget:
    """Raise StoreError if the day's spending can't be written: no budget could be enforced."""
    threads = DatabaseThreads(spend_store.database)
    start.stack.callback(threads.close)
    settings = start.settings
    caps = Caps(
        settings.daily_budget_usd, settings.daily_budget_tokens, settings.daily_budget_calls
    )
    exchange = SpendStore(spend_store.database).exchange
    daily = DailyBudget(caps, today, exchange, threads.write)
    await daily.refresh(today())
    start.on_close("the day's spending", lambda: write_spending(daily))
    start.stack.callback(threads.shorten_timeouts)
    return daily


def _metrics(
    registry: CollectorRegistry, catalog: LiveCatalog, daily: DailyBudget, sandbox: Sandbox
) -> RunMetrics:
    metrics = RunMetrics(registry, lambda provider: catalog.current().ids(provider))
    metrics.budget_used.set_function(daily.used_share)
    metrics.abandoned.set_function(lambda: sandbox.abandoned.count)
    return metrics


def _run_manager(
    start: _Start,
    store: Store,
    sandbox: Sandbox,
    gateway: Gateway,
    local_model: LocalModel,
    metrics: RunMetrics,
    daily: DailyBudget,
    telemetry: Telemetry,
) -> RunManager:
    settings = start.settings
    pruning = Pruning(
        store.database, keep_runs=settings.keep_runs, keep_files_mib=settings.keep_files_mib
    )
    return RunManager(
        sandbox=sandbox,
        gateway=gateway,
        backends=Backends(settings, start.keys, local_model),
        store=store,
        pruning=pruning,
        metrics=metrics,
        max_concurrent=settings.max_concurrent_runs,
        max_queued=settings.max_queued_runs,
        model_label=lambda backend: backend_label(backend, local_model),
        daily=daily,
        telemetry=telemetry,
    )


def _run_in_background(start: _Start, work: Iterable[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.create_task(each) for each in work]

    async def cancel() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    start.on_close("the background work", cancel)


def _preloaded(settings: Settings, only_for: str | None) -> Collection[str]:
    if not settings.preload:
        return ()
    return PRELOADED if only_for is None else imported(only_for, frozenset(PRELOADED))


def _warm_up_sandbox(sandbox: Sandbox) -> None:
    """Load the SDKs now, so that the first run does not wait for them."""
    try:
        sandbox.warm_up()
    except MachineryError as error:
        _log.error("the sandbox could not be started: %s", error)


async def _warm_up_calls(local_model: LocalModel, keys: KeySource) -> None:
    """Load the prices, and the local model if no provider has a key."""
    await preload_prices()
    if any(keys.key(id_) for id_ in PROVIDERS) or local_model.why_unavailable():
        return
    try:
        await local_model.endpoint()
    except BackendUnavailableError as error:
        _log.warning("%s", error)


def backend_label(backend: Backend, local_model: LocalModel) -> str:
    """Return the name of a backend as the page shows it."""
    if backend == "replay":
        return "a recording"
    if backend == "local":
        return f"built-in local model {local_model.label} ({NOTE})"
    return "the provider's API"
