"""Benchmark the gateway: direct calls, calls through it, and optionally through another proxy.

`python scripts/bench_gateway.py`, or together with another proxy:
`python scripts/bench_gateway.py --litellm PATH_TO_ITS_PROGRAM`. On two
cores, the proxy under test has one of them, and the load and the upstream share the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from llm_agent_builder.metering.answer_readers import anthropic_reader, chat_completion_reader
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.requests.facts import RequestFacts
from server.budgets.daily_budget import DailyBudget, run_spend_writer
from server.budgets.ledger import Caps, Ledger
from server.budgets.run_budget import RunBudget
from server.budgets.spend_store import SpendStore
from server.gateway.gateway import Gateway, Grant, ModelCall, Upstream, preload_prices
from server.gateway.metering import today
from server.observability.metrics import RunMetrics
from server.runs.usage_totals import UsageTotals
from server.secret import Secret
from server.storage.store import Store

CALLS_PER_RUN = 1500
HERE = Path(__file__).resolve().parent
MODEL = "claude-sonnet-5-5"
MESSAGES = [{"role": "user", "content": "Tell me a story of a city and its river. " * 4}]
BODY = json.dumps({"model": MODEL, "max_tokens": 64, "messages": MESSAGES}).encode()


@dataclass(frozen=True)
class Target:
    """The destination of a call: a port and its key."""

    name: str
    port: int
    key: str
    pid: int | None = None

    def request(self, body: bytes = BODY, **headers: str) -> bytes:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = (
            f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
            f"anthropic-version: 2023-06-01\r\nContent-Type: application/json\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


# ---------------------------------------------------------------- processes under test


def pin(*cores: int) -> None:
    """Pin this process to some cores, if the machine has them."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > max(cores):
        os.sched_setaffinity(0, cores)


@contextmanager
def child(*arguments: str, core: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a program on one core; yield its process and its first line of output."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parent), "HOME": "/tmp"}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        preexec_fn=lambda: pin(core),  # noqa: PLW1509 # this process has no threads
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def serve_gateway(upstream: str, grants: int) -> None:
    """Run the gateway under test, which counts calls like a server; print its ports and tokens."""
    metrics, tally = RunMetrics(CollectorRegistry()), UsageTotals()

    def on_call(call: ModelCall) -> None:
        tally.add(call)
        metrics.call(call)

    async def policy(provider: ProviderEnum) -> Upstream:
        return Upstream("provider", upstream, Secret("bench"))

    gateway = Gateway(environ={})
    await gateway.start()
    await preload_prices()
    opened = [await gateway.open(policy, on_call) for _ in range(grants)]
    print(json.dumps([[grant.port, grant.token.reveal()] for grant in opened]), flush=True)
    await asyncio.Event().wait()


@contextmanager
def our_gateway(upstream: int, grants: int = 1) -> Iterator[list[Target]]:
    url = f"http://127.0.0.1:{upstream}"
    arguments = (str(Path(__file__)), "--serve", url, "--grants", str(grants))
    with child(*arguments, core=0) as (process, line):
        yield [Target("ours", port, token, process.pid) for port, token in json.loads(line)]


@contextmanager
def litellm(program: str, upstream: int) -> Iterator[Target]:
    """Run LiteLLM's proxy with one worker and only this model."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    params = {"model": f"anthropic/{MODEL}", "api_key": "bench"}
    params["api_base"] = f"http://127.0.0.1:{upstream}"
    config = {"model_list": [{"model_name": MODEL, "litellm_params": params}]}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(json.dumps(config))  # JSON is YAML
        environ = {"PATH": os.environ["PATH"], "HOME": folder, "LITELLM_MASTER_KEY": "sk-bench"}
        environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        process = subprocess.Popen(
            [program, "--config", str(file), "--port", str(port), "--host", "127.0.0.1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environ,
            preexec_fn=lambda: pin(0),  # noqa: PLW1509
        )
        try:
            wait_for(port)
            yield Target("LiteLLM", port, "sk-bench", process.pid)
        finally:
            process.terminate()
            process.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the proxy did not start")


# ---------------------------------------------------------------- load


async def read_head(reader: asyncio.StreamReader) -> Mapping[str, str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    first, *lines = head.split("\r\n")
    if " 200 " not in first:
        raise RuntimeError(first)
    return dict(line.split(": ", 1) for line in lines if ": " in line)


async def pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the pieces of a response."""
    headers = await read_head(reader)
    if "content-length" in headers:
        yield await reader.readexactly(int(headers["content-length"]))
        return
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()


@asynccontextmanager
async def connection(
    target: Target,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def one_call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[float, float]:
    """Make a call; return the time to its first piece and to its end."""
    begun = time.perf_counter()
    writer.write(request)
    first = 0.0
    async for _ in pieces(reader):
        first = first or time.perf_counter() - begun
    return first, time.perf_counter() - begun


async def latencies(target: Target, rounds: int, **headers: str) -> list[tuple[float, float]]:
    request = target.request(BODY, **headers)
    async with connection(target) as (reader, writer):
        for _ in range(20):
            await one_call(reader, writer, request)
        return [await one_call(reader, writer, request) for _ in range(rounds)]


async def throughput(targets: list[Target], connections: int, seconds: float) -> float:
    """Return calls per second. A run may make 2,000 calls, so the calls switch between runs."""
    next_target, done = cycle(targets), 0
    end = time.perf_counter() + seconds

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < end:
            target = next(next_target)
            request = target.request()
            async with connection(target) as (reader, writer):
                for _ in range(CALLS_PER_RUN):
                    if time.perf_counter() >= end:
                        return
                    await one_call(reader, writer, request)
                    done += 1

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    return done / (time.perf_counter() - begun)


def resident_mib(pid: int) -> float:
    """Return the memory of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(resident_mib(int(c)) for c in children)


async def many_streams(targets: list[Target], count: int, pause: float) -> tuple[int, float, float]:
    """Return the number of complete streams, the longest gap in one, and the memory growth."""
    pid = targets[0].pid
    before = resident_mib(pid) if pid else 0.0
    most = before
    longest = 0.0

    async def one(target: Target) -> int:
        nonlocal longest
        request = target.request(x_chunks="40", x_pause=str(pause))
        async with connection(target) as (reader, writer):
            writer.write(request)
            found, last = b"", 0.0
            async for piece in pieces(reader):
                now = time.perf_counter()
                longest = max(longest, now - last if last else 0.0)
                last, found = now, piece
        return b"message_stop" in found

    async def watch() -> None:
        nonlocal most
        while pid:
            most = max(most, resident_mib(pid))
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    whole = await asyncio.gather(*(one(targets[i % len(targets)]) for i in range(count)))
    watching.cancel()
    return sum(whole), longest, most - before


# ---------------------------------------------------------------- exactness


ODD = (-1, 0.5, 10**30, "7", True, [7], {"n": 7})
QUIET: tuple[Any, ...] = (
    None,
    {},
    {"output_tokens": 0, "completion_tokens": 0},
    {"output_tokens": None},
)


def fuzzed_stream(rng: random.Random) -> tuple[bytes, tuple[int, int] | None, bool]:
    """Return a stream, its usage (None: not countable), and whether it is Anthropic's.

    A third of the streams repeat their usage in an odd form: empty, smaller, or not a number.
    """
    text = "".join(rng.choice('word "\\é{}[]:,\nusage') for _ in range(rng.randint(1, 60)))
    read, written, cached = (rng.randint(1, 10**6) for _ in range(3))
    end = rng.choice(["\n", "\r\n", "\r"])
    is_anthropic = rng.random() < 0.5
    odd = rng.choice([*QUIET, *ODD]) if rng.random() < 0.3 else None
    if is_anthropic:
        started = {"input_tokens": read, "cache_read_input_tokens": cached}
        delta = {"type": "content_block_delta", "delta": {"text": text}}
        events: list[Any] = [{"type": "message_start", "message": {"usage": started}}]
        events += [delta] * rng.randint(0, 8)
        usages: list[Any] = [{"output_tokens": written}, odd_usage(odd, "output_tokens")]
        end_of = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
        events += [{**end_of, "usage": usage} for usage in usages]
        read += cached
    else:
        usage = {"prompt_tokens": read, "completion_tokens": written}
        chunk = {"choices": [{"delta": {"content": text}}], "usage": None}
        events = [chunk] * rng.randint(0, 8) + [{"choices": [], "usage": usage}]
        events += [{"choices": [], "usage": odd_usage(odd, "completion_tokens")}]
    lines = [f"data: {json.dumps(item, ensure_ascii=rng.random() < 0.5)}{end}" for item in events]
    reported = None if odd in ODD else (read, written)
    return (end.join(lines) + end).encode(), reported, is_anthropic


def odd_usage(odd: object, key: str) -> object:
    """Return a usage object with an odd number, or an empty one."""
    return odd if odd in QUIET else {key: odd}


def metering_errors(streams: int) -> int:
    """Return the number of fuzzed streams for which the counted tokens differ from the usage."""
    rng, wrong = random.Random(7), 0
    for _ in range(streams):
        data, reported, is_anthropic = fuzzed_stream(rng)
        make = anthropic_reader if is_anthropic else chat_completion_reader
        reader, start = make(stream=True), 0
        largest = rng.choice([1, 3, 50, 5000])
        while start < len(data):
            size = rng.randint(1, largest)
            reader.feed(data[start : start + size])
            start += size
        reader.finish()
        usage = reader.seen.usage
        wrong += (usage and (usage.input_tokens, usage.output_tokens)) != reported
    return wrong


@asynccontextmanager
async def budgets(caps: Caps, servers: int) -> AsyncIterator[list[RunBudget]]:
    """Yield budgets: one of a run, or those of several servers that share a database."""
    if servers == 1:
        yield [RunBudget(Ledger("run", caps))]
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_:
        stores = [open_.enter_context(closing(Store(Path(folder)))) for _ in range(servers)]
        days = [DailyBudget(caps, today, SpendStore(store.database).exchange) for store in stores]
        writers = [asyncio.create_task(run_spend_writer(day)) for day in days]
        yield [RunBudget(Ledger("run", Caps()), day) for day in days]
        for task in writers:
            task.cancel()
        await asyncio.gather(*writers, return_exceptions=True)


async def overspent(
    upstream: int, trials: int, streams: int, servers: int = 1
) -> tuple[int, int, int]:
    """Return the trials that exceeded a cap, the calls that succeeded, and those that did not.

    The upstream itself counts the spent tokens: all that it wrote. With several servers, the cap is
    that of the day, in a shared database.
    """
    url = f"http://127.0.0.1:{upstream}"
    rng, caps = random.Random(11), dict[str, int]()
    through = refused = 0

    async def policy(provider: ProviderEnum) -> Upstream:
        return Upstream("provider", url, Secret("bench"))

    gateway = Gateway(environ={})
    await gateway.start()
    for number in range(trials):
        calls: list[ModelCall] = []
        name, cap = f"{servers}-{number}", rng.randint(800, 12_000)
        caps[name] = cap
        async with budgets(Caps(tokens=cap), servers) as found:
            grants = [await gateway.open(policy, calls.append, budget=each) for each in found]
            each_one = [grants[index % servers] for index in range(streams)]
            await asyncio.gather(*(try_stream(grant, name, rng) for grant in each_one))
            for grant in grants:
                await grant.close()
        went = sum(call.status == 200 for call in calls)
        through, refused = through + went, refused + len(calls) - went
    await gateway.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream)
    writer.write(b"GET /spent HTTP/1.1\r\n\r\n")
    spent = json.loads(await anext(pieces(reader)))
    writer.close()
    over = sum(spent.get(name, 0) > cap for name, cap in caps.items())
    return over, through, refused


async def reservations(count: int) -> tuple[float, float]:
    """Return the seconds per reservation in a database: single, and for 50 at once."""
    asked = RequestFacts(model=MODEL, max_tokens=10)

    async def one(of: RunBudget) -> None:
        (await of.reserve(ProviderEnum.ANTHROPIC, asked, today(), free=False)).settle(None)

    async with budgets(Caps(calls=10**9), 2) as (budget, _):
        begun = time.perf_counter()
        for _ in range(count):
            await one(budget)
        alone = time.perf_counter()
        for _ in range(count // 50):
            await asyncio.gather(*(one(budget) for _ in range(50)))
        return (alone - begun) / count, (time.perf_counter() - alone) / (count // 50)


async def try_stream(grant: Grant, name: str, rng: random.Random) -> None:
    most = rng.choice([20, 40, 60, 60, 50_000])
    asked = {"model": MODEL, "max_tokens": most, "stream": True, "messages": MESSAGES}
    target = Target("ours", grant.port, grant.token.reveal())
    async with connection(target) as (reader, writer):
        writer.write(target.request(json.dumps(asked).encode(), x_trial=name))
        try:
            async for _ in pieces(reader):
                pass
        except (RuntimeError, asyncio.IncompleteReadError):
            return  # refused, or cut


# ---------------------------------------------------------------- report


def quantiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return statistics.median(ordered), ordered[len(ordered) * 99 // 100]


HEADING = """| one connection, and 32 | added p50 ms | added p99 ms | added first token p50 ms \
| req/s at 32 | MiB |
| --- | --- | --- | --- | --- | --- |"""


async def compare(groups: list[list[Target]], rounds: int, seconds: float) -> None:
    """Measure each, the first of them as the base of the others."""
    base: list[float] = []
    print(HEADING)
    for targets in groups:
        alone, *_ = targets
        few = rounds if alone.name != "LiteLLM" else max(50, rounds // 10)
        p50, p99 = quantiles([whole for _, whole in await latencies(alone, few)])
        streamed = await latencies(targets[-1], few // 4, x_chunks="3", x_pause="0.002")
        first, _ = quantiles([begin for begin, _ in streamed])
        rate = await throughput(targets[1:-1] or targets, 32, seconds)
        base = base or [p50, p99, first]
        added = [found - direct for found, direct in zip((p50, p99, first), base, strict=True)]
        memory = f"{resident_mib(alone.pid):.0f}" if alone.pid else ""
        shown = " | ".join(f"{value * 1000:.2f}" for value in added)
        print(f"| {alone.name} | {shown} | {rate:,.0f} | {memory} |", flush=True)


async def bench(program: str | None, rounds: int) -> None:
    pin(1)
    with child(str(HERE / "bench_upstream.py"), core=1) as (_, line):
        upstream = int(line)
        direct = Target("direct", upstream, "bench")
        with our_gateway(upstream, grants=60) as ours:
            await compare([[direct], ours], rounds, 5)
        if program:
            with litellm(program, upstream) as other:
                await compare([[direct], [other]], rounds, 5)
        await bench_streams(direct)
        pin(0, 1)
        for servers in (1, 2):
            over, through, refused = await overspent(upstream, rounds, 50, servers)
            print(f"{rounds} trials of 50 streams, {servers} servers: {over} crossed the cap")
            print(f"({through:,} calls went through, {refused:,} were refused)")
    alone, together = await reservations(1000)
    print(f"a reservation of the day: {alone * 1000:.2f} ms, 50 at once {together * 1000:.2f} ms")
    wrong = metering_errors(10 * rounds)
    print(f"metering: {wrong} of {10 * rounds:,} fuzzed streams read wrongly")


async def bench_streams(direct: Target) -> None:
    straight = await many_streams([direct], 500, 0.1)
    with our_gateway(direct.port, grants=10) as ours:
        whole, longest, grown = await many_streams(ours, 500, 0.1)
    stall = (longest - straight[1]) * 1000
    print(f"\n500 streams at once: {whole} whole, +{grown:.0f} MiB, added stall {stall:.0f} ms")
    print(f"(longest gap {longest * 1000:.0f} ms, direct {straight[1] * 1000:.0f} ms)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--litellm", help="path of LiteLLM's program, to measure it beside")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--grants", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve_gateway(options.serve, options.grants))
        return
    print(f"gateway, {date.today()}, {os.cpu_count()} cores\n")
    asyncio.run(bench(options.litellm, options.rounds))


if __name__ == "__main__":
    main()
