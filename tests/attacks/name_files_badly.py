"""Leaves files and folders that are hard to list and to remove, as its task says."""

import os
import sys

kind = sys.argv[2]
if kind == "long":
    for _ in range(20):
        os.mkdir("a" * 250)
        os.chdir("a" * 250)
elif kind == "deep":
    for _ in range(3000):
        os.mkdir("a")
        os.chdir("a")
elif kind == "closed":
    os.mkdir("a", 0)
    os.mkfifo("b")
    os.symlink("/", "c")
else:
    for name in (
        b"-rf",
        b"\xff\xfe",
        b"new\nline",
        b"\x1b[2J",
        b"a" * 255,
        b" ",
        b"...",
        b"'\"$(id)",
    ):
        open(name, "w").close()
    with open("sparse", "wb") as file:
        file.truncate(2**22)
