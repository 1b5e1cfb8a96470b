"""Writes to the folders named by its task, and over the files named by it."""

import json
import os
import sys

job = json.loads(sys.argv[2])
scratch = os.path.realpath(".")
for folder in job["folders"]:
    if os.path.realpath(folder).startswith(scratch):
        continue  # one of its own names
    path = os.path.join(folder, "planted-by-an-agent")
    for attempt in (
        lambda: open(path, "w").close(),
        lambda: os.mkdir(path),
        lambda: os.symlink("/etc", path),
        lambda: os.rename("moved", path),
        lambda: os.link("linked", path),
        lambda: os.mkfifo(path),
    ):
        for name in ("moved", "linked"):
            open(name, "w").close()
        try:
            attempt()
            print("wrote in", folder)
            (os.path.isdir(path) and not os.path.islink(path) and os.rmdir(path)) or os.remove(path)
        except OSError:
            pass
for file in job["files"]:
    for way in (file, f"/proc/self/root{file}"):
        try:
            os.close(os.open(way, os.O_RDWR))
            print("may change", file)
        except OSError:
            pass
