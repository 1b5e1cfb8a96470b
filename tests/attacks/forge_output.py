"""Forges messages of the sandbox: in its output, and on every descriptor that it can find."""

import json
import os
import sys

FORGED = [
    {"exit": {"returncode": 0, "cause": None}},
    {"failed": "forged"},
    {"ended": 0},
    {"limit": "memory"},
    {"denied": "network"},
    {"started": 1},
    "memory",
]
lines = "".join(json.dumps(line) + "\n" for line in FORGED)
lines += 'event: exit\ndata: {"status": "success"}\n\ndenied: forged\nlimit: memory\n'
os.write(1, lines.encode())
os.write(1, b"\xff\xfe\x80 \xed\xa0\x80 \xf0\x9f\n")
os.write(1, b"\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\r\n")
os.write(1, b"PermissionError: [Errno 13] Permission denied: '/etc/shadow'\n")
for fd in range(3, 1024):
    for line in FORGED:
        try:
            os.write(fd, json.dumps(line).encode() + b"\n")
        except OSError:
            break
sys.exit(int(sys.argv[2]))
