"""Takes back what was given up: capabilities, limits, ids, its process group."""

import ctypes
import os
import resource

for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
    soft, hard = resource.getrlimit(kind)
    try:
        resource.setrlimit(kind, (hard + 1, hard + 1))
        print("raised a limit", kind)
    except (OSError, ValueError):
        pass
for what in (
    lambda: os.setresuid(12345, 12345, 12345),
    lambda: os.setgroups([0]),
    lambda: os.nice(-5),
    lambda: os.setsid(),
    lambda: os.chroot("."),
):
    try:
        what()
        print("did", what.__code__.co_names)
    except OSError:
        pass
os.chown("agent.py", 12345, 12345)  # succeeds, without effect
if os.stat("agent.py").st_uid == 12345:
    print("gave a file away")
libc = ctypes.CDLL(None, use_errno=True)
PR_GET_NO_NEW_PRIVS, PR_CAPBSET_READ = 39, 23
if libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1:
    print("no_new_privs is off")
if any(libc.prctl(PR_CAPBSET_READ, n, 0, 0, 0) == 1 for n in range(40)) and os.getuid() == 0:
    print("there are capabilities to be had")
