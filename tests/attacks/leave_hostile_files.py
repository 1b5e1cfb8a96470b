"""Leaves a folder that is dangerous to read. None of it may be collected."""

import os
import socket

os.mkfifo("fifo")
for target in ("/etc/passwd", "/proc/self/environ", "/dev/zero", "..", "/"):
    os.symlink(target, "link" + target.replace("/", "_"))
for source in ("/etc/passwd", "/etc/hostname", os.path.realpath(os.__file__)):
    try:
        os.link(source, "hard" + source.replace("/", "_"))
    except OSError:
        pass
try:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
except OSError:
    pass
with open("sparse", "wb") as file:
    try:
        file.truncate(1 << 40)
    except OSError:
        file.truncate(1 << 25)
for name in (b"a\nb", b"\xff\xfe", b"..\\..\\x", b"\x1b[2J", b"x" * 255):
    with open(name, "wb") as file:
        file.write(b"mine")
for number in range(2000):
    with open(f"many{number}", "wb"):
        pass
os.mkdir("closed")
with open("closed/file", "wb"):
    pass
os.chmod("closed", 0)
for _ in range(40):
    os.mkdir("d")
    os.chdir("d")
print("left")
