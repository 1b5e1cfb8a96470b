"""Connects out of this machine: TCP, UDP, ICMP and names; prints what it could send.

With a network, the answers differ from "not permitted" and "no route".
"""

import errno
import json
import socket
import struct
import sys

NO_WAY = {errno.EACCES, errno.EPERM, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}
job = json.loads(sys.argv[2])


def attempt(what, make):
    try:
        with make() as s:
            s.settimeout(0.5)
            result = s.connect_ex((host, port))
            if result not in NO_WAY:
                print(what, host)
            elif s.type == socket.SOCK_STREAM:
                return
            s.send(struct.pack("!BBHHH", 8, 0, 0xF7FF, 0, 0))
            print(what, "sent to", host)
    except OSError:
        pass


for host, port in job["addresses"]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    attempt("TCP", lambda: socket.socket(family))
    attempt("UDP", lambda: socket.socket(family, socket.SOCK_DGRAM))
    attempt("raw", lambda: socket.socket(family, socket.SOCK_RAW, 1))
for name in job["names"]:
    try:
        print("resolved", name, socket.getaddrinfo(name, 80)[0][4][0])
    except OSError:
        pass
try:
    names = [
        line.split(":")[0].strip() for line in open("/proc/self/net/dev").read().splitlines()[2:]
    ]
    print(*[f"sees interface {name}\n" for name in names if name != "lo"], end="")
except OSError:
    pass
