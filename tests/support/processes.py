"""Suspends processes or prevents their end, and finds those of the product."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from server.isolation.child.resource_monitor import descendants
from tests.support.serving import wait_until

ROOT = Path(__file__).resolve().parents[2]
LOCAL_MODEL = "server/local_model/child.py"

_HOLD = """
import ctypes, os, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
pid = int(sys.argv[1])
if libc.ptrace(16, pid, None, None) < 0:  # PTRACE_ATTACH
    raise OSError(ctypes.get_errno(), "ptrace")
os.waitpid(pid, 0x40000000)
print("held", flush=True)
while True:  # whatever comes, it does not go on; once killed, it is let go
    _, status = os.waitpid(pid, 0x40000000)
    if os.WIFSIGNALED(status) or os.WIFEXITED(status):
        break
"""
_PIN = """
import os, sys
from server.isolation.child import namespaces
namespaces.enter(os.open(f"/proc/{sys.argv[1]}/ns/pid", os.O_RDONLY), namespaces.PID)
if os.fork() == 0:
    os._exit(0)
print("pinned", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def _running(code: str, process: int | str) -> Iterator[None]:
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(process)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline()
            yield
        finally:
            child.kill()


@contextlib.contextmanager
def held_still(process: int) -> Iterator[None]:
    """Suspend a process so that SIGCONT does not resume it. It can still be killed."""
    with _running(_HOLD, process):
        yield


@contextlib.contextmanager
def pinned(process: int | str) -> Iterator[None]:
    """Prevent the pid namespace of a process from ending; only this test can release it.

    A process of this test's own enters it and has a child there, which it does not reap.
    """
    with _running(_PIN, process):
        yield


def below(process: int, text: str, *, besides: Collection[int] = ()) -> int:
    """Return a process below another one whose command line has `text`, once there is one."""

    def look() -> int:
        for pid in descendants(process):  # parents first: a child has its parent's command line
            if pid in besides:
                continue
            with contextlib.suppress(OSError):
                if text.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return 0

    return int(wait_until(look))


def local_models_of(process: int) -> list[int]:
    """Return the children of a process that load a local model, or have loaded it.

    Deeper ones belong to servers that other tests have started.
    """
    assert (ROOT / LOCAL_MODEL).is_file(), "the file has another name: nothing would be found"
    found = []
    children: list[str] = []
    for tasks in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended meanwhile
            children += tasks.read_text().split()
    for pid in map(int, children):
        with contextlib.suppress(OSError):
            if LOCAL_MODEL.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def init_beside(process: int | str, root: int) -> int:
    """Return the first process of the pid namespace that a process below `root` is in."""
    namespace = os.readlink(f"/proc/{process}/ns/pid")
    for pid in descendants(root):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            numbers = next(line for line in lines if line.startswith("NSpid:")).split()
            if os.readlink(f"/proc/{pid}/ns/pid") == namespace and numbers[-1] == "1":
                return pid
    raise AssertionError("it has no first process")


def is_there(process: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
