"""Takes leases on files that it may only read, and requests notifications about folders.

A process that opens a file with a lease waits up to 45 s, or until the lease is released. It prints
what worked. Task: a file of the program's own user.
"""

import ctypes
import fcntl
import os
import signal
import sys

signal.signal(signal.SIGIO, signal.SIG_IGN)
F_SETOWN_EX, F_SETPIPE_SZ = 15, 1031
FIOSETOWN, FIOASYNC = 0x8901, 0x5452
read, write = os.pipe()


def on(path, command, argument):
    def attempt():
        file = os.open(path, os.O_RDONLY)
        try:
            fcntl.fcntl(file, command, argument)
        finally:
            os.close(file)

    return attempt


def late():
    """Put a number above 32 bits before the command, which the kernel ignores."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 72, "aarch64": 25}[os.uname().machine]
    command = ctypes.c_ulong(1 << 32 | fcntl.F_SETLEASE)
    if libc.syscall(number, os.open(sys.argv[2], os.O_RDONLY), command, fcntl.F_WRLCK) < 0:
        raise OSError(ctypes.get_errno(), "refused")


ATTEMPTS = {
    "write lease": on(sys.argv[2], fcntl.F_SETLEASE, fcntl.F_WRLCK),
    "read lease": on(sys.argv[2], fcntl.F_SETLEASE, fcntl.F_RDLCK),
    "lease by a long number": late,
    "watch of a folder": on(os.path.dirname(sys.argv[2]), fcntl.F_NOTIFY, fcntl.DN_ACCESS),
    "signals to another": lambda: fcntl.fcntl(read, fcntl.F_SETOWN, os.getpid()),
    "signals to any": lambda: fcntl.fcntl(read, F_SETOWN_EX, bytes(8)),
    "larger pipe": lambda: fcntl.fcntl(read, F_SETPIPE_SZ, 1 << 20),
}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except OSError:
        continue
    print(name)
