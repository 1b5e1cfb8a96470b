"""Writes where it should not: the folder named by its task, packages, /tmp, devices."""

import os
import sys

for folder in (
    sys.argv[2],
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/etc",
    sys.prefix,
    os.path.dirname(os.__file__),
):
    path = os.path.join(folder, "planted-by-an-agent")
    for attempt in (
        lambda: open(path, "w").close(),
        lambda: os.mkdir(path),
        lambda: os.symlink("/etc", path),
        lambda: os.rename("agent.py", path),
        lambda: os.mkfifo(path),
    ):
        try:
            attempt()
            print("wrote", path)
            (os.path.isdir(path) and not os.path.islink(path) and os.rmdir(path)) or os.remove(path)
        except OSError:
            pass
try:
    os.truncate(os.__file__, 0)
    print("truncated", os.__file__)
except OSError:
    pass
