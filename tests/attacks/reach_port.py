"""Connects to a port of this machine by every known address, and sends datagrams to it."""

import json
import os
import socket
import sys

port = int(json.loads(sys.argv[2]).get("port") or os.environ["PORT"])
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
            s.connect((address, port))
            print("fast open connect", address)
    except OSError:
        pass
    for protocol in (262, 132, 136, 33):  # MPTCP, SCTP, UDP-Lite, DCCP
        try:
            with socket.socket(family, socket.SOCK_STREAM, protocol) as s:
                s.connect((address, port))
                print("reached by protocol", protocol)
        except OSError:
            pass
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.sendto(b"hello", (address, port))
            print("sent a datagram", address)
    except OSError:
        pass
