"""Leaves processes behind: forked twice, in sessions of their own, ignoring signals.

Each has the task in its name, so that a test can find them.
"""

import ctypes
import os
import signal
import sys
import time

sys.stdout.flush()
for _ in range(3):
    if os.fork() == 0:
        for leave in (os.setsid, os.setpgrp):
            try:
                leave()
            except OSError:
                pass
        if os.fork() == 0:
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            ctypes.CDLL(None).prctl(15, sys.argv[2].encode(), 0, 0, 0)
            for fd in (0, 1, 2):
                os.close(fd)
            time.sleep(60)
        os._exit(0)
time.sleep(0.2)
print("left them")
