"""Bypasses the page cache for files that it may only read, or has them dropped or flushed.

It prints each way that worked. Reads and fsyncs of others wait for the disk meanwhile.
"""

import ctypes
import fcntl
import glob
import mmap
import os

RWF_DSYNC, RWF_DONTCACHE, MADV_PAGEOUT, MADV_COLD = 2, 0x80, 21, 20
libc = ctypes.CDLL(None, use_errno=True)
found = glob.glob(os.path.dirname(os.__file__) + "/**/*.py", recursive=True)
path = max(found, key=os.path.getsize)
page = mmap.mmap(-1, 1 << 16)
file = os.open(path, os.O_RDONLY)
mapped = mmap.mmap(file, 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
openat2 = ctypes.create_string_buffer(24)
openat2[:8] = (os.O_RDONLY | os.O_DIRECT).to_bytes(8, "little")


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def direct_later():
    fcntl.fcntl(file, fcntl.F_SETFL, os.O_DIRECT)
    if not fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT:
        raise OSError(0, "without effect")


ATTEMPTS = {
    "open with O_DIRECT": lambda: os.close(os.open(path, os.O_RDONLY | os.O_DIRECT)),
    "openat2 with O_DIRECT": lambda: check(
        libc.syscall(437, -100, path.encode(), openat2, ctypes.c_size_t(24))
    ),
    "set O_DIRECT": direct_later,
    "read without the cache": lambda: os.preadv(file, [page], 0, RWF_DONTCACHE),
    "drop mapped pages": lambda: mapped.madvise(MADV_PAGEOUT),
    "age mapped pages": lambda: mapped.madvise(MADV_COLD),
    "ask what is in the cache": lambda: check(
        libc.syscall(451, file, bytes(16), ctypes.create_string_buffer(40), 0)
    ),
}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except OSError:
        continue
    print(name)
