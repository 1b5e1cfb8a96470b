"""Measure the product, everything side by side in one run. Figures in the docs come from here.

`make bench`, or `make bench ARGS="--rounds 50"`, or `make bench ARGS="--soak 20000"`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import subprocess
import sys

from bench_sandbox import BASELINE, bench_sandbox
from bench_server import bench_server
from bench_soak import bench_soak
from bench_tools import header, show, timed

from llm_agent_builder import AgentBuilder


def build_plain() -> None:
    AgentBuilder().build_agent("Greeter", "You greet people.", "Say hello.")


def plain_subprocess() -> None:
    """Do what the product was first planned to do: a fresh interpreter that imports the SDK."""
    subprocess.run([sys.executable, "-c", BASELINE], capture_output=True, check=True)


def main() -> None:
    logging.disable()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--soak", type=int, help="only the soak, of so many runs")
    arguments, _ = parser.parse_known_args()  # the gateway's benchmark has options of its own
    header()
    if arguments.soak:
        asyncio.run(bench_soak(arguments.soak))
        return
    rounds = arguments.rounds
    show("build a plain agent in process, shape check included", timed(rounds, build_plain))
    baseline = timed(max(3, rounds // 10), plain_subprocess)
    show("fresh subprocess, Anthropic SDK imported (the baseline)", baseline)
    asyncio.run(bench_sandbox(rounds))
    asyncio.run(bench_server(rounds))
    asyncio.run(bench_soak(400))


if __name__ == "__main__":
    main()
