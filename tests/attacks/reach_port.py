"""Connects to a port of this machine by every address it knows."""

import socket
import sys

port = int(sys.argv[2])
for host in ("127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::ffff:127.0.0.1", "localhost"):
    try:
        socket.create_connection((host, port), timeout=2).close()
        print("reached", host)
    except OSError:
        pass
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try:
        with socket.socket(family) as s:
            s.sendto(b"hello", 0x20000000, (address, port))  # MSG_FASTOPEN
            print("fast open", address)
    except OSError:
        pass
    try:
        with socket.socket(family) as s:
            s.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
            print("fast open connect may be set")
    except OSError:
        pass
    try:
        with socket.create_server((address, 0), family=family):
            print("listens on", address)
    except OSError:
        pass
