"""Forks as often as it can, in each child too; each process then just sleeps."""

import errno
import os
import time

refused = set()
end = time.monotonic() + 1.5
while time.monotonic() < end:
    try:
        os.fork()
    except OSError as error:
        refused.add(errno.errorcode[error.errno])
        time.sleep(0.01)
if os.getppid() == 0 or refused:
    print(*refused)
time.sleep(0.5)
