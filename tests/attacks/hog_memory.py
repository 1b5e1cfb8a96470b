"""Allocates memory and touches it: in one process, or (task: a number) in several children."""

import os
import sys
import time

children = int(sys.argv[2] or 0)
for _ in range(children):
    if os.fork() == 0:
        children = -1
        break
held = []
if children >= 0 and not held and sys.argv[2] not in ("", "0"):
    time.sleep(30)
for _ in range(400 if children == 0 else 80):
    held.append(bytearray(b"x") * 2**20)
    time.sleep(0.002)
print("has it all", flush=True)
time.sleep(30)
