"""Kills its parent, and in a pid namespace of its own also the first process there."""

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
