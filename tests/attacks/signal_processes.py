"""Signals processes that are not its own (with signal 0, which only asks whether it may)."""

import os

for pid in (1, os.getppid(), -1):
    try:
        if pid != -1:
            os.kill(pid, 0)
            print("may signal", pid)
    except OSError:
        pass
try:
    os.pidfd_open(os.getppid())
    import signal

    signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0)
    print("may signal by pidfd")
except OSError:
    pass
