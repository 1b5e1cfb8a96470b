"""Searches for a key: in the environment, arguments, frames, objects and memory, also its parent's.

Its task is the pattern, which doesn't match itself. It prints where it found a match.
"""

import gc
import os
import re
import sys
import traceback

pattern = re.compile(sys.argv[2].encode())


def look(place, data):
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    if pattern.search(data):
        print("found in", place)


look("the environment", repr(dict(os.environ)))
look("the arguments", repr(sys.orig_argv) + repr(sys.argv))
look("the stack", "".join(traceback.format_stack()))
frame = sys._getframe()
while frame:
    look(
        "a frame",
        repr(frame.f_locals.keys())
        + "".join(
            repr(v) for v in frame.f_locals.values() if isinstance(v, (str, bytes, list, dict))
        ),
    )
    frame = frame.f_back
for item in gc.get_objects():
    if isinstance(item, dict):
        for value in list(item.values()):
            if isinstance(value, (str, bytes)):
                look("an object", value)
parent = os.getppid()
try:
    others = [name for name in os.listdir("/proc") if name.isdigit()]
except OSError:
    others = []
for pid in {"self", str(parent), "1", *others}:
    for name in ("environ", "cmdline"):
        try:
            look(
                f"{name} of {'itself' if pid == 'self' else 'another'}",
                open(f"/proc/{pid}/{name}", "rb").read(),
            )
        except OSError:
            pass
    try:
        with (
            open(f"/proc/{pid}/maps") as maps,
            open(f"/proc/{pid}/mem", "rb", buffering=0) as memory,
        ):
            for line in maps.read().splitlines():
                bounds, mode = line.split()[:2]
                start, end = (int(number, 16) for number in bounds.split("-"))
                if mode.startswith("rw") and end - start < 2**27:
                    try:
                        memory.seek(start)
                        look(
                            f"memory of {'itself' if pid == 'self' else 'another'}",
                            memory.read(end - start),
                        )
                    except (OSError, ValueError, OverflowError):
                        pass
    except OSError:
        pass
