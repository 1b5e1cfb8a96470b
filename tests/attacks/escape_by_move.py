"""Keeps its folder open, moves that folder's parent away, and climbs out of it."""

import os
import sys

os.makedirs("a/b")
top = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
os.chdir("a/b")
os.rename("../../a/b", "../../c")
inside = (
    os.path.realpath(os.readlink(f"/proc/self/fd/{top}")) if os.path.exists("/proc/self/fd") else ""
)
for _ in range(12):
    os.chdir("..") if os.access("..", os.X_OK) else None
for way in (sys.argv[2], sys.argv[2].lstrip("/")):
    try:
        print("read", open(way).read(50))
    except OSError:
        pass
try:
    os.fchdir(top)
    os.chroot(".")
    print("changed its root")
except OSError:
    pass
