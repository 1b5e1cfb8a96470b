"""Fills its folder in the way its task names, and prints the error that stopped it."""

import ctypes
import errno
import mmap
import os
import sys
import time


def unlinked():
    while True:
        file = open("x", "wb", buffering=0)
        os.unlink("x")
        files.append(file)
        for _ in range(4):
            file.write(b"x" * 2**18)


def mapped():
    libc = ctypes.CDLL(None)
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    for _ in range(20):
        file = os.open("x", os.O_RDWR | os.O_CREAT)
        os.unlink("x")
        os.write(file, b"x" * 2**21)
        libc.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
        os.close(file)  # now only the mapping refers to the file
        time.sleep(0.12)


def plain():
    for n in range(10**6):
        with open(f"f{n}", "wb", buffering=0) as file:
            if file.write(b"x" * 2**18) < 2**18:
                raise OSError(errno.ENOSPC, "short")


def empty():
    for n in range(10**6):
        open(str(n), "w").close()


def sparse():
    with open("sparse", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2**40)


files = []
import signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    locals()[sys.argv[2]]()
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
