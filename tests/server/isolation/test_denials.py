"""Denials found in the exception that ended a program; real operations raise each of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.isolation.child.denials import (
    MAX_DENIAL_BYTES,
    Denial,
    decode_denial,
    encode_denial,
    explain,
)
from server.isolation.messages import denied_message

CLOSED = "127.0.0.1:1"
"""No program listens on it: port 1 is tcpmux's."""


def end_of(code: str) -> BaseException:
    """Run a program and return the exception that ended it."""
    try:
        exec(compile(code, "agent.py", "exec"), {"__name__": "__main__"})
    except BaseException as error:
        return error
    raise AssertionError("the program did not fail")


def denial_of(code: str, **more: Any) -> Denial | None:
    return explain(end_of(code), "/scratch/of/run", **more)


# ---------------------------------------------------------------- network

ANTHROPIC = (
    "import anthropic\n"
    f"client = anthropic.Anthropic(api_key='x', base_url='http://{CLOSED}', max_retries=0)\n"
    "client.messages.create(model='m', max_tokens=1, messages=[])\n"
)
ANTHROPIC_ASYNC = (
    "import anthropic, asyncio\n"
    f"client = anthropic.AsyncAnthropic(api_key='x', base_url='http://{CLOSED}', max_retries=0)\n"
    "asyncio.run(client.messages.create(model='m', max_tokens=1, messages=[]))\n"
)
HUGGING_FACE = (
    "from huggingface_hub import InferenceClient\n"
    f"client = InferenceClient(base_url='http://{CLOSED}', api_key='x')\n"
    "client.chat_completion([{'role': 'user', 'content': 'x'}])\n"
)
AIOHTTP = (
    "import aiohttp, asyncio\n"
    "async def main():\n"
    "    async with aiohttp.ClientSession() as session:\n"
    f"        await session.get('http://{CLOSED}')\n"
    "asyncio.run(main())\n"
)


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 1))",
        f"import urllib.request; urllib.request.urlopen('http://{CLOSED}')",
        f"import httpx; httpx.get('http://{CLOSED}', trust_env=False)",
        "import asyncio; asyncio.run(asyncio.open_connection('127.0.0.1', 1))",
        AIOHTTP,
        ANTHROPIC,
        ANTHROPIC_ASYNC,
        HUGGING_FACE,
    ],
)
def test_refused_connection_is_named_for_any_library(code: str) -> None:
    assert denial_of(code) == ("network", CLOSED)


def test_denied_socket_has_no_address() -> None:
    code = "import socket\nwith socket.socket() as mine:\n    mine.connect(('127.0.0.1', 1))"
    assert denial_of(code) == ("network", "")


def test_refused_connection_to_the_runs_own_gateway_is_not_a_denial() -> None:
    assert denial_of(ANTHROPIC, gateway_port=1) is None
    assert denial_of(ANTHROPIC, gateway_port=11) == ("network", CLOSED)


def test_generated_agents_own_exit_is_seen_through() -> None:
    lines = "".join(f"    {line}\n" for line in ANTHROPIC.splitlines())
    code = f"try:\n{lines}except Exception as error:\n    raise SystemExit('failed') from error\n"
    assert denial_of(code) == ("network", CLOSED)


@pytest.mark.parametrize("group", ["ExceptionGroup", "BaseExceptionGroup"])
def test_error_inside_a_group_is_found(group: str) -> None:
    code = (
        "try:\n    open('/no/such/file')\n"
        "except OSError as error:\n    found = error\n"
        f"raise {group}('several', [ValueError(), found])"
    )
    assert denial_of(code) == ("file", "/no/such/file")


# ---------------------------------------------------------------- files and calls


@pytest.mark.parametrize(
    ("code", "subject"),
    [
        ("open('/no/such/file')", "/no/such/file"),
        ("open(b'/no/such/file')", "/no/such/file"),
        ("open('../data.csv')", "../data.csv"),
        ("open('/scratch/of/runaway')", "/scratch/of/runaway"),
        ("import os; os.rename('mine', '/no/such/place')", "/no/such/place"),
        ("import pathlib; pathlib.Path('/no/such/file').read_text()", "/no/such/file"),
        ("import subprocess; subprocess.run(['/no/such/git'])", "/no/such/git"),
        ("import subprocess; subprocess.run(['no-such-command'])", "no-such-command"),
        ("import os; os.mkdir('/proc/new')", "/proc/new"),
        ("open('/' + 'x' * 5000 + '/\\x1b[2J')", None),
        ("open('/no/such/\\x1b[2J\\n')", "/no/such/?[2J?"),
    ],
)
def test_path_outside_of_the_folder_is_named(code: str, subject: str | None) -> None:
    denial = denial_of(code)
    assert denial == ("file", subject) if subject else denial is None


def test_long_path_is_cut() -> None:
    denial = denial_of("open('/no' + '/such' * 500)")
    assert denial is not None
    assert len(denial.subject) == 201


@pytest.mark.parametrize(
    "code",
    [
        "open('data.csv')",
        "import subprocess; subprocess.run(['./no-such-command'])",
        "import subprocess; subprocess.run(['/bin/sh'], cwd='no-such-folder')",
        "open('/scratch/of/run/data.csv')",
        "open('/scratch/of/run/../run/data.csv')",
        "open('/')",
        "1 / 0",
        "print('PermissionError: [Errno 13] Permission denied: /etc/shadow'); raise SystemExit(1)",
        "raise PermissionError('[Errno 1] Operation not permitted')",
        "raise PermissionError(1, 'Operation not permitted')",
        "raise PermissionError",
        "import sys; sys.exit('OSError: [Errno 101] Network is unreachable')",
        "try:\n    open('/no/such/file')\nexcept OSError:\n    raise SystemExit(0)",
        "try:\n    open('/no/such/file')\nexcept OSError:\n    pass\n1 / 0",
        "import socket; socket.getaddrinfo('127.0.0.1', 'no-such-service')",
    ],
)
def test_error_without_a_refusal_is_not_a_denial(code: str) -> None:
    assert denial_of(code) is None


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import os\nos.setuid(0)", "setuid"),
        ("from os import setuid\nsetuid(0)", "setuid"),
        ("import os\n[os.setuid(*arguments) for arguments in [(0,)]]", "setuid"),
    ],
)
def test_refused_system_call_is_named_by_its_function(code: str, name: str) -> None:
    # A user who may not become root, even if root runs the tests.
    child = (
        "import dis, os, sys, json\n"
        "from server.isolation.child.denials import explain\n"
        "os.getuid() or os.setresuid(65534, 65534, 65534)\n"
        "try:\n    exec(compile(sys.argv[1], 'agent.py', 'exec'), {})\n"
        "except BaseException as error:\n    print(json.dumps(explain(error, '/scratch')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", child, code],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["call", name]


# ---------------------------------------------------------------- hostile errors


def test_circle_of_errors_has_an_end() -> None:
    first, second = ValueError(), ValueError()
    first.__context__, second.__context__ = second, first
    assert explain(first, "/scratch") is None


def test_forest_of_errors_has_an_end() -> None:
    tree: Exception = ValueError()
    for _ in range(40):
        tree = ExceptionGroup("more", [tree, ExceptionGroup("more", [tree])])
    assert explain(tree, "/scratch") is None


def test_hostile_exception_is_not_a_denial() -> None:
    class FightingError(OSError):
        @property
        def errno(self) -> int:  # type: ignore[override]
            raise RuntimeError

    assert explain(FightingError(), "/scratch") is None


# ---------------------------------------------------------------- across, and in words


def test_denial_crosses_to_the_server_in_one_write() -> None:
    denial = denial_of("open('/no/such/' + '\U0001f600' * 300)")
    assert denial is not None
    assert len(encode_denial(denial)) <= MAX_DENIAL_BYTES
    assert decode_denial(encode_denial(denial)) == denial


@pytest.mark.parametrize(
    "mark",
    [
        b"",
        b"memory",
        b"\xff",
        b"[" * 5000,
        b'{"denied": 1}',
        b'{"denied": ["network"]}',
        b'{"denied": ["root", "x"]}',
        b'{"denied": ["file", 1]}',
        b'{"denied": {"kind": "file"}}',
    ],
)
def test_malformed_denial_is_ignored(mark: bytes) -> None:
    assert decode_denial(mark) is None


def test_forged_denial_is_short_and_printable() -> None:
    denial = decode_denial(json.dumps({"denied": ["file", "\x1b[31m\n" * 999]}).encode())
    assert denial is not None
    assert len(denial.subject) <= 201
    assert denial.subject.isprintable()


def test_messages_name_the_attempt_and_a_remedy() -> None:
    plain = "the sandbox has no network; only the model API is reachable"
    assert denied_message("network", "") == plain
    assert denied_message("network", "example.com:443") == f"{plain} (attempted: example.com:443)"
    for host in ("router.huggingface.co:443", "huggingface.co:443"):
        assert "HF_BASE_URL" in denied_message("network", host)
    assert "ANTHROPIC_BASE_URL" in denied_message("network", "api.anthropic.com:443")
    assert "HF_BASE_URL" not in denied_message("network", "nothuggingface.co:443")
    assert "--file" in denied_message("file", "/data/x.csv")
    assert denied_message("file", "/data/x.csv").startswith("/data/x.csv is outside")
    assert denied_message("call", "setuid") == "the sandbox blocks this system call: setuid"


def test_it_can_be_imported_where_nothing_is_installed() -> None:
    code = "import server.isolation.child.denials, sys; print('llm_agent_builder' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, '.'); {code}"],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
