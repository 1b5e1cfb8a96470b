"""Makes sockets of families and kinds other than TCP."""

import itertools
import socket

families = [value for name, value in vars(socket).items() if name.startswith("AF_")]
kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET)
for family, kind in itertools.product(families, kinds):
    if family in (socket.AF_INET, socket.AF_INET6) and kind == socket.SOCK_STREAM:
        continue
    try:
        socket.socket(family, kind).close()
        print("made", family, kind)
    except OSError:
        pass
