"""What the gateway's benchmark calls: the upstream, the gateway, and another proxy."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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


@contextmanager
def our_gateway(upstream: int, grants: int = 1) -> Iterator[list[Target]]:
    url = f"http://127.0.0.1:{upstream}"
    arguments = (str(HERE / "bench_gateway_server.py"), url, "--grants", str(grants))
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
