"""Prints what it inherits: descriptors, a terminal, its process group and session."""

import os

for fd in range(1024):
    try:
        os.fstat(fd)
    except OSError:
        continue
    if fd > 2:
        try:
            print("can read", fd, os.read(fd, 10))
        except OSError:
            print("can not read", fd)
try:
    os.close(os.open("/dev/tty", os.O_RDWR))
    print("has a terminal")
except OSError:
    pass
if os.getpid() == 1:
    print("is process 1")
if os.getsid(0) == 0:
    print("is of a session from outside")
