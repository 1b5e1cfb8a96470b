"""Starts and stops the services of a server."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from llm_agent_builder.errors import BackendUnavailableError, MachineryError
from llm_agent_builder.providers import PROVIDERS
from server.budgets.daily_budget import DailyBudget, keep_books, write_down
from server.budgets.ledger import Caps
from server.budgets.spend_store import SpendStore
from server.catalog.live import LiveCatalog
from server.gateway.gateway import Gateway, settle_in
from server.gateway.metering import today
from server.isolation.child.libc import give_memory_back
from server.isolation.scratch import sweep_scratch
from server.isolation.shutdown import Closing
from server.isolation.tiers.probe import PRELOADED
from server.local_model.service import NOTE, LocalModel
from server.observability.metrics import RunMetrics
from server.observability.tracing import Telemetry
from server.parser_pool import ParserPool
from server.runs.backends import Backend, Backends, providers_in
from server.runs.manager import RunManager
from server.runs.sdk_imports import imported
from server.sandbox import Sandbox
from server.settings import KeySource, Settings
from server.storage.database_threads import DatabaseThreads
from server.storage.pruning import Pruning
from server.storage.store import Store

_log = logging.getLogger(__name__)
_MOST_READY = 8


@dataclass(slots=True)
class Services:
    """What a running server is made of."""

    settings: Settings
    keys: KeySource
    catalog: LiveCatalog
    local_model: LocalModel
    sandbox: Sandbox
    store: Store
    gateway: Gateway
    runs: RunManager
    reading: ParserPool
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
    """Start the services; stop them all at the end.

    `spend_store` is where the day's spending is kept, if not beside the runs. With `refresh`, the
    providers are asked for their models in the background. `only_for` is the code of the one
    program that will be run, where there is only one: no more than it needs is loaded ahead.
    `closing` knows how long closing them may take together.

    Raises:
        StoreError: the data folder or the database can't be used.

    """
    give_memory_back()
    closing = closing or Closing()
    async with AsyncExitStack() as stack:

        def then_close(name: str, work: Callable[[], Awaitable[object]]) -> None:
            """Have a part closed at the end, in the reverse order; also where the start fails."""
            stack.push_async_callback(closing.step, name, work)

        store = await asyncio.to_thread(Store, settings.data_dir, settings.database_url)
        then_close("the database", lambda: asyncio.to_thread(store.close))
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        local_model = LocalModel(
            path=settings.local_model_path,
            log_file=settings.data_dir / "local_model.log",
            verbose=settings.log_level == "DEBUG",
        )
        then_close("the local model", local_model.close)
        sandbox = await _open_sandbox(settings, only_for)
        then_close("the sandbox", lambda: asyncio.to_thread(sandbox.close))
        spend = spend_store or store
        threads = DatabaseThreads(spend.database)
        stack.callback(threads.close)
        exchange = SpendStore(spend.database).exchange
        daily = DailyBudget(_daily_caps(settings), today, exchange, threads.write)
        await daily.refresh(today())  # a database that can't be written is a reason not to start
        catalog = LiveCatalog(settings, keys)
        await asyncio.to_thread(catalog.load)
        metrics = RunMetrics(registry, lambda provider: catalog.current().ids(provider))
        gateway = Gateway()
        await gateway.start()
        then_close("the gateway", gateway.close)
        telemetry = Telemetry.from_environment(os.environ)
        then_close("the exporter of traces", lambda: asyncio.to_thread(telemetry.close))
        then_close("the day's spending", lambda: write_down(daily))
        stack.callback(threads.hurry)
        await asyncio.to_thread(_warm_up_sandbox, sandbox)
        runs = RunManager(
            sandbox=sandbox,
            gateway=gateway,
            backends=Backends(settings, keys, local_model),
            store=store,
            pruning=Pruning(
                store.database,
                keep_runs=settings.keep_runs,
                keep_files_mib=settings.keep_files_mib,
            ),
            metrics=metrics,
            max_concurrent=settings.max_concurrent_runs,
            max_queued=settings.max_queued_runs,
            model_label=lambda backend: backend_label(backend, local_model),
            daily=daily,
            telemetry=telemetry,
        )
        then_close("the runs", runs.close)
        metrics.budget_used.set_function(daily.used_share)
        metrics.abandoned.set_function(lambda: sandbox.abandoned.count)
        await runs.start()
        background = [asyncio.create_task(keep_books(daily))]
        if only_for is None or providers_in(only_for):
            background.append(asyncio.create_task(_warm_up(local_model, keys)))
        if refresh:
            background.append(asyncio.create_task(catalog.run()))
        then_close("the work in the background", lambda: _cancelled(background))
        reading = ParserPool()
        stack.callback(reading.close)
        yield Services(
            settings, keys, catalog, local_model, sandbox, store, gateway, runs, reading, daily
        )


async def _open_sandbox(settings: Settings, only_for: str | None) -> Sandbox:
    sandbox = await asyncio.to_thread(
        Sandbox.probe,
        force=settings.sandbox_tier,
        allow_weak=settings.allow_weak_sandbox,
        ready=1 if only_for is not None else min(settings.max_concurrent_runs, _MOST_READY),
        preload=_preloaded(settings, only_for),
    )
    if sandbox.report.reason:
        _log.warning("sandbox: %s", sandbox.report.reason)
    await asyncio.to_thread(sweep_scratch)
    return sandbox


async def _cancelled(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _preloaded(settings: Settings, only_for: str | None) -> Collection[str]:
    if not settings.preload:
        return ()
    return PRELOADED if only_for is None else imported(only_for, frozenset(PRELOADED))


def _warm_up_sandbox(sandbox: Sandbox) -> None:
    """Have the SDKs loaded while nobody waits for it; the first run would start it otherwise."""
    try:
        sandbox.warm_up()
    except MachineryError as error:
        _log.error("the sandbox does not start: %s", error)


def _daily_caps(settings: Settings) -> Caps:
    return Caps(
        settings.daily_budget_usd, settings.daily_budget_tokens, settings.daily_budget_calls
    )


async def _warm_up(local_model: LocalModel, keys: KeySource) -> None:
    """Load the prices, and the local model where it is the one that will be asked."""
    await settle_in()
    if any(keys.key(id_) for id_ in PROVIDERS) or local_model.why_unavailable():
        return
    try:
        await local_model.endpoint()
    except BackendUnavailableError as error:
        _log.warning("%s", error)


def backend_label(backend: Backend, local_model: LocalModel) -> str:
    """Return who answers, in words for the page."""
    if backend == "replay":
        return "a recording"
    if backend == "local":
        return f"built-in local model {local_model.label} ({NOTE})"
    return "the provider's API"
