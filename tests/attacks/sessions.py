"""Spins in many processes; task "own": each in its own session, to get its own share."""

import os
import sys
import time

end = time.monotonic() + 6
for _ in range(30):
    if os.fork() == 0:
        if sys.argv[2] == "own":
            try:
                os.setsid()
            except OSError:
                os._exit(1)
        while time.monotonic() < end:
            pass
        os._exit(0)
refused = 0
for _ in range(30):
    refused += os.waitstatus_to_exitcode(os.wait()[1])
print("refused" if refused else "had it all")
