"""Reaches out where no TCP port is connected to: MPTCP, datagrams, listeners, shared memory."""

import ctypes
import os
import socket
import sys

port, path, segment = sys.argv[2].split(",")
IPPROTO_MPTCP = 262
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    for protocol in (IPPROTO_MPTCP, 132, 136, 33):
        try:
            with socket.socket(family, socket.SOCK_STREAM, protocol) as s:
                s.connect((address, int(port)))
                print("connected by protocol", protocol)
        except OSError:
            pass
    try:
        with socket.socket(family) as s:
            s.listen()
            print("listens at", s.getsockname())
    except OSError:
        pass
for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    try:
        a, b = socket.socketpair(socket.AF_UNIX, kind)
        a.sendto(b"hello", path)
        print("sent to", path)
    except OSError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_long
if libc.shmat(int(segment), None, 0) != -1:
    print("attached a segment")
if libc.syscall({"x86_64": 294, "aarch64": 26}[os.uname().machine], 0) >= 0:
    print("may watch folders")
try:
    os.memfd_create("hidden")
    print("has memory that nobody counts")
except OSError:
    pass
