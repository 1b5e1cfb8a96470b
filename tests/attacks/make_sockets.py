"""Makes sockets of families and kinds other than TCP."""

import itertools
import socket

families = {name: value for name, value in vars(socket).items() if name.startswith("AF_")}
kinds = ("SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_SEQPACKET")
for (name, family), kind in itertools.product(sorted(families.items()), kinds):
    if name in ("AF_INET", "AF_INET6") and kind == "SOCK_STREAM":
        continue
    try:
        socket.socket(family, getattr(socket, kind)).close()
        print("made", name, kind)
    except OSError:
        pass
ICMP, MPTCP, SCTP, UDPLITE, DCCP = 1, 262, 132, 136, 33
for kind, protocol in ((2, ICMP), (1, MPTCP), (1, SCTP), (2, UDPLITE), (6, DCCP)):
    try:
        socket.socket(socket.AF_INET, kind, protocol).close()
        print("made", "protocol", protocol)
    except OSError:
        pass
