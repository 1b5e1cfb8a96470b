"""Makes children with each flag of clone that no C library's fork uses; prints those it made.

A sibling (CLONE_PARENT) has a parent outside the cell that never reaps it: the cell never ends.
"""

import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
CLONE, PRCTL = {"x86_64": (56, 157), "aarch64": (220, 167)}[os.uname().machine]
SIGCHLD, NEWUSER = 17, 0x10000000
FLAGS = {
    "a sibling": 0x8000 | SIGCHLD,
    "a sibling, unsignalled": 0x8000,
    "a sibling by vfork": 0x8000 | 0x4000 | SIGCHLD,
    "a traced child": 0x2000 | SIGCHLD,
    "an untraced child": 0x800000 | SIGCHLD,
    "a child with its files": 0x400 | SIGCHLD,
    "a child with its folders": 0x200 | SIGCHLD,
    "a child with its disk queue": 0x80000000 | SIGCHLD,
    "a child that ends silently": 0,
    "a child that ends with another signal": 10,
    "a child of a new user": NEWUSER | SIGCHLD,
    "a child in new cgroups": 0x02000000 | NEWUSER | SIGCHLD,
}
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
for name, flags in FLAGS.items():
    pid = libc.syscall(CLONE, ctypes.c_ulong(flags), 0, 0, 0, 0)
    if pid == 0:
        libc._exit(0)
    if pid > 0:
        print("made", name, flush=True)
libc.syscall(435, None, 0)
if ctypes.get_errno() != 38:  # ENOSYS
    print("clone3 is there")
OPTIONS = {
    "reap orphans": 36,
    "merge memory": 67,
    "be traced": 0x59616D61,
    "filter": 22,
    "core": 62,
}
for name, option in OPTIONS.items():
    # Harmless values: 0, and for PR_SET_SECCOMP and PR_SCHED_CORE values that fail.
    ctypes.set_errno(0)
    if libc.syscall(PRCTL, option, 0, 0, 0, 0) == 0 or ctypes.get_errno() != 1:
        print("may", name)
