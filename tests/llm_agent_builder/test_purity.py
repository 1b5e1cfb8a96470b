"""The package is pure: no process, no socket, no database; shown by Python's own audit events."""

from __future__ import annotations

import json
from pathlib import Path

from tests.llm_agent_builder.support.processes import run_python

_WATCH = """
import json, sys, threading
seen = []
WATCHED = ("socket.", "subprocess.", "sqlite3.", "os.fork", "os.exec", "os.posix_spawn",
           "os.spawn", "os.system", "os.kill", "pty.spawn", "urllib.", "http.")
WRITES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.")
def watch(event, args):
    if event.startswith(WATCHED) or event.startswith(WRITES):
        seen.append(event)
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append(f"{event} {args[0]} {args[1]}")
sys.addaudithook(watch)
"""
_REPORT = """
seen += [f"thread {t.name}" for t in threading.enumerate() if t is not threading.main_thread()]
json.dump(seen, sys.stdout)
"""


def events_of(program: str, home: Path) -> list[str]:
    done = run_python("-B", "-c", _WATCH + program + _REPORT, home=home)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    events: list[str] = json.loads(done.stdout)
    return events


def test_importing_building_and_listing_touch_nothing_outside(tmp_path: Path) -> None:
    program = """
import datetime
import llm_agent_builder, llm_agent_builder.cli, llm_agent_builder.metering.usage
from llm_agent_builder import PROVIDERS, AgentBuilder
from llm_agent_builder.catalog import catalog
for provider in PROVIDERS:
    for stream in (False, True):
        source = AgentBuilder().build_agent("A", "b", "c", provider=provider, stream=stream)
        assert "class A" in source
    assert catalog.models(provider, datetime.date(2026, 11, 22))
assert not {"anthropic", "huggingface_hub"} & sys.modules.keys()
"""
    assert events_of(program, tmp_path) == []


def test_the_watch_itself_sees_what_it_should(tmp_path: Path) -> None:
    program = """
import socket, sqlite3, subprocess
socket.socket().close()
sqlite3.connect(":memory:").close()
subprocess.run([sys.executable, "-c", ""])
open("/dev/null", "w").close()
"""
    seen = {event.split()[0].partition(".")[0] for event in events_of(program, tmp_path)}
    assert {"socket", "sqlite3", "subprocess", "open"} <= seen
