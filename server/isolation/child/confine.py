"""Functions with which a process restricts itself before user code runs.

They set rlimits, capabilities and priorities.

Standard library only, and importable from a bare interpreter: `tree_supervisor.py` loads it in a
process that has nothing of the server. A process can't undo these restrictions on itself.

Sources: the kernel's Documentation/userspace-api/no_new_privs.rst;
include/uapi/linux/{capability,prctl}.h.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys

from server.isolation.child.libc import PR_SET_PDEATHSIG, check, libc, use_one_heap
from server.limits import MIB, Limits

_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4


def _prctl(option: int, value: int = 0) -> None:
    check(libc.prctl(option, value, 0, 0, 0), f"prctl {option}")


def become_subreaper() -> None:
    """Make orphaned descendants children of this process, so that it can find all of them."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent, the process `parent`, ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


# ---------------------------------------------------------------- rlimits and capabilities

_THREAD_STACK = 2 * MIB
_MIN_ADDRESS_SPACE = 64 * MIB
_RLIMIT_SIGPENDING = 11  # include/uapi/asm-generic/resource.h; Python has no name for it
_SIGNALS = 128
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IOPRIO_WHO_PROCESS, _LAST_OF_BEST_EFFORT = 1, 2 << 13 | 7


def economise_address_space() -> None:
    """Let many threads fit under RLIMIT_AS: each would reserve 8 MiB, and each arena 64 MiB.

    These are reservations, not memory in use. Source: pthread_setattr_default_np(3).
    """
    use_one_heap()
    attributes = ctypes.create_string_buffer(64)  # sizeof(pthread_attr_t) on 64-bit machines
    if libc.pthread_attr_init(attributes) == 0:
        libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(_THREAD_STACK))
        libc.pthread_setattr_default_np(attributes)


def address_space() -> int:
    """Return how many bytes of address space this process uses now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def limit_resources(limits: Limits, *, base_bytes: int = 0) -> None:
    """Set the rlimits of this process; its children inherit them.

    Each rlimit bounds a single process; the supervisor limits the sum over the process tree.
    `base_bytes` of address space were in use before the program: it gets a minimum above them.
    """
    memory = max(limits.memory_mib * MIB, base_bytes + _MIN_ADDRESS_SPACE)
    scratch = limits.scratch_mib * MIB
    cpu = max(1, int(limits.cpu_s + 0.999))
    for kind, soft, hard in (
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CPU, cpu, cpu + 1),  # SIGXCPU, then SIGKILL
        (resource.RLIMIT_FSIZE, scratch, scratch),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NOFILE, 256, 256),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        # Also counted for the creator of the user namespace: all runs and the server share it.
        (_RLIMIT_SIGPENDING, _SIGNALS, _SIGNALS),
    ):
        allowed = resource.getrlimit(kind)[1]  # the server's own limit
        most = hard if allowed == resource.RLIM_INFINITY else min(hard, allowed)
        resource.setrlimit(kind, (min(soft, most), most))


def limit_tasks(most: int) -> None:
    """Limit the processes and threads of this user for this process; no effect for root."""
    allowed = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def go_last_at_the_disk() -> None:
    """Give this process and its children the lowest priority for reads and writes.

    Only disk schedulers with priorities follow it; see ioprio_set(2).
    """
    if sys.platform == "linux":
        number = _IOPRIO_SET.get(os.uname().machine, -1)
        libc.syscall(number, _IOPRIO_WHO_PROCESS, 0, _LAST_OF_BEST_EFFORT)


def set_no_new_privileges() -> None:
    """Keep exec from giving this process new privileges; Landlock and seccomp require this."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def set_inspectable(value: bool) -> None:
    """Set whether processes of the same user may read this one's /proc entries; see proc(5).

    A change of user id clears it, and then not even the process's own threads may read them.
    """
    _prctl(_PR_SET_DUMPABLE, int(value))


def drop_privileges() -> None:
    """Give up all capabilities permanently: with no_new_privs, exec can't restore one."""
    set_no_new_privileges()
    for capability in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # EINVAL after the last one; EPERM without CAP_SETPCAP: then there are none
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    check(libc.capset(header, struct.pack("=6I", *[0] * 6)), "capset")
