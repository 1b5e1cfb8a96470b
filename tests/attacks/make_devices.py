"""Makes device nodes in its folder, and opens devices that no agent needs."""

import os
import stat

for name, kind, numbers in (
    ("mem", stat.S_IFCHR, (1, 1)),
    ("null", stat.S_IFCHR, (1, 3)),
    ("disk", stat.S_IFBLK, (7, 0)),
):
    try:
        os.mknod(name, 0o600 | kind, os.makedev(*numbers))
        print("made", name)
    except OSError:
        pass
for name in ("mem", "kmsg", "tty", "ptmx", "console", "fuse", "kvm", "net/tun", "loop0", "vsock"):
    # Opening these has no effect; opening others has, above all a watchdog.
    try:
        os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK))
        print("opened", name)
    except OSError:
        pass
usual = {"null", "zero", "full", "random", "urandom", "stdin", "stdout", "stderr", "fd", "shm"}
usual |= {"core", "mqueue", "pts", "ptmx", "tty", "console"}
try:
    print(*[f"sees {name}\n" for name in sorted(set(os.listdir("/dev")) - usual)], sep="", end="")
except OSError:
    pass
