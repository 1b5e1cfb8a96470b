"""Connects to Unix sockets, named and abstract, and to shared memory of others."""

import ctypes
import json
import os
import socket
import sys

job = json.loads(sys.argv[2])
runtime = f"/run/user/{os.getuid()}"
usual = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    f"{runtime}/bus",
]
usual += ["/run/dbus/system_bus_socket", "/run/systemd/notify", "/run/snapd.socket", "/dev/log"]
usual += [os.environ.get("SSH_AUTH_SOCK", ""), f"{runtime}/gnupg/S.gpg-agent", "/tmp/.X11-unix/X0"]
usual += ["\0/tmp/.X11-unix/X0", f"\0/tmp/dbus-{os.getuid()}"]
for address in [*job["streams"], *filter(None, usual)]:
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(address)
            print("reached", address.lstrip("\0"))
    except OSError:
        pass
for address in job["datagrams"]:
    for make in (
        lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0],
    ):
        try:
            with make() as s:
                s.sendto(b"hello", address)
                print("sent to", address.lstrip("\0"))
        except OSError:
            pass
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_long
for segment in job["segments"]:
    if libc.shmat(segment, None, 0) != -1:
        print("attached a segment")
try:
    for line in open("/proc/net/unix").read().splitlines()[1:]:
        print("sees a socket", line.split()[-1])
except OSError:
    pass
