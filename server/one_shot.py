"""An interpreter that waits in a cell of bwrap's for its one run, and becomes its keeper.

Standard library only. Descriptor 0 is its channel to the server: its job, as the fork server's;
then it says {"ready": names} with the cell's descriptors, and is a keeper (`run_keeper.py`).
"""

from __future__ import annotations

import gc
import os
import socket
from typing import NoReturn

from server import confine, warm_up
from server.cell_init import open_listener
from server.cell_root import SCRATCH
from server.channel import receive, send
from server.preload import Preloaded
from server.run_keeper import keep
from server.seccomp import FILTERS, seccomp_program, seccomp_supported


def load(preloaded: Preloaded) -> bool:
    """Load what runs need, while `preloaded` records; return whether there is a server."""
    job, _ = receive(socket.socket(fileno=os.dup(0)))
    if job is None:
        return False
    os.environ.update(job["environment"])
    warm_up.load(job["preload"])
    preloaded.wanted = tuple(job["preload"])
    os.environ.clear()
    confine.economise_address_space()
    return True


def serve(preloaded: Preloaded, ready: bool) -> NoReturn:
    """Hand over the cell and wait for the run."""
    if not ready:
        os._exit(0)
    filters = {name: seccomp_program(name) for name in FILTERS} if seccomp_supported() else {}
    taken = confine.address_space()
    control = socket.socket(fileno=os.dup(0))
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    preloaded.hide("server")
    preloaded.prepare(preloaded.wanted)
    gc.collect()
    gc.freeze()
    with open_listener() as listener:
        folder = os.open(SCRATCH, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        first = os.pidfd_open(1)
        passed = {"folder": folder, "listener": listener.fileno(), "first": first}
        send(control, {"ready": list(passed)}, passed.values())
        os.close(folder)
        os.close(first)
    keep(control, null, filters=filters, taken=taken)
