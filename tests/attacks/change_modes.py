"""Changes mode, owner, times and attributes of the file named by its task."""

import os
import sys

path = sys.argv[2]
for attempt in (
    lambda: os.chmod(path, 0o4777),
    lambda: os.chown(path, 12345, 12345),
    lambda: os.lchown(path, 12345, 12345),
    lambda: os.utime(path, (1, 1)),
    lambda: os.setxattr(path, "user.planted", b"x"),
    lambda: os.chmod(os.__file__, 0o666),
):
    try:
        attempt()
    except OSError:
        pass
