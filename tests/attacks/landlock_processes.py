"""Queries facts about another process, whose id is its task, and prints the answers.

Queries about itself, with the id 0, are allowed.
"""

import ctypes
import fcntl
import os
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
COLUMN = ("x86_64", "aarch64").index(os.uname().machine)
CALLS = {"scheduling attributes": (315, 275), "slice": (148, 127), "scheduler": (145, 120)}
CALLS |= {"parameters": (143, 121), "robust futexes": (274, 100)}
IOPRIO_GET, PIDFD_GET_INFO = (252, 31)[COLUMN], 0xC040FF0B
buffer = ctypes.create_string_buffer(64)


def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def clock(pid, kind):
    return lambda: time.clock_gettime(~pid << 3 | kind)


def info(pid):
    fcntl.ioctl(os.pidfd_open(pid), PIDFD_GET_INFO, bytearray(struct.pack("Q", 0xFF) + bytes(56)))


def questions(pid):
    yield from ((f"processor time {kind}", clock(pid, kind)) for kind in range(3))
    yield "resolution", lambda: time.clock_getres(~pid << 3 | 2)
    yield "session", lambda: os.getsid(pid)
    yield "group", lambda: os.getpgid(pid)
    yield "priority", lambda: os.getpriority(os.PRIO_PROCESS, pid)
    yield "priority of its group", lambda: os.getpriority(os.PRIO_PGRP, pid)
    yield "processors", lambda: os.sched_getaffinity(pid)
    yield "priority at the disk", lambda: call(IOPRIO_GET, 1, pid)
    yield "parent, users, cgroup", lambda: info(pid)
    for name, numbers in CALLS.items():
        rest = (buffer, 64, 0) if name != "robust futexes" else (buffer, buffer)
        yield name, lambda n=numbers[COLUMN], rest=rest: call(n, pid, *rest)


for name, ask in questions(int(sys.argv[2])):
    try:
        ask()
    except OSError:
        continue
    print(name)
