"""Reads the usual places of secrets, and prints those that are not empty."""

import glob
import os
import sys

places = [
    "/etc/shadow",
    "/etc/sudoers",
    "/etc/machine-id",
    "/proc/1/environ",
    "/dev/mem",
    "/dev/kmsg",
]
places += (
    glob.glob("/root/.*") + glob.glob("/home/*/.*") + glob.glob("/home/*") + glob.glob("/var/log/*")
)
places += glob.glob("/proc/[0-9]*/environ") + glob.glob("/run/secrets/*") + sys.argv[2].split(":")
own = {f"/proc/{pid}/environ" for pid in (os.getpid(), "self")}
for place in places:
    if place in own or not place:
        continue
    try:
        if os.path.isdir(place):
            # Folders above the interpreter are visible, but no files in them.
            if any(os.path.isfile(os.path.join(place, name)) for name in os.listdir(place)):
                print("listed", place)
        elif open(place, "rb").read(100):
            print("read", place)
    except OSError:
        pass
try:
    if b"root" in open("/etc/passwd", "rb").read():
        print("read the users of this machine")
except OSError:
    pass
