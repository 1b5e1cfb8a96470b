"""The targets of the probes: temporary files, sockets and a process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server.limits import MIB, Limits

PROBE_LIMITS = Limits(cpu_s=5, wall_s=15, memory_mib=160, processes=16, scratch_mib=8)
VARIABLE = "AGENT_BUILDER_PROBE"
_SO_NETNS_COOKIE = 71  # include/uapi/asm-generic/socket.h
_CREATE_FOR_ALL = 0o1666  # IPC_CREAT
_SLEEP = "import ctypes, time; ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1)); "
_SLEEP += "print(flush=True); time.sleep(600)"  # PR_SET_PTRACER: otherwise Yama blocks the probe


@contextlib.contextmanager
def targets() -> Iterator[dict[str, Any]]:
    """Create the targets and yield the probes' task. Raises OSError."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agent-probe-")))
        folder.chmod(0o777)
        file = folder / "file"
        file.write_text("a file outside")
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = f"agent-probe-{secrets.token_hex(8)}"
        for address in (str(folder / "socket"), f"\0{abstract}"):
            unix = stack.enter_context(socket.socket(socket.AF_UNIX))
            unix.bind(address)
            unix.listen()
        (folder / "socket").chmod(0o777)
        process = stack.enter_context(_process())
        libc = ctypes.CDLL(None)
        segment = libc.shmget(0, 4096, _CREATE_FOR_ALL)
        stack.callback(libc.shmctl, segment, 0, None)  # IPC_RMID
        yield {
            "file": str(file),
            "folder": str(folder),
            "port": listener.getsockname()[1],
            "socket": str(folder / "socket"),
            "abstract": abstract,
            "process": process.pid,
            "segment": segment,
            "network": listener.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8).hex(),
            "host": socket.gethostname(),
            "variable": VARIABLE,
            "scratch_bytes": 4 * PROBE_LIMITS.scratch_mib * MIB,
        }


@contextlib.contextmanager
def _process() -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, VARIABLE: "1"}
    with subprocess.Popen(
        [sys.executable, "-c", _SLEEP], env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()
