"""Makes cells: for each run, namespaces of its own and a small init in them, ready beforehand.

A slim process, so that its forks cost little; exec'd fresh with an empty environment. It lives in a
user namespace of its own, where it is privileged over what it makes and over nothing else: on the
host it is an unprivileged user, also when the server is root. Standard library only.

Descriptor 0 is its channel to the server. First comes its job (`_settle`), then a message for each
cell, with the init's end of that cell's own channel.
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
from server.isolation.child.cell_init import Ids, live
from server.isolation.child.cell_root import RUN_UID, build_root
from server.isolation.child.channel import receive, send
from server.isolation.child.confine import become_subreaper, set_inspectable

HOST_UIDS = 1_900_000_000
"""The first of the host's ids that runs of root's server get: far above those of people, services
and containers (systemd's UIDS-GIDS.md calls this range unused)."""
_HOST_UID_COUNT = 65536
_CELL_KINDS = ns.USER | ns.MOUNT | ns.PID | ns.NET | ns.IPC | ns.UTS


class Ended(Exception):  # noqa: N818 - not an error
    """The server has closed the channel."""


class CellMaker:
    """The maker's state: its channel, and which ids are taken by which init."""

    def __init__(self, server: socket.socket, *, privileged: bool) -> None:
        self._server = server
        self._privileged = privileged
        self._taken: dict[int, int] = {}

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
            raise Ended
        with socket.socket(fileno=descriptors[0]) as control:
            try:
                self._make(control)
            except OSError as error:
                with contextlib.suppress(OSError):  # nobody waits for it any more
                    send(control, {"failed": f"{error}"})

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, _ = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                self._taken.pop(pid, None)

    def _make(self, control: socket.socket) -> None:
        """Fork an init into namespaces of its own.

        Two forks: a process stays in its pid namespace, and only its children are in a new one.
        """
        slot = self._free_slot()
        ids = Ids(0, 0, RUN_UID) if self._privileged else Ids(RUN_UID, RUN_UID, RUN_UID)
        asked_read, asked_write = os.pipe()
        given_read, given_write = os.pipe()
        try:
            first = os.fork()
        except OSError:
            for descriptor in (asked_read, asked_write, given_read, given_write):
                os.close(descriptor)
            raise
        if first == 0:
            _become_cell(control, ids, (asked_write, given_read), (asked_read, given_write))
        os.close(asked_write)
        os.close(given_read)
        try:
            if os.read(asked_read, 1):
                self._write_maps(first, slot)
                os.write(given_write, b"m")
            self._taken[int(os.read(asked_read, 16) or b"0")] = slot
        finally:
            os.close(asked_read)
            os.close(given_write)
            with contextlib.suppress(ChildProcessError):  # reaped by the handler of others
                os.waitpid(first, 0)

    def _free_slot(self) -> int:
        taken = set(self._taken.values())
        return next(n for n in range(1, _HOST_UID_COUNT // 2) if n not in taken)

    def _write_maps(self, process: int, slot: int) -> None:
        """Give the init and the run of a cell of root's server ids that nothing else has."""
        if self._privileged:
            lines = f"0 {2 * slot} 1\n{RUN_UID} {2 * slot + 1} 1"
            ns.write_id_maps(process, lines, lines, may_set_groups=True)
        else:
            line = f"{RUN_UID} 0 1"
            ns.write_id_maps(process, line, line, may_set_groups=False)


def _become_cell(
    control: socket.socket, ids: Ids, mine: tuple[int, int], theirs: tuple[int, int]
) -> None:
    """Leave the maker's namespaces, and fork the init of the new ones. Never returns."""
    asked, given = mine
    for descriptor in theirs:
        os.close(descriptor)
    init = False
    try:
        ns.unshare(_CELL_KINDS)
        set_inspectable(True)  # or the maker could not write the maps
        os.write(asked, b"u")
        if not os.read(given, 1):
            os._exit(1)
        child = os.fork()
        if child:
            os.write(asked, str(child).encode())
            os._exit(0)
        init = True
        for descriptor in mine:
            os.close(descriptor)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        live(control, ids)
    except BaseException as error:
        with contextlib.suppress(OSError):
            send(control, {"failed": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(1 if init else 2)


def _settle(job: dict[str, Any], server: socket.socket) -> bool:
    """Go into the user namespace and the root in which cells are made; tell the server of both.

    Returns whether this process has more ids than one to give, that is, is root's.
    """
    privileged = os.getuid() == 0
    ns_flags = os.O_RDONLY | os.O_CLOEXEC
    if privileged:  # while it may still read everything it is to show
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
    """Become root of a user namespace whose ids are unprivileged ones of the host.

    The map has to be written by a process that stays outside.
    """
    given_read, given_write = os.pipe()
    done_read, done_write = os.pipe()
    me = os.getpid()
    writer = os.fork()
    if writer == 0:
        try:
            os.close(given_write)
            os.read(given_read, 1)
            lines = f"0 {HOST_UIDS} {_HOST_UID_COUNT}"
            ns.write_id_maps(me, lines, lines, may_set_groups=True)
            os.write(done_write, b"d")
        finally:
            os._exit(0)
    os.close(done_write)
    ns.unshare(ns.USER)
    os.write(given_write, b"g")
    mapped = os.read(done_read, 1)
    for descriptor in (given_read, given_write, done_read):
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
        privileged = _settle(job, server)
    except Exception as error:
        send(server, {"failed": f"{error}"})
        return
    gc.disable()  # its short-lived forks have nothing to collect
    gc.freeze()
    with contextlib.suppress(Ended):
        CellMaker(server, privileged=privileged).serve()
