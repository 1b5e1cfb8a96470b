"""Makes device nodes in its folder, and opens devices that it has no business with."""

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
    # These do nothing when they are only opened; others do, a watchdog above all.
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
