"""Benchmark the product. The figures in the docs come from here.

`make bench`, `make bench ARGS="--only sandbox --rounds 50"`, `make bench ARGS="--soak 20000"`,
`make bench ARGS="--only build --specs 100000"`, `make bench ARGS="--only hostile"`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date

from bench_build import RANDOM_SPECS, bench_build
from bench_hostile import bench_hostile
from bench_sandbox import bench_sandbox
from bench_server import bench_server
from bench_soak import bench_soak
from bench_tools import HEADING, ROOT

SHORT_SOAK = 500


def bench_gateway(rounds: int) -> None:
    """Run it in its own process, because it pins itself to one core."""
    command = [sys.executable, str(ROOT / "scripts" / "bench_gateway.py")]
    print(flush=True)
    subprocess.run([*command, "--rounds", str(rounds)], check=True)


def main() -> None:
    logging.disable()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="repetitions of each measurement")
    parser.add_argument("--soak", type=int, metavar="N", help="run only the soak test, with N runs")
    parser.add_argument("--specs", type=int, default=RANDOM_SPECS, help="number of random specs")
    parts: dict[str, Callable[[int], None]] = {
        "build": lambda rounds: bench_build(rounds, options.specs),
        "sandbox": lambda rounds: asyncio.run(bench_sandbox(rounds)),
        "server": lambda rounds: asyncio.run(bench_server(rounds)),
        "soak": lambda rounds: asyncio.run(bench_soak(options.soak or SHORT_SOAK)),
        "hostile": lambda rounds: asyncio.run(bench_hostile()),
        "gateway": bench_gateway,
    }
    parser.add_argument("--only", choices=parts, help="run only this part")
    options = parser.parse_args()
    only = options.only or ("soak" if options.soak else None)
    print(f"{date.today()}, {os.cpu_count()} cores\n\n{HEADING}", flush=True)
    for name, part in parts.items():
        if only in {None, name}:
            part(options.rounds)


if __name__ == "__main__":
    main()
