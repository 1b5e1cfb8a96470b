"""Load for the gateway's benchmark: latency, throughput and many streams at once."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path

from bench_gateway_targets import BODY, Target

CALLS_PER_RUN = 1500


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
