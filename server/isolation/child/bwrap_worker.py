"""A worker of the tier bubblewrap: waits in a cell for one run, then becomes its supervisor.

Standard library only. Descriptor 0 is its channel to the server. It receives its job, which has
the form of the fork server's; sends {"ready": names} with the cell's descriptors; receives
{"claim": {"load_sdks": bool}} when there is a run for it; and becomes the run's tree supervisor
(`tree_supervisor.py`).
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
from server.isolation.child.tree_supervisor import supervise_tree

_IDLE_MS = 700
"""If no run comes for this long, the worker loads the SDKs. Runs in quick succession don't wait for
that: they import what they need."""


@dataclass(slots=True)
class Worker:
    """A channel, and whether the server has claimed this worker for a run."""

    control: socket.socket
    claimed: bool


def load(preloaded: Preloaded) -> Worker | None:
    """Send the cell's descriptors; if there is time, load the SDKs while `preloaded` records.

    Returns None if the server has ended.
    """
    control = socket.socket(fileno=os.dup(0))
    job, _ = receive(control)
    if job is None:
        return None
    _send_descriptors(control)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    claimed = bool(poll.poll(_IDLE_MS))
    message = receive(control)[0] if claimed else {"claim": {"load_sdks": True}}
    if message is None:
        return None
    if message["claim"]["load_sdks"]:
        _load(job, preloaded)
    confine.economise_address_space()
    return Worker(control, claimed)


def _load(job: dict[str, Any], preloaded: Preloaded) -> None:
    os.environ.update(job["environment"])
    warm_up.load(job["preload"])
    preloaded.wanted = tuple(job["preload"])
    os.environ.clear()


def _send_descriptors(control: socket.socket) -> None:
    """Send the server all descriptors that it needs to use the cell, and close them here."""
    with open_listener() as listener:
        folder = os.open(SCRATCH, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        first = os.pidfd_open(1)
        named = {"folder": folder, "listener": listener.fileno(), "first": first}
        send(control, {"ready": list(named)}, named.values())
        os.close(folder)
        os.close(first)


def serve(preloaded: Preloaded, worker: Worker | None) -> NoReturn:
    """Hide what `load` has loaded, wait for the run, and become its supervisor."""
    if worker is None:
        os._exit(0)
    filters = {name: seccomp_program(name) for name in FILTERS} if seccomp_supported() else {}
    base_bytes = confine.address_space()
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    preloaded.hide("server")
    preloaded.prepare(preloaded.wanted)
    gc.collect()
    gc.freeze()
    if not worker.claimed and receive(worker.control)[0] is None:
        os._exit(0)
    supervise_tree(worker.control, null, filters=filters, base_bytes=base_bytes)
