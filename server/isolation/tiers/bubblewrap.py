"""The tier `bubblewrap`: cells made by /usr/bin/bwrap, where only it may make namespaces.

Each cell is a one-shot interpreter, started before it is needed, waiting for its run; with the SDKs
loaded, if it had the time. Ubuntu's AppArmor is such a place: it lets bwrap make user namespaces,
and nobody else.
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
from server.isolation.cell_maker_client import handed_over
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
from server.isolation.engine import LaunchOrder, Place, killed
from server.isolation.environment import CELL_ENVIRONMENT
from server.isolation.helper_process import PACKAGE_ROOT, Helper, Together, in_thread
from server.isolation.tiers.supervised_workspace import SupervisedPlace
from server.limits import MIB, Limits

PROGRAM = "bwrap"
_CODE = "/code"
_BOOT = (
    f"import sys; fresh = list(sys.modules); sys.path[0] = {_CODE!r}\n"
    "from server.isolation.child.preload import Preloaded\n"
    "preloaded = Preloaded(fresh)\n"
    "with preloaded.recording():\n"
    "    from server.isolation.child.bwrap_worker import load, serve\n"
    "    waiting = load(preloaded)\n"
    "del sys.path[0]\n"
    "serve(preloaded, waiting)\n"
)
_READY_S = 30.0
_TRIES = 3
_ROOM_FOR_SDKS_MIB = 256
"""With less memory than that a run needs SDKs that are loaded before: those aren't its own."""


class BubblewrapEngine:
    """Keeps interpreters waiting in cells of bwrap's."""

    def __init__(self, *, preload: tuple[str, ...], ready: int = 2) -> None:
        """`preload` names SDK modules; `ready` cells are kept prepared, of some 100 MiB each."""
        self._preload = preload
        self._wanted = ready
        self._lock = threading.Lock()
        self._prepared: deque[Helper] = deque()
        self._closed = False
        self._repair = Together(self.start)

    def start(self) -> None:
        """See `Engine`."""
        with self._lock:
            while len(self._prepared) < self._wanted and not self._closed:
                self._prepared.append(self._spawn(Limits()))

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._closed = True
            helpers = list(self._prepared)
            self._prepared.clear()
        for helper in helpers:
            helper.kill()
        for helper in helpers:
            helper.end()

    async def place(self, limits: Limits) -> Place:
        """See `Engine`. One whose scratch has another size is made when it is asked for."""
        helper = await self._taken(limits)
        helper.tell({"take": {"loaded": limits.memory_mib < _ROOM_FOR_SDKS_MIB}})
        try:
            async with asyncio.timeout(_READY_S):
                return _WrappedPlace(helper, await handed_over(helper.channel))
        except (TimeoutError, ConnectionError) as error:
            in_thread(helper.end)
            raise MachineryError(f"bwrap made no cell: {type(error).__name__}") from None
        except BaseException:
            in_thread(helper.end)
            raise

    async def _taken(self, limits: Limits) -> Helper:
        if limits.scratch_mib != Limits().scratch_mib:
            return await self._spawned(limits)
        for _ in range(_TRIES):
            with contextlib.suppress(IndexError):
                helper = self._prepared.popleft()
                self._repair.begin()
                if helper.alive:
                    return helper
                in_thread(helper.end)
            await self._repair.done()
        raise MachineryError("bwrap ends again and again")

    async def _spawned(self, limits: Limits) -> Helper:
        """Return an interpreter of its own. Where nobody waits for it any more, it is ended."""
        coming = in_thread(lambda: self._spawn(limits))
        try:
            return await asyncio.shield(asyncio.wrap_future(coming))
        except asyncio.CancelledError:
            coming.add_done_callback(lambda spawned: spawned.result().end())
            raise

    def _spawn(self, limits: Limits) -> Helper:
        with contextlib.ExitStack() as stack:
            contents: dict[str, int] = {}
            try:
                for path, text in FILES.items():
                    contents[path] = _held_text(text)
                    stack.callback(os.close, contents[path])
            except OSError as error:
                raise MachineryError(f"can't start bwrap: {error.strerror}") from None
            helper = Helper.spawn(
                _BOOT,
                command=[PROGRAM, *_arguments(limits, contents)],
                pass_fds=list(contents.values()),
            )
        helper.tell({"preload": list(self._preload), "environment": CELL_ENVIRONMENT})
        return helper


def why_unavailable() -> str | None:
    """Return why this tier can't even be tried, or None."""
    if shutil.which(PROGRAM) is None:
        return "bwrap is not installed (Debian's package bubblewrap)"
    return None


def _held_text(text: str) -> int:
    descriptor = os.memfd_create("text", 0)
    os.write(descriptor, text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _arguments(limits: Limits, contents: dict[str, int]) -> list[str]:
    """Return the arguments for the root that `child/cell_root.py` makes for the tier `strong`."""
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


class _WrappedPlace(SupervisedPlace):
    """One waiting interpreter."""

    scratch = SCRATCH
    bounded = True

    def __init__(self, helper: Helper, handed: dict[str, int]) -> None:
        super().__init__(helper.channel)
        self._helper = helper
        self.folder = handed["folder"]
        self._listener: int | None = handed["listener"]
        self._first = handed["first"]

    def listener(self) -> socket.socket:
        """See `Place`."""
        assert self._listener is not None
        listener, self._listener = socket.socket(fileno=self._listener), None
        return listener

    def job(self, order: LaunchOrder) -> dict[str, Any]:
        """See `SupervisedPlace`."""
        rules = {
            "readable": ["/"],
            "writable": [SCRATCH],
            "devices": ["/dev/null", "/dev/zero", "/dev/full"],
            "port": PORT,
        }
        return order.job(scratch=SCRATCH, uid=None, filter="private", rules=rules, port=PORT)

    def order(self, limits: Limits) -> dict[str, Any]:
        """See `SupervisedPlace`."""
        return {"scratch": SCRATCH, "mounted": True}

    async def end(self) -> bool:
        """See `SupervisedPlace`: the cell ends with the first process of its pid namespace."""
        return await killed(self._first)

    async def close(self) -> bool:
        """See `Place`."""
        gone = await super().close()
        await asyncio.to_thread(self._helper.end)
        return gone

    async def release(self) -> None:
        """See `Place`."""
        await super().release()
        os.close(self._first)
        if self._listener is not None:
            os.close(self._listener)
