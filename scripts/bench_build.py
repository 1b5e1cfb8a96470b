"""Benchmark building in process, over HTTP and in a batch; check files from random specs."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from bench_client import Client, serving
from bench_tools import ROOT, repeated, row, show, timed
from random_specs import random_values

from llm_agent_builder import AgentBuilder
from llm_agent_builder.errors import SpecError
from llm_agent_builder.gallery import gallery
from llm_agent_builder.spec.agent_spec import make_spec

RANDOM_SPECS = 2_000
BATCH = 1_000
SUSTAINED_S = 3.0
AT_ONCE = 8
_CHUNK = 250
PLAIN = {
    "anthropic": {"provider": "anthropic", "model": "claude-sonnet-5-5"},
    "huggingface": {"provider": "huggingface", "model": "openai/gpt-oss-20b"},
}
WORDS = {"name": "Greeter", "prompt": "You greet people.", "task": "Say hello."}
FULLEST: dict[str, Any] = {
    "tools": [{"gallery": tool.id} for tool in gallery()],
    "answer": {"type": "object", "properties": {"text": {"type": "string"}}},
    "mcp_servers": [{"name": "a", "command": ["a"]}, {"name": "b", "url": "https://b.example/"}],
    **{"chat": True, "usage": True, "max_turns": 5, "token_budget": 9_000, "retries": 1},
    **{"max_tokens": 30_000, "timeout_s": 30.0},
}


def bench_build(rounds: int, specs: int = RANDOM_SPECS) -> None:
    """Print all rows; `specs` is the number of random specs."""
    _in_process(rounds)
    asyncio.run(_by_http(rounds))
    _in_a_batch()
    _at_random(specs)


def _in_process(rounds: int) -> None:
    for provider, model in PLAIN.items():
        more = {"thinking": "adaptive", "effort": "low", "cache_prompt": True}
        fullest = FULLEST | (more if provider == "anthropic" else {})
        for what, goal, values in (("plain", "≤ 2 ms", {}), ("fullest", "≤ 5 ms", fullest)):
            spec = make_spec(WORDS | model | values)
            lines = len(AgentBuilder().build(spec).splitlines())
            taken = timed(rounds, lambda spec=spec: AgentBuilder().build(spec))  # type: ignore[misc]
            show(f"build the {what} {provider} agent ({lines} lines), shape check included",
                 taken, f"p50 {goal}")  # fmt: skip


async def _by_http(rounds: int) -> None:
    async with serving() as served:
        core = {max(os.sched_getaffinity(0))}
        os.sched_setaffinity(served.pid, core)  # before the server starts its threads
        body = WORDS | PLAIN["anthropic"]
        async with Client(served.port) as client:
            taken = await repeated(rounds, lambda: client.time("POST", "/api/generate", body))
        show("POST /api/generate, one client", taken, "p50 ≤ 4 ms")
        begun, done = time.perf_counter(), 0

        async def work() -> None:
            nonlocal done
            async with Client(served.port) as client:
                while time.perf_counter() < begun + SUSTAINED_S:
                    await client.ask("POST", "/api/generate", body)
                    done += 1

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        rate = done / (time.perf_counter() - begun)
        what = f"POST /api/generate, {AT_ONCE} clients, the server on one core"
        row(what, f"{rate:,.0f} req/s", goal="≥ 300 req/s", rounds=done)


def _in_a_batch() -> None:
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(BATCH):
            provider = draw.choice(list(PLAIN.values()))
            values = WORDS | provider | {"name": f"Agent {number}", "stream": draw.random() < 0.5}
            text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())
            Path(folder, f"spec{number}.yaml").write_text(text, "utf-8")
        command = [sys.executable, "-c", "from server.cli import main; main()", "generate"]
        begun = time.perf_counter()
        subprocess.run(
            [*command, "--batch", folder, "-o", str(Path(folder, "agents"))],
            env={"PYTHONPATH": str(ROOT), "HOME": folder, "PATH": os.defpath},
            check=True,
            capture_output=True,
        )
        taken = time.perf_counter() - begun
        assert len(list(Path(folder, "agents").iterdir())) == BATCH
        show(f"generate --batch of {BATCH:,} specs, the command's start included", [taken],
             "≤ 3,000 ms")  # fmt: skip


def _at_random(count: int) -> None:
    seeds = [(start, min(_CHUNK, count - start)) for start in range(0, count, _CHUNK)]
    begun, tried = time.perf_counter(), 0
    wrong: list[str] = []
    with multiprocessing.Pool() as pool:
        for built, problems in pool.imap_unordered(_try_specs, seeds):
            tried += built
            wrong += problems
    taken = time.perf_counter() - begun
    for problem in wrong[:5]:
        print(problem)
    row(f"random specs whose file does not compile or differs in shape, of {tried:,} "
        f"({count - tried - len(wrong):,} more could not be used; {taken:,.0f} s)",
        str(len(wrong)), goal="0", rounds=count)  # fmt: skip


def _try_specs(chunk: tuple[int, int]) -> tuple[int, list[str]]:
    """Build random specs; return the number of good files, and the problems of the others."""
    first, count = chunk
    built, wrong = 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(first, first + count):
            values = random_values(number)
            try:
                spec = make_spec(values)
            except SpecError:
                continue
            try:
                compile(AgentBuilder().build(spec), "agent.py", "exec", dont_inherit=True)
                built += 1
            except Exception as error:  # any error is counted and shown
                wrong.append(f"spec {number}: {type(error).__name__}: {error}")
    return built, wrong
