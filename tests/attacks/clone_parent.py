"""Makes siblings: clone(2) with CLONE_PARENT makes a child of its parent, outside the cell."""

import argparse
import ctypes
import json
import os
import signal
import sys
import threading
import time

CLONE_PARENT, SIGCHLD = 0x8000, 17
CLONE3 = 435
CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
made = []


def clone():
    return libc.syscall(CLONE, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)


def clone3():
    # struct clone_args, include/uapi/linux/sched.h: flags first, the exit signal is the parent's.
    arguments = (ctypes.c_uint64 * 11)(CLONE_PARENT)
    return libc.syscall(CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))


def sibling(then, call=clone):
    pid = call()
    if pid == 0:
        then()
        os._exit(0)
    made.append(pid if pid > 0 else -ctypes.get_errno())


def stay():
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    os.close(1), os.close(2)
    time.sleep(600)


def end():
    pass


def one():
    sibling(end)


def new_call():
    sibling(end, clone3)


def many():
    for _ in range(40):
        sibling(end)


def sleeping():
    sibling(stay)


def of_a_sibling():
    sibling(lambda: sibling(lambda: sibling(end)))


def of_a_thread():
    thread = threading.Thread(target=one)
    thread.start()
    thread.join()


def of_a_grandchild():
    if os.fork() == 0:
        if os.fork() == 0:
            sibling(end)
        os._exit(0)
    os.wait()


def after_the_end():
    """Let siblings make siblings, each as it ends: the cell ends in the midst of it."""

    def chain():
        os.close(1), os.close(2)
        while True:
            if clone():
                os._exit(0)
            time.sleep(0.001)

    sibling(chain)


parser = argparse.ArgumentParser()
parser.add_argument("--task")
task = json.loads(parser.parse_args().task)
globals()[task["how"]]()
print("made", made, flush=True)
time.sleep(task.get("sleep", 0))
sys.exit(0)
