"""Makes cells before runs need them: each a set of namespaces with a small init. Stdlib only.

A small process, so that its forks are cheap; executed fresh with an empty environment. It lives in
a user namespace of its own, where it has privileges over the cells it makes and over nothing else:
on the host it is an unprivileged user, even if the server is root.

Descriptor 0 is its channel to the server. The first message is its job (`_set_up`); then comes one
message per cell, with the init's end of that cell's own channel.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
from typing import Any

from server.isolation.child import namespaces as ns
from server.isolation.child.cell_init import Ids, run_init
from server.isolation.child.cell_root import RUN_UID, build_root
from server.isolation.child.channel import receive, send
from server.isolation.child.confine import become_subreaper, set_inspectable

HOST_UIDS = 1_900_000_000
"""The first of the host's ids that runs get if the server is root: far above the ids of people,
services and containers (systemd's UIDS-GIDS.md calls this range unused)."""
_HOST_UID_COUNT = 65536
_CELL_KINDS = ns.USER | ns.MOUNT | ns.PID | ns.NET | ns.IPC | ns.UTS


class ChannelClosed(Exception):  # noqa: N818 - not an error
    """The server has closed the channel."""


class CellMaker:
    """The cell maker's state: its channel, and which init uses which slot of ids."""

    def __init__(self, server: socket.socket, *, privileged: bool) -> None:
        self._server = server
        self._privileged = privileged
        self._slots: dict[int, int] = {}

    def serve(self) -> None:
        """Make a cell for each message until the channel ends."""
        waking, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._server, select.POLLIN)
        poll.register(waking, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if waking in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(waking, 4096)
                self._reap()
            if self._server.fileno() in ready:
                self._make_next()

    def _make_next(self) -> None:
        message, descriptors = receive(self._server)
        if message is None:
            raise ChannelClosed
        with socket.socket(fileno=descriptors[0]) as control:
            try:
                self._make(control)
            except OSError as error:
                with contextlib.suppress(OSError):  # the server no longer waits for it
                    send(control, {"failed": f"{error}"})

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, _ = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                self._slots.pop(pid, None)

    def _make(self, control: socket.socket) -> None:
        """Fork an init into namespaces of its own.

        This takes two forks: only the children of a process enter its new pid namespace.
        """
        slot = self._free_slot()
        ids = Ids(0, 0, RUN_UID) if self._privileged else Ids(RUN_UID, RUN_UID, RUN_UID)
        request_read, request_write = os.pipe()
        reply_read, reply_write = os.pipe()
        try:
            first = os.fork()
        except OSError:
            for descriptor in (request_read, request_write, reply_read, reply_write):
                os.close(descriptor)
            raise
        if first == 0:
            _become_cell(control, ids, (request_write, reply_read), (request_read, reply_write))
        os.close(request_write)
        os.close(reply_read)
        try:
            if os.read(request_read, 1):
                self._write_maps(first, slot)
                os.write(reply_write, b"m")
            self._slots[int(os.read(request_read, 16) or b"0")] = slot
        finally:
            os.close(request_read)
            os.close(reply_write)
            with contextlib.suppress(ChildProcessError):  # `_reap` has reaped it
                os.waitpid(first, 0)

    def _free_slot(self) -> int:
        used = set(self._slots.values())
        return next(n for n in range(1, _HOST_UID_COUNT // 2) if n not in used)

    def _write_maps(self, process: int, slot: int) -> None:
        """Write the id maps. If the server is root, the init and the run get ids of their own."""
        if self._privileged:
            lines = f"0 {2 * slot} 1\n{RUN_UID} {2 * slot + 1} 1"
            ns.write_id_maps(process, lines, lines, may_set_groups=True)
        else:
            line = f"{RUN_UID} 0 1"
            ns.write_id_maps(process, line, line, may_set_groups=False)


def _become_cell(
    control: socket.socket, ids: Ids, mine: tuple[int, int], theirs: tuple[int, int]
) -> None:
    """Leave the cell maker's namespaces, and fork the init of the new ones. Never returns."""
    request, reply = mine
    for descriptor in theirs:
        os.close(descriptor)
    init = False
    try:
        ns.unshare(_CELL_KINDS)
        set_inspectable(True)  # otherwise the cell maker could not write the id maps
        os.write(request, b"u")
        if not os.read(reply, 1):
            os._exit(1)
        child = os.fork()
        if child:
            os.write(request, str(child).encode())
            os._exit(0)
        init = True
        for descriptor in mine:
            os.close(descriptor)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        run_init(control, ids)
    except BaseException as error:
        with contextlib.suppress(OSError):
            send(control, {"failed": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(1 if init else 2)


def _set_up(job: dict[str, Any], server: socket.socket) -> bool:
    """Enter the user namespace and the root in which cells are made; report both to the server.

    Returns whether this process can assign several ids, that is, was started by root.
    """
    privileged = os.getuid() == 0
    ns_flags = os.O_RDONLY | os.O_CLOEXEC
    if privileged:  # builds the root while it may still read all the paths
        ns.unshare(ns.MOUNT)
        ns.make_mounts_private()
        build_root(job["base"], job["paths"])
        _unshare_user_as_root()
    else:
        uid, gid = os.getuid(), os.getgid()
        ns.unshare(ns.USER | ns.MOUNT)
        ns.write_id_maps("self", f"0 {uid} 1", f"0 {gid} 1", may_set_groups=False)
        ns.make_mounts_private()
        build_root(job["base"], job["paths"])
    user = os.open("/proc/self/ns/user", ns_flags)
    send(server, {"ready": True}, [user])
    os.close(user)
    return privileged


def _unshare_user_as_root() -> None:
    """Become root of a user namespace whose ids are unprivileged ids of the host.

    A process that stays outside has to write the id map.
    """
    ready_read, ready_write = os.pipe()
    done_read, done_write = os.pipe()
    me = os.getpid()
    writer = os.fork()
    if writer == 0:
        try:
            os.close(ready_write)
            os.read(ready_read, 1)
            lines = f"0 {HOST_UIDS} {_HOST_UID_COUNT}"
            ns.write_id_maps(me, lines, lines, may_set_groups=True)
            os.write(done_write, b"d")
        finally:
            os._exit(0)
    os.close(done_write)
    ns.unshare(ns.USER)
    os.write(ready_write, b"g")
    mapped = os.read(done_read, 1)
    for descriptor in (ready_read, ready_write, done_read):
        os.close(descriptor)
    os.waitpid(writer, 0)
    if not mapped:
        raise OSError("the id map could not be written")
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def main() -> None:
    """Entry point; see the module's docstring."""
    server = socket.socket(fileno=0)
    os.umask(0o022)
    become_subreaper()
    try:
        job, _ = receive(server)
        if job is None:
            return
        privileged = _set_up(job, server)
    except Exception as error:
        send(server, {"failed": f"{error}"})
        return
    gc.disable()  # its short-lived forks leave nothing to collect
    gc.freeze()
    with contextlib.suppress(ChannelClosed):
        CellMaker(server, privileged=privileged).serve()
