"""Lists the descriptors it was born with."""

import os

found = []
for fd in range(1024):
    try:
        os.fstat(fd)
        found.append(str(fd))
    except OSError:
        pass
# One more is the keeper's mark pipe, which can only be written and says one word.
print(*[fd for fd in found if int(fd) < 3])
for fd in found[3:]:
    try:
        print("can read", fd, os.read(int(fd), 10))
    except OSError:
        pass
