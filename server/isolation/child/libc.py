"""The C library, for calls that Python does not offer."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

libc = ctypes.CDLL(None, use_errno=True)
if sys.platform == "linux":  # other systems never call these: their tier report says why
    libc.syscall.restype = ctypes.c_long
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BLOCK = 1 << 19
_FREE_MEMORY_KEPT = 1 << 21


def check(result: int, what: str) -> int:
    """Return `result`, or raise OSError if it is negative, the C library's sign of a failure."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def use_one_heap() -> None:
    """Have the threads of this process share one heap, if the C library is glibc.

    Otherwise each thread gets its own heap: 64 MiB of address space, and freed memory that only
    this thread can use again. Source: mallopt(3).
    """
    _tune_heap(_M_ARENA_MAX, 1)


def give_memory_back() -> None:
    """Return most of the memory that this process frees to the system.

    By default, glibc raises its threshold for separate blocks to the largest block ever freed, and
    then puts large blocks among the small ones: after a run with some megabytes of output, the gaps
    would remain for the life of the process. Source: mallopt(3).
    """
    use_one_heap()
    _tune_heap(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
    _tune_heap(_M_TRIM_THRESHOLD, _FREE_MEMORY_KEPT)


def _tune_heap(option: int, value: int) -> None:
    mallopt = getattr(libc, "mallopt", None)  # musl and macOS have none
    if mallopt is not None:
        mallopt(option, value)


_MADV_COLLAPSE = 25
_HUGE_PAGE = 1 << 21


def use_huge_pages() -> None:
    """Move this process's memory to huge pages: for each, a fork copies one entry instead of 512.

    Has no effect on kernels without this feature (before Linux 6.1). Source: madvise(2).
    """
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    with open("/proc/self/maps") as file:
        mappings = [line.split() for line in file]
    for span, rights, *_, name in (one if len(one) > 5 else [*one, ""] for one in mappings):
        if "w" in rights and name in {"", "[heap]"}:
            first, last = (int(edge, 16) for edge in span.split("-"))
            first = (first + _HUGE_PAGE - 1) // _HUGE_PAGE * _HUGE_PAGE
            for start in range(first, last - _HUGE_PAGE + 1, _HUGE_PAGE):
                libc.madvise(start, _HUGE_PAGE, _MADV_COLLAPSE)


@contextmanager
def as_user(user: int | None) -> Iterator[None]:
    """Access files in this thread as another user, with that user's rights; see setfsuid(2).

    The file system of a cell accepts only files of the cell's own users, not even those of root.
    """
    if user is None:
        yield
        return
    before = libc.setfsgid(user), libc.setfsuid(user)
    try:
        yield
    finally:
        libc.setfsuid(before[1])
        libc.setfsgid(before[0])
