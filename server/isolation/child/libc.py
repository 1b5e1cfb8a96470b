"""The C library, for the calls that Python has no name for."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

libc = ctypes.CDLL(None, use_errno=True)
if sys.platform == "linux":  # elsewhere nothing here is called: the tier report says so
    libc.syscall.restype = ctypes.c_long
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BLOCK = 1 << 19
_KEPT_AT_MOST = 1 << 21


def check(result: int, what: str) -> int:
    """Return `result`, or raise OSError for what the C library calls a failure."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def use_one_heap() -> None:
    """Have the threads of this process share one heap, where the C library is glibc.

    Else each thread gets one of its own: 64 MiB of address space, and memory that only it uses
    again. Source: mallopt(3).
    """
    _tune_heap(_M_ARENA_MAX, 1)


def give_memory_back() -> None:
    """Have this process keep little of the memory that it has freed.

    Left alone, glibc takes the largest block that was ever freed for a sign that such blocks are
    usual, and then has them among the small ones: after some megabytes of output were handled, the
    holes they left would stay for as long as the process. Source: mallopt(3).
    """
    use_one_heap()
    _tune_heap(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
    _tune_heap(_M_TRIM_THRESHOLD, _KEPT_AT_MOST)


def _tune_heap(option: int, value: int) -> None:
    mallopt = getattr(libc, "mallopt", None)  # musl and macOS have none
    if mallopt is not None:
        mallopt(option, value)


_MADV_COLLAPSE = 25
_HUGE_PAGE = 1 << 21


def use_huge_pages() -> None:
    """Put this process's own memory into huge pages, of which a fork copies one entry and not 512.

    Where the kernel can't (before Linux 6.1, say), nothing changes. Source: madvise(2).
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
    """Do file work in this thread as another user, with the rights of that one; see setfsuid(2).

    The file system of a cell takes files of the cell's own users only, not even root's.
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
