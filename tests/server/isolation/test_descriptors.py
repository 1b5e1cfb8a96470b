"""A process that runs out of descriptors: a failure leaves no descriptor or process behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tests.support.serving import bare_environment

_SWEEP = """
import asyncio, gc, logging, os, resource, sys
from llm_agent_builder.errors import MachineryError
logging.disable(logging.CRITICAL)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

def open_now():
    return [int(name) for name in os.listdir("/proc/self/fd")]

def children():
    files = [f"/proc/self/task/{task}/children" for task in os.listdir("/proc/self/task")]
    return [pid for file in files for pid in open(file).read().split()]

def allow(more):
    # Set the limit so that exactly `more` further descriptors are free.
    used = set(open_now()) - {max(open_now())}
    free = [number for number in range(3, 4096) if number not in used]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[more], hard))

async def attempt(work, more):
    allow(more)
    try:
        await work()
        return "done"
    except (MachineryError, OSError) as error:
        return str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

async def settled(before, refill):
    for _ in range(200):
        refill()
        gc.collect()
        if len(open_now()) <= before:
            return
        await asyncio.sleep(0.05)
    raise SystemExit(f"{before} were open before, now {len(open_now())}: {[*names()]}")

def names():
    for number in open_now():
        try:
            yield os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            pass  # what this was read by

async def sweep(work, refill=lambda: None):
    said = []
    # What runs in a helper needs 256. A busy machine may be too slow for the first of the last.
    for more in (*range(45), *[600] * 5):
        refill()
        before = len(open_now())
        said.append(await attempt(work, more))
        await settled(before, refill)
        if said.count("done") == 3 or more == 600 and "done" in said:
            break
    done = said.count("done")
    print(f"failed {len(said) - done > 5}, done {done > 0 or said[-5:]}")
"""
_RUNS = """
from server.gateway.gateway import Gateway
from server.isolation.events import ExitEvent, Program
from server.sandbox import Sandbox

async def main():
    sandbox = Sandbox.probe(force=sys.argv[1], preload=(), ready=1)
    gateway = Gateway()
    await gateway.start()
    async def policy(provider): raise AssertionError("nothing calls")

    async def one():
        grants = []
        async def way_out(listener):
            grants.append(await gateway.open(policy, lambda call: None, listener=listener))
            return grants[0].environment()
        try:
            code, files = "open('new', 'w').close()", {"a": b"b"}
            program = Program(code, "x", network_handler=way_out, files=files)
            run = await sandbox.start(program)
            events = [event async for event in run.events()]
            if events[-1].status != "success":
                raise OSError(events[-1].reason)
        finally:
            for grant in grants:
                await grant.close()

    await one()
    await sweep(one, refill=sandbox.warm_up)
    await gateway.close()
    sandbox.close()

asyncio.run(main())
"""
_SERVERS = """
from prometheus_client import CollectorRegistry
from server.services import open_services
from server.keys import KeySource
from server.settings import load_settings

async def main():
    settings = load_settings(sandbox_tier=sys.argv[1])

    async def one():
        async with open_services(settings, KeySource(), CollectorRegistry()) as services:
            services.sandbox.require_available()
            services.sandbox.warm_up()

    await one()
    await sweep(one)
    print("children", children())

asyncio.run(main())
"""


def swept(folder: Path, program: str, tier: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SWEEP + program, tier],
        cwd=ROOT,
        env=bare_environment(folder, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout or done.stderr


def test_run_that_fails_to_start_at_any_step_leaves_no_descriptor(
    tmp_path: Path, tier: str
) -> None:
    assert swept(tmp_path, _RUNS, tier) == "failed True, done True\n"


@pytest.mark.matrix
def test_server_that_fails_to_start_at_any_step_leaves_no_descriptor_and_no_process(
    tmp_path: Path, tier: str
) -> None:
    assert swept(tmp_path, _SERVERS, tier) == "failed True, done True\nchildren []\n"
