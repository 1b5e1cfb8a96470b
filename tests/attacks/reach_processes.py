"""Reads, traces, signals, slows and robs the processes named by its task, and its parent.

It sends signal 0, which only checks permission, and sets values to what they already are.
"""

import ctypes
import json
import os
import platform
import resource
import signal
import sys

libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
PROCESS_VM_READV, PIDFD_GETFD, KCMP = (310, 438, 312) if X86 else (270, 438, 272)
SEIZE = 0x4206


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def trace(pid):
    if libc.ptrace(SEIZE, pid, None, None) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def read_memory(pid):
    buffer = ctypes.create_string_buffer(8)
    local = Piece(ctypes.addressof(buffer), 8)
    with open(f"/proc/{pid}/maps") as maps:
        address = int(maps.read().split("-")[0], 16)
    call(
        PROCESS_VM_READV,
        pid,
        ctypes.byref(local),
        ctypes.c_ulong(1),
        ctypes.byref(Piece(address, 8)),
        ctypes.c_ulong(1),
        ctypes.c_ulong(0),
    )


def look(name):
    def attempt(pid):
        open(f"/proc/{pid}/{name}", "rb").read(50)

    return attempt


ATTEMPTS = {
    "signal": lambda pid: os.kill(pid, 0),
    "signal by pidfd": lambda pid: signal.pidfd_send_signal(os.pidfd_open(pid), 0),
    "read environ": look("environ"),
    "read maps": look("maps"),
    "read mem": lambda pid: open(f"/proc/{pid}/mem", "rb").close(),
    "read cmdline": look("cmdline"),
    "read status": look("status"),
    "open root": lambda pid: os.listdir(f"/proc/{pid}/root/"),
    "open cwd": lambda pid: os.listdir(f"/proc/{pid}/cwd/"),
    "list descriptors": lambda pid: os.listdir(f"/proc/{pid}/fd"),
    "copy memory": read_memory,
    "take a descriptor": lambda pid: call(PIDFD_GETFD, os.pidfd_open(pid), 0, 0),
    "compare": lambda pid: call(KCMP, pid, pid, 0, 0, 0),
    "limit": lambda pid: resource.prlimit(
        pid, resource.RLIMIT_CPU, resource.prlimit(pid, resource.RLIMIT_CPU)
    ),
    "pin": lambda pid: os.sched_setaffinity(pid, os.sched_getaffinity(pid)),
    "schedule": lambda pid: os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0)),
    "renice": lambda pid: os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(0, pid)),
    "adjust its end": lambda pid: open(f"/proc/{pid}/oom_score_adj", "r+").close(),
    "trace": trace,
}
job = json.loads(sys.argv[2])
parent = os.getppid()
for pid in {*job["pids"], *([parent] if parent > 1 and job["parent"] else [])}:
    for name, attempt in ATTEMPTS.items():
        try:
            attempt(pid)
            print(name, "of its parent" if pid == parent else "")
        except (OSError, OverflowError):
            pass
if libc.prctl(1, 0, 0, 0, 0) == 0:
    print("unlearn to die with its parent")
try:
    # For a user without processes: a change to its own ones would outlast an escape.
    os.setpriority(os.PRIO_USER, 54321, 19)
except ProcessLookupError:
    print("renice users")
except OSError:
    pass
