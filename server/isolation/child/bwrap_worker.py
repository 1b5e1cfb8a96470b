"""An interpreter that waits in a cell of bwrap's for its one run, and becomes its keeper.

Standard library only. Descriptor 0 is its channel to the server: its job, as the fork server's;
then it says {"ready": names} with the cell's descriptors, is told {"take": {"loaded": bool}} when
there is a run for it, and is a keeper (`tree_supervisor.py`).
"""

from __future__ import annotations

import gc
import os
import select
import socket
from dataclasses import dataclass
from typing import Any, NoReturn

from server.isolation.child import confine, warm_up
from server.isolation.child.cell_init import open_listener
from server.isolation.child.cell_root import SCRATCH
from server.isolation.child.channel import receive, send
from server.isolation.child.preload import Preloaded
from server.isolation.child.seccomp import FILTERS, seccomp_program, seccomp_supported
from server.isolation.child.tree_supervisor import keep

_IDLE_MS = 700
"""Where no run comes for so long, the SDKs are loaded. Runs that follow one another don't wait for
that: they import what they need."""


@dataclass(slots=True)
class Waiting:
    """A channel, and whether the server has said that there is a run."""

    control: socket.socket
    taken: bool


def load(preloaded: Preloaded) -> Waiting | None:
    """Hand over the cell; load what runs need, while `preloaded` records, if there is time.

    Returns None where there is no server any more.
    """
    control = socket.socket(fileno=os.dup(0))
    job, _ = receive(control)
    if job is None:
        return None
    _hand_over(control)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    taken = bool(poll.poll(_IDLE_MS))
    order = receive(control)[0] if taken else {"take": {"loaded": True}}
    if order is None:
        return None
    if order["take"]["loaded"]:
        _load(job, preloaded)
    confine.economise_address_space()
    return Waiting(control, taken)


def _load(job: dict[str, Any], preloaded: Preloaded) -> None:
    os.environ.update(job["environment"])
    warm_up.load(job["preload"])
    preloaded.wanted = tuple(job["preload"])
    os.environ.clear()


def _hand_over(control: socket.socket) -> None:
    """Give the server what it needs to use the cell, and keep nothing of it."""
    with open_listener() as listener:
        folder = os.open(SCRATCH, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        first = os.pidfd_open(1)
        passed = {"folder": folder, "listener": listener.fileno(), "first": first}
        send(control, {"ready": list(passed)}, passed.values())
        os.close(folder)
        os.close(first)


def serve(preloaded: Preloaded, waiting: Waiting | None) -> NoReturn:
    """Make ready with what `load` has loaded, hidden, and wait for the run."""
    if waiting is None:
        os._exit(0)
    filters = {name: seccomp_program(name) for name in FILTERS} if seccomp_supported() else {}
    taken = confine.address_space()
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    preloaded.hide("server")
    preloaded.prepare(preloaded.wanted)
    gc.collect()
    gc.freeze()
    if not waiting.taken and receive(waiting.control)[0] is None:
        os._exit(0)
    keep(waiting.control, null, filters=filters, taken=taken)
