"""Benchmark the gateway: direct calls, calls through it, and optionally through another proxy.

`python scripts/bench_gateway.py`, or together with another proxy:
`python scripts/bench_gateway.py --litellm PATH_TO_ITS_PROGRAM`. On two
cores, the proxy under test has one of them, and the load and the upstream share the other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
from datetime import date

from bench_gateway_exactness import metering_errors, overspent, reservations
from bench_gateway_load import latencies, many_streams, resident_mib, throughput
from bench_gateway_targets import HERE, Target, child, litellm, our_gateway, pin


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
    options = parser.parse_args()
    print(f"gateway, {date.today()}, {os.cpu_count()} cores\n")
    asyncio.run(bench(options.litellm, options.rounds))


if __name__ == "__main__":
    main()
