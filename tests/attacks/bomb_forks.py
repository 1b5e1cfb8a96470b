"""Forks for as long as it may, each child too; what it started just waits."""

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
