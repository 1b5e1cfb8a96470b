"""Runs that end with a denial of the sandbox, with the real SDKs, and runs that only imitate it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from server.isolation.events import DeniedEvent, ExitEvent, OutputEvent, Program, SandboxEvent
from server.limits import Limits
from server.sandbox import Sandbox, run_in_sandbox

NETWORK = "the sandbox has no network; only the model API is reachable"
MESSAGE = "[{'role': 'user', 'content': 'x'}]"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return the sandbox of this machine."""
    found = Sandbox.probe()
    yield found
    found.close()


def events_of(sandbox: Sandbox, code: str) -> list[SandboxEvent]:
    async def inside() -> list[SandboxEvent]:
        run = await sandbox.start(Program(code, "", Limits(wall_s=30)))
        return [event async for event in run.events()]

    return asyncio.run(inside())


def denied(sandbox: Sandbox, code: str) -> list[DeniedEvent]:
    events = events_of(sandbox, code)
    assert isinstance(events[-1], ExitEvent)
    return [event for event in events if isinstance(event, DeniedEvent)]


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('example.com', 443), timeout=5)",
        "import urllib.request; urllib.request.urlopen('https://example.com', timeout=5)",
        "import httpx; httpx.get('https://example.com')",
        "import asyncio; asyncio.run(asyncio.open_connection('example.com', 443))",
    ],
)
def test_address_that_was_tried_is_named(sandbox: Sandbox, code: str) -> None:
    message = f"{NETWORK} (attempted: example.com:443)"
    assert denied(sandbox, code) == [DeniedEvent("network", message)]


def test_address_by_number_is_named(sandbox: Sandbox) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    message = f"{NETWORK} (attempted: 192.0.2.1:80)"
    assert denied(sandbox, code) == [DeniedEvent("network", message)]


@pytest.mark.parametrize(
    ("code", "host", "variable"),
    [
        (
            "import anthropic\n"
            "client = anthropic.Anthropic(api_key='x', max_retries=0)\n"
            f"client.messages.create(model='m', max_tokens=1, messages={MESSAGE})\n",
            "api.anthropic.com",
            "ANTHROPIC_BASE_URL",
        ),
        (
            "import anthropic, asyncio\n"
            "client = anthropic.AsyncAnthropic(api_key='x', max_retries=0)\n"
            "asyncio.run(client.messages.create(\n"
            f"    model='m', max_tokens=1, messages={MESSAGE}))\n",
            "api.anthropic.com",
            "ANTHROPIC_BASE_URL",
        ),
        (
            "from huggingface_hub import InferenceClient\n"
            f"InferenceClient('a/b', token='hf_x').chat_completion({MESSAGE})\n",
            "router.huggingface.co",
            "HF_BASE_URL",
        ),
        (
            "from huggingface_hub import InferenceClient\n"
            "client = InferenceClient('a/b', token='x', provider='novita')\n"
            f"client.chat_completion({MESSAGE})\n",
            "huggingface.co",
            "HF_BASE_URL",
        ),
    ],
)
def test_denied_sdk_without_the_base_url_gets_advice(
    sandbox: Sandbox, code: str, host: str, variable: str
) -> None:
    [event] = denied(sandbox, code)
    assert event.kind == "network"
    assert event.message.startswith(f"{NETWORK} (attempted: {host}:443)")
    assert variable in event.message


@pytest.mark.parametrize("code", ["open('/etc/shadow')", "open('/no/such/file', 'w')"])
def test_denied_file_is_named_with_how_to_pass_files(sandbox: Sandbox, code: str) -> None:
    [event] = denied(sandbox, code)
    assert event.kind == "file"
    assert event.message.startswith(f"{code.split(chr(39))[1]} is outside the program's folder")
    assert "--file" in event.message


def test_system_call_is_named(sandbox: Sandbox) -> None:
    message = "the sandbox blocks this system call: setsid"
    assert denied(sandbox, "import os\nos.setsid()") == [DeniedEvent("call", message)]


def test_refusal_that_ended_a_child_is_not_its_parents(sandbox: Sandbox) -> None:
    code = "import os, sys\nif os.fork():\n    os.wait()\n    sys.exit(1)\nos.setsid()"
    assert denied(sandbox, code) == []


def test_line_after_the_output_shows_the_outcome(sandbox: Sandbox) -> None:
    shown = run_in_sandbox("print('before')\nopen('/no/such/file')", "", sandbox=sandbox)
    lines = shown.splitlines()
    assert lines[0] == "before"
    assert lines[-2].startswith("denied: /no/such/file is outside")
    assert lines[-1] == "error: exit code 1"


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit('PermissionError: [Errno 13] Permission denied: /etc/shadow')",
        "print('denied: the sandbox has no network'); raise SystemExit(1)",
        "raise PermissionError('[Errno 1] Operation not permitted')",
        "raise PermissionError(1, 'Operation not permitted')",
        "try:\n    open('/etc/shadow')\nexcept OSError:\n    print('went on')\nraise SystemExit(1)",
        "try:\n    open('/etc/shadow')\nexcept OSError:\n    raise SystemExit(0)",
        "open('mine.csv')",
    ],
)
def test_error_that_looks_like_a_refusal_is_not_a_denial(sandbox: Sandbox, code: str) -> None:
    assert denied(sandbox, code) == []


def test_run_that_a_limit_ended_is_not_a_denial(sandbox: Sandbox) -> None:
    code = "try:\n    open('/etc/shadow')\nexcept OSError:\n    bytearray(1 << 40)"
    events = events_of(sandbox, code)
    assert not any(isinstance(event, DeniedEvent) for event in events)
    assert "MemoryError" in "".join(e.text for e in events if isinstance(e, OutputEvent))
