"""Allocates memory that is hard for a supervisor to find.

Task: a kind, and MiB in total. "leaderless": in processes whose first thread has ended, for which
/proc shows neither memory nor mappings nor descriptors. "unreadable": in a program that its own
user can't read, for which /proc shows only the resident size. "files": in files without a name that
only a process without its first thread has open.
"""

import ctypes
import os
import shutil
import sys
import threading
import time

EXIT = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
EACH = 40
kind, mib = sys.argv[2].split()
count = -(-int(mib) // EACH)
take = f"held = bytearray(b'x') * ({EACH} << 20); import time; time.sleep(60)"


def leaderless(work):
    threading.Thread(target=work).start()
    ctypes.CDLL(None).syscall(EXIT, 0)  # this thread alone


def take_memory():
    time.sleep(0.2)  # by now the first thread has ended
    exec(take)


def take_files():
    time.sleep(0.2)
    held = []
    for _ in range(EACH):
        held.append(open(f"x{os.getpid()}", "wb", buffering=0))
        os.unlink(held[-1].name)
        try:
            held[-1].write(b"x" * 2**20)
        except OSError:  # scratch is full
            break
    time.sleep(60)


def unreadable():
    with open(sys.executable, "rb") as source:
        copy = os.open(f"python{os.getpid()}", os.O_WRONLY | os.O_CREAT, 0o500)
        with open(copy, "wb") as target:
            shutil.copyfileobj(source, target)
    name = f"python{os.getpid()}"
    os.chmod(name, 0o100)
    environment = {"PYTHONHOME": sys.base_prefix, "LD_LIBRARY_PATH": f"{sys.base_prefix}/lib"}
    os.execve(f"./{name}", ["python", "-S", "-c", take], environment)


for _ in range(count):
    if os.fork() == 0:
        if kind == "unreadable":
            unreadable()
        leaderless(take_files if kind == "files" else take_memory)
time.sleep(25)
print("had it all")
