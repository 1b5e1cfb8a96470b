"""The tier `bubblewrap`: cells made by /usr/bin/bwrap, for systems where only bwrap may make them.

Each cell contains a one-shot interpreter, the worker, which is started before it is needed and
waits for its run. A worker that waits long enough loads the SDKs. Ubuntu is such a system: its
AppArmor allows only bwrap to make user namespaces.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import threading
from collections import deque
from typing import Any

from llm_agent_builder.errors import MachineryError
from server.isolation.async_io import kill_and_wait
from server.isolation.background_work import SingleFlight, in_thread
from server.isolation.cell_maker_client import receive_cell
from server.isolation.child.cell_init import PORT
from server.isolation.child.cell_root import (
    DEVICES,
    FILES,
    LINKS,
    RUN_UID,
    SCRATCH,
    TEMPORARY,
    link_parts,
    paths_to_show,
)
from server.isolation.engine import LaunchOrder, Workspace
from server.isolation.environment import CELL_ENVIRONMENT
from server.isolation.helper_process import PACKAGE_ROOT, Helper
from server.isolation.tiers.supervised_workspace import SupervisedWorkspace
from server.limits import MIB, Limits

PROGRAM = "bwrap"
_CODE = "/code"
_BOOT = (
    f"import sys; fresh = list(sys.modules); sys.path[0] = {_CODE!r}\n"
    "from server.isolation.child.preload import Preloaded\n"
    "preloaded = Preloaded(fresh)\n"
    "with preloaded.recording():\n"
    "    from server.isolation.child.bwrap_worker import load, serve\n"
    "    worker = load(preloaded)\n"
    "del sys.path[0]\n"
    "serve(preloaded, worker)\n"
)
_READY_S = 30.0
_TRIES = 3
_SDK_MEMORY_MIB = 256
"""A run with less memory needs SDKs that were loaded before: those don't count as its own memory.

"""


class BubblewrapEngine:
    """Keeps a pool of workers, each in a cell made by bwrap."""

    def __init__(self, *, preload: tuple[str, ...], ready: int = 2) -> None:
        """`preload` names SDK modules; `ready` is the pool's size, at some 100 MiB a worker."""
        self._preload = preload
        self._pool_size = ready
        self._lock = threading.Lock()
        self._pool: deque[Helper] = deque()
        self._closed = False
        self._repair = SingleFlight(self.start)

    def start(self) -> None:
        """See `Engine`."""
        with self._lock:
            while len(self._pool) < self._pool_size and not self._closed:
                self._pool.append(self._spawn(Limits()))

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._closed = True
            helpers = list(self._pool)
            self._pool.clear()
        for helper in helpers:
            helper.kill()
        for helper in helpers:
            helper.end()

    async def workspace(self, limits: Limits) -> Workspace:
        """See `Engine`. A workspace with another scratch size is made on demand."""
        helper = await self._next_worker(limits)
        helper.send({"claim": {"load_sdks": limits.memory_mib < _SDK_MEMORY_MIB}})
        try:
            async with asyncio.timeout(_READY_S):
                return _BwrapWorkspace(helper, await receive_cell(helper.channel))
        except (TimeoutError, ConnectionError) as error:
            in_thread(helper.end)
            raise MachineryError(f"bwrap did not create a cell: {type(error).__name__}") from None
        except BaseException:
            in_thread(helper.end)
            raise

    async def _next_worker(self, limits: Limits) -> Helper:
        if limits.scratch_mib != Limits().scratch_mib:
            return await self._spawn_for(limits)
        for _ in range(_TRIES):
            with contextlib.suppress(IndexError):
                helper = self._pool.popleft()
                self._repair.start()
                if helper.alive:
                    return helper
                in_thread(helper.end)
            await self._repair.run()
        raise MachineryError("bwrap keeps exiting")

    async def _spawn_for(self, limits: Limits) -> Helper:
        """Return a worker outside the pool. If the caller is cancelled, the worker is ended."""
        spawning = in_thread(lambda: self._spawn(limits))
        try:
            return await asyncio.shield(asyncio.wrap_future(spawning))
        except asyncio.CancelledError:
            spawning.add_done_callback(lambda spawned: spawned.result().end())
            raise

    def _spawn(self, limits: Limits) -> Helper:
        with contextlib.ExitStack() as stack:
            contents: dict[str, int] = {}
            try:
                for path, text in FILES.items():
                    contents[path] = _text_file(text)
                    stack.callback(os.close, contents[path])
            except OSError as error:
                raise MachineryError(f"can't start bwrap: {error.strerror}") from None
            helper = Helper.spawn(
                _BOOT,
                command=[PROGRAM, *_arguments(limits, contents)],
                pass_fds=list(contents.values()),
            )
        helper.send({"preload": list(self._preload), "environment": CELL_ENVIRONMENT})
        return helper


def why_unavailable() -> str | None:
    """Return why this tier can't be tried, or None."""
    if shutil.which(PROGRAM) is None:
        return "bwrap is not installed (Debian's package bubblewrap)"
    return None


def _text_file(text: str) -> int:
    """Return the descriptor of a file without a name that contains `text`. Raises OSError."""
    descriptor = os.memfd_create("text", 0)
    os.write(descriptor, text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _arguments(limits: Limits, contents: dict[str, int]) -> list[str]:
    """Return bwrap's arguments for the same root that `child/cell_root.py` makes for `strong`."""
    arguments = ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc"]
    arguments += ["--unshare-uts", "--hostname", "sandbox", "--new-session"]
    arguments += ["--uid", str(RUN_UID), "--gid", str(RUN_UID)]
    links: dict[str, str] = {}
    shown = {link_parts(path, links) for path in paths_to_show()}
    for path, target in links.items():
        arguments += ["--symlink", target, path]
    for path in sorted(shown):
        arguments += ["--ro-bind", path, path]
    arguments += ["--ro-bind", f"{PACKAGE_ROOT}/server", f"{_CODE}/server"]
    for path, descriptor in contents.items():
        arguments += ["--ro-bind-data", str(descriptor), path]
    for name in DEVICES:
        arguments += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for path, target in LINKS.items():
        if not any(each.startswith(f"{path}/") for each in shown):
            arguments += ["--symlink", target, path]
    arguments += ["--proc", "/proc", "--perms", "0700", "--size", str(limits.scratch_mib * MIB)]
    arguments += ["--tmpfs", SCRATCH, "--perms", "0700", "--dir", TEMPORARY]
    return [*arguments, "--remount-ro", "/", "--chdir", SCRATCH]


class _BwrapWorkspace(SupervisedWorkspace):
    """One worker and its cell."""

    scratch = SCRATCH
    bounded = True

    def __init__(self, helper: Helper, descriptors: dict[str, int]) -> None:
        super().__init__(helper.channel)
        self._helper = helper
        self.folder = descriptors["folder"]
        self._listener: int | None = descriptors["listener"]
        self._first = descriptors["first"]

    def listener(self) -> socket.socket:
        """See `Workspace`."""
        assert self._listener is not None
        listener, self._listener = socket.socket(fileno=self._listener), None
        return listener

    def job(self, order: LaunchOrder) -> dict[str, Any]:
        """See `SupervisedWorkspace`."""
        rules = {
            "readable": ["/"],
            "writable": [SCRATCH],
            "devices": ["/dev/null", "/dev/zero", "/dev/full"],
            "port": PORT,
        }
        return order.job(scratch=SCRATCH, uid=None, filter="private", rules=rules, port=PORT)

    def scratch_facts(self) -> dict[str, Any]:
        """See `SupervisedWorkspace`."""
        return {"scratch": SCRATCH, "in_cell": True}

    async def end(self) -> bool:
        """See `SupervisedWorkspace`. A cell ends with the first process of its pid namespace."""
        return await kill_and_wait(self._first)

    async def close(self) -> bool:
        """See `Workspace`."""
        gone = await super().close()
        await asyncio.to_thread(self._helper.end)
        return gone

    async def release(self) -> None:
        """See `Workspace`."""
        await super().release()
        os.close(self._first)
        if self._listener is not None:
            os.close(self._listener)
