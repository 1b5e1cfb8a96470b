"""Uses processor time: alone, or (task: "children") in children that are not waited for."""

import os
import signal
import sys
import time

if sys.argv[2] == "children":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        if os.fork() == 0:
            end = time.time() + 0.4
            while time.time() < end:
                pass
            os._exit(0)
        time.sleep(0.45)
while True:
    pass
