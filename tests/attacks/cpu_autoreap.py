"""Uses processor time in children of a few milliseconds each, which /proc never shows.

Task: "ignore" (SIGCHLD is ignored: the kernel reaps them and adds their time to no process),
"nowait" (SA_NOCLDWAIT, with the same effect), "orphans" (grandchildren whose parents have ended),
"chain" (each makes the next and ends). Second word: for how many seconds.
"""

import ctypes
import os
import signal
import struct
import sys
import time

kind, seconds = sys.argv[2].split()
end = time.monotonic() + float(seconds)
SIGCHLD, SA_NOCLDWAIT = 17, 2


def burn():
    until = time.process_time() + 0.006
    while time.process_time() < until:
        pass


if kind == "ignore":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if kind == "nowait":
    action = struct.pack("QQQQ", 0, SA_NOCLDWAIT, 0, 0)  # the kernel's struct sigaction
    number = {"x86_64": 13, "aarch64": 134}[os.uname().machine]
    ctypes.CDLL(None).syscall(number, SIGCHLD, action, None, ctypes.c_size_t(8))
first = True
while time.monotonic() < end:
    if os.fork() == 0:
        first = False
        if kind == "orphans" and os.fork():
            os._exit(0)
        burn()
        if kind != "chain":
            os._exit(0)
    elif kind == "chain" and not first:
        os._exit(0)
    elif kind == "chain":
        time.sleep(float(seconds))
    else:
        try:  # returns when the child is gone, whichever process reaps it
            os.waitid(os.P_ALL, 0, os.WEXITED)
        except ChildProcessError:
            pass
print("had it all")
