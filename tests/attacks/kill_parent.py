"""Kills its parent, and where its process ids are its own, the first of them."""

import os
import signal
import time

parent = os.getppid()
for pid in {parent, 1 if parent in (0, 1) else parent} - {0}:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except OSError:
            pass
time.sleep(0.3)
print("still here")
