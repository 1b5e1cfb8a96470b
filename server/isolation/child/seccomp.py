"""The system-call filter of a run: refuses calls that no agent needs. Standard library only.

`seccomp_calls.py` has the calls and their numbers, `seccomp_rules.py` the rules for arguments.
Sources: the kernel's Documentation/userspace-api/seccomp_filter.rst; include/uapi/linux/{seccomp,
filter,audit}.h.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Iterator

from server.isolation.child import seccomp_calls as calls
from server.isolation.child import seccomp_rules as rules
from server.isolation.child.libc import check, libc

FILTERS = ("shared", "private")
"""For runs that share the host's files and network, and for runs that have their own."""

_PR_SET_SECCOMP = 22
_OFFSET_NR, _OFFSET_ARCH = 0, 4
_X32_BIT = 0x40000000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_UNKNOWN = 467
"""The first system call that has not been reviewed (of Linux 6.15): all from here on are absent."""


def seccomp_supported() -> bool:
    """Return whether the filter knows this machine's architecture."""
    return platform.machine() in _AUDIT_ARCH


def seccomp_program(name: str, machine: str | None = None) -> bytes:
    """Return one of `FILTERS` as an array of `struct sock_filter`.

    Raises:
        OSError: the filter does not support the architecture.

    """
    machine = machine or platform.machine()
    if machine not in _AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no seccomp filter for {machine}")
    column = 0 if machine == "x86_64" else 1
    program = [
        rules.load(_OFFSET_ARCH),
        *rules.unless(_AUDIT_ARCH[machine], [rules.answer(errno.EPERM)]),
        rules.load(_OFFSET_NR),
        *_rules(machine, column, private=name == "private"),
        rules.allow(),
    ]
    return b"".join(program)


def _rules(machine: str, column: int, *, private: bool) -> list[bytes]:
    """Return the rules for all calls. Frequent calls with checked arguments go first.

    The kernel remembers which calls a filter allows with any arguments, and doesn't run the filter
    for them.
    """
    program: list[bytes] = []
    if machine == "x86_64":
        program += rules.when_at_least(_X32_BIT, [rules.answer(errno.EPERM)])
    # As an older kernel would answer: programs then use another call.
    program += rules.when_at_least(_UNKNOWN, [rules.answer(errno.ENOSYS)])
    for name, body in _checked(machine, private=private):
        program += rules.when_call(calls.CHECKED[name][column], body)
    for numbers, code in _answered(private=private):
        if (number := numbers[column]) is not None:
            program += rules.when(number, [rules.answer(code)])
    for row, body in _own_only(private=private):
        program += rules.when_call(row[column], body)
    return program


def _checked(machine: str, *, private: bool) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the calls whose arguments are checked, with the rules for them."""
    yield "openat", rules.open_rules(machine, 2, private=private)
    yield "open", rules.open_rules(machine, 1, private=private)
    yield "fcntl", rules.fcntl_rules(machine)
    yield "madvise", rules.madvise_rules()
    yield "ioctl", rules.ioctl_rules()
    yield "clone", rules.clone_rules()
    yield "prctl", rules.prctl_rules()
    yield "preadv2", rules.vectored_rules()
    yield "pwritev2", rules.vectored_rules()
    for name, flags in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        yield name, rules.send_rules(flags)
    yield "setsockopt", rules.setsockopt_rules()
    yield "socket", rules.socket_rules(private=private)
    if not private:
        yield "socketpair", rules.socketpair_rules()
        for name in ("clock_gettime", "clock_getres", "clock_nanosleep", "timer_create"):
            yield name, rules.clock_rules()


def _answered(*, private: bool) -> Iterator[tuple[calls.Numbers, int]]:
    """Yield calls that the kernel never executes, with the errno they return; 0 is success."""
    tables = [(calls.NOT_THERE, errno.ENOSYS), (calls.NO_EFFECT, 0)]
    if not private:
        tables += [(calls.NO_EFFECT_ON_FILES, 0), (calls.NOT_SUPPORTED, errno.ENOTSUP)]
    for table, code in tables:
        for numbers in table.values():
            yield numbers, code
    for name, numbers in calls.REFUSED.items():
        if not (private and name in calls.HARMLESS_IN_PRIVATE):
            yield numbers, errno.EPERM


def _own_only(*, private: bool) -> Iterator[tuple[calls.Numbers, list[bytes]]]:
    """Yield calls that a process may make only about itself."""
    rows = calls.CHANGES_OWN_ONLY + (() if private else calls.ASKS_OWN_ONLY)
    for numbers, expected in rows:
        yield numbers, rules.own_only_rules(expected)
    if not private:
        numbers, expected = calls.ASKS_AFFINITY
        yield numbers, rules.own_only_rules(expected, errno.ENOSYS)


def load_seccomp(program: bytes) -> None:
    """Apply the filter `program` to this process and its children. Needs no_new_privs.

    Raises:
        OSError: the kernel refuses; the process is not filtered.

    """
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    holder = ctypes.create_string_buffer(fprog, len(fprog))
    filter_mode = 2  # SECCOMP_MODE_FILTER
    result = libc.prctl(_PR_SET_SECCOMP, filter_mode, ctypes.addressof(holder), 0, 0)
    check(result, "seccomp")
