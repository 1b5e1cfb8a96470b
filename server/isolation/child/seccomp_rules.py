"""Rules for the arguments of system calls, as instructions of a filter; standard library only.

A filter reads 64-bit arguments in halves. The kernel itself uses only the low half of the arguments
that are checked here (they are declared int or unsigned int), except clone's flags and pointers.

Sources: include/uapi/linux/{filter,seccomp,sched,fcntl,prctl,fs}.h, asm-generic/ioctls.h,
Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence

_LOAD, _AND, _JUMP_EQ, _JUMP_GT, _JUMP_GE, _JUMP_SET = 0x20, 0x54, 0x15, 0x25, 0x35, 0x45
_RETURN, _ALLOW, _ERRNO = 0x06, 0x7FFF0000, 0x00050000
_OFFSET_ARGS = 16
_MAX_JUMP = 255
"""Instructions that a jump can skip."""

# ---------------------------------------------------------------- instructions


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def load(offset: int) -> bytes:
    """Load a word of `struct seccomp_data`."""
    return _instruction(_LOAD, offset)


def _argument(index: int) -> bytes:
    return load(_OFFSET_ARGS + 8 * index)  # the low half: both architectures are little-endian


def _high_half(index: int) -> bytes:
    return load(_OFFSET_ARGS + 8 * index + 4)


def answer(code: int) -> bytes:
    """Return from the filter: the call returns the errno `code`; 0 is success without effect."""
    return _instruction(_RETURN, _ERRNO | code)


def allow() -> bytes:
    """Return from the filter: the kernel executes the call."""
    return _instruction(_RETURN, _ALLOW)


def when(value: int, body: Sequence[bytes]) -> list[bytes]:
    """Run `body` if the loaded word is `value`, else skip it."""
    assert len(body) <= _MAX_JUMP
    return [_instruction(_JUMP_EQ, value, 0, len(body)), *body]


def when_at_least(value: int, body: Sequence[bytes]) -> list[bytes]:
    """Run `body` if the loaded word is at least `value`, else skip it."""
    assert len(body) <= _MAX_JUMP
    return [_instruction(_JUMP_GE, value, 0, len(body)), *body]


def _when_any(bits: int, body: Sequence[bytes]) -> list[bytes]:
    return [_instruction(_JUMP_SET, bits, 0, len(body)), *body]


def unless(value: int, body: Sequence[bytes]) -> list[bytes]:
    """Run `body` unless the loaded word is `value`."""
    return [_instruction(_JUMP_EQ, value, len(body), 0), *body]


def when_call(number: int | None, body: Sequence[bytes]) -> list[bytes]:
    """Run `body` for one system call; if `body` does not return, the call is allowed."""
    return [] if number is None else when(number, [*body, allow()])


def _only(*allowed: int | range) -> list[bytes]:
    """Allow the call if the loaded word is among the values, else refuse it."""
    body: list[bytes] = []
    for each in allowed:
        if isinstance(each, int):
            body += when(each, [allow()])
        else:
            body += [_instruction(_JUMP_GE, each.start, 0, 2)]
            body += [_instruction(_JUMP_GT, each.stop - 1, 1, 0), allow()]
    return [*body, answer(errno.EPERM)]


# ---------------------------------------------------------------- processes

_SIGCHLD, _VM, _FS, _FILES, _SIGHAND, _VFORK = 17, 0x100, 0x200, 0x400, 0x800, 0x4000
_THREAD = 0x10000
# Where ids and thread-local storage are stored, and semaphores, which no run has (SYSVSEM).
_PIDFD, _SYSVSEM, _SETTLS, _PARENT_SETTID = 0x1000, 0x40000, 0x80000, 0x100000
_CHILD_CLEARTID, _DETACHED, _CHILD_SETTID = 0x200000, 0x400000, 0x1000000
_HARMLESS = _PIDFD | _SYSVSEM | _SETTLS | _PARENT_SETTID | _CHILD_CLEARTID | _DETACHED
_HARMLESS |= _CHILD_SETTID
_FORKS = (
    _SIGCHLD,  # fork
    _SIGCHLD | _VFORK | _VM,  # vfork, posix_spawn, Go's exec
    _SIGCHLD | _VFORK,
    _VM | _FS | _FILES | _SIGHAND | _THREAD,  # pthread_create, Go's threads
)


def clone_rules() -> list[bytes]:
    """Allow the flags of fork, vfork, posix_spawn and threads, as glibc, musl and Go use them.

    With other flags a child could have a parent outside its cell (CLONE_PARENT), enter new
    namespaces, be reaped without a signal, or share memory with a separately counted process.
    """
    body = [_high_half(0), *unless(0, [answer(errno.EPERM)]), _argument(0)]
    return [*body, _instruction(_AND, ~_HARMLESS & 0xFFFFFFFF), *_only(*_FORKS)]


_PRCTL_ALLOWED = (
    *(2, 3, 7, 13),  # PR_GET_PDEATHSIG, _DUMPABLE, _KEEPCAPS, _TIMING
    range(15, 17),  # PR_SET_NAME, PR_GET_NAME
    *(21, 23, 27),  # PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_SECUREBITS
    range(29, 31),  # PR_SET_TIMERSLACK, PR_GET_TIMERSLACK
    range(37, 43),  # PR_GET_CHILD_SUBREAPER, _NO_NEW_PRIVS, PR_GET_TID_ADDRESS, _THP_DISABLE
    47,  # PR_CAP_AMBIENT: a run has no capability to raise
    range(50, 53),  # PR_SVE_SET_VL, PR_SVE_GET_VL, PR_GET_SPECULATION_CTRL
    range(54, 57),  # PR_PAC_RESET_KEYS, PR_SET_TAGGED_ADDR_CTRL, PR_GET_TAGGED_ADDR_CTRL
    *(61, 63, 64, 66, 68),  # PR_PAC_GET_.., PR_SME_.., PR_GET_MDWE, PR_GET_MEMORY_MERGE
    range(74, 77),  # PR_GET_, PR_SET_, PR_LOCK_SHADOW_STACK_STATUS
    *(0x53564D41, 0x41555856),  # PR_SET_VMA, PR_GET_AUXV
)


def prctl_rules() -> list[bytes]:
    """Allow names, queries, and what C libraries do to their own process.

    Not PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER, which decide with which process it ends and
    which one reaps it; not PR_SET_DUMPABLE, because the supervisor must see the memory; not
    PR_SET_PTRACER; not PR_SET_MEMORY_MERGE, which makes the kernel search memory for copies; nor
    options of future kernels.
    """
    return [_argument(0), *_only(*_PRCTL_ALLOWED)]


def own_only_rules(expected: Sequence[tuple[int, int]], code: int = errno.EPERM) -> list[bytes]:
    """Allow a call about a process only if that process is the caller."""
    body: list[bytes] = []
    for argument, value in expected:
        body += [_argument(argument), *unless(value, [answer(code)])]
    return body


_OWN_CLOCKS = 0xFFFFFFF8
"""Negative clock ids are ~process << 3 | kind: from here on they mean process 0, the caller."""
_OF_A_THREAD = 4


def clock_rules() -> list[bytes]:
    """Refuse the clocks that show how much processor time another process has used.

    The clocks of threads exist only for the caller's own threads; see clock_getcpuclockid(3).
    """
    foreign = [*_when_any(_OF_A_THREAD, [allow()]), answer(errno.EINVAL)]
    return [
        _argument(0),
        *when_at_least(_OWN_CLOCKS, [allow()]),
        *when_at_least(0x80000000, foreign),
    ]


# ---------------------------------------------------------------- files

_O_DIRECT = {"x86_64": 0x4000, "aarch64": 0x10000}
_O_DSYNC = 0x1000
_F_SETFL = 4
_FCNTL_ALLOWED = (
    range(8),  # F_DUPFD to F_SETLKW
    *(9, 11, 16),  # F_GETOWN, F_GETSIG, F_GETOWN_EX
    range(36, 39),  # F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW
    *(1025, 1027, 1028),  # F_GETLEASE, F_DUPFD_QUERY, F_CREATED_QUERY
    *(1030, 1032),  # F_DUPFD_CLOEXEC, F_GETPIPE_SZ
    range(1033, 1036),  # F_ADD_SEALS, F_GET_SEALS, F_GET_RW_HINT
)
_RW_ALLOWED = 0x1 | 0x8 | 0x10 | 0x20 | 0x40
"""RWF_HIPRI, _NOWAIT, _APPEND, _NOAPPEND, _ATOMIC: not _DSYNC, _SYNC, nor _DONTCACHE (0x80)."""
_MADVISE_REFUSED = (12, 20, 21, 100, 101)
"""MADV_MERGEABLE, _COLD, _PAGEOUT, _HWPOISON, _SOFT_OFFLINE."""


def open_rules(machine: str, flags: int, *, private: bool) -> list[bytes]:
    """Refuse reads that bypass the page cache, because they delay other users of the disk.

    If the files are on a disk of the host, also refuse writes that wait for the disk.
    """
    refused = _O_DIRECT[machine] | (0 if private else _O_DSYNC)
    return [_argument(flags), *_when_any(refused, [answer(errno.EINVAL)])]


def fcntl_rules(machine: str) -> list[bytes]:
    """Allow descriptors, flags and locks.

    Not leases (F_SETLEASE), which delay others that open the file; nor signals about files to any
    process (F_NOTIFY, F_SETOWN); nor larger pipes (F_SETPIPE_SZ), whose number per user is limited.
    """
    flags = [_argument(2), *_when_any(_O_DIRECT[machine], [answer(errno.EINVAL)]), allow()]
    return [_argument(1), *when(_F_SETFL, flags), *_only(*_FCNTL_ALLOWED)]


def vectored_rules() -> list[bytes]:
    """Refuse flags of preadv2 and pwritev2 that bypass the page cache or wait for the disk."""
    return [
        _argument(5),
        *_when_any(~_RW_ALLOWED & 0xFFFFFFFF, [answer(errno.EOPNOTSUPP)]),
    ]


def madvise_rules() -> list[bytes]:
    """Refuse advice that drops others' data from memory, or makes the kernel compare pages."""
    body = [_argument(2)]
    for advice in _MADVISE_REFUSED:
        body += when(advice, [answer(errno.EINVAL)])
    return body


_IOCTLS_ALLOWED = (
    # Terminals: a run has none, and programs expect the kernel's answer (ENOTTY).
    # Not TIOCSTI (0x5412), TIOCLINUX (0x541C) and TIOCCONS (0x541D).
    range(0x5401, 0x5412),  # TCGETS to TIOCOUTQ, which is also SIOCOUTQ
    range(0x5413, 0x541C),  # TIOCGWINSZ to FIONREAD
    *(0x5421, 0x5422, 0x5429),  # FIONBIO, TIOCNOTTY, TIOCGSID
    *(0x5450, 0x5451, 0x5460),  # FIONCLEX, FIOCLEX, FIOQSIZE
    0x802C542A,  # TCGETS2
    0x8905,  # SIOCATMARK
)


def ioctl_rules() -> list[bytes]:
    """Allow the usual requests about pipes, sockets and terminals.

    Other requests would reach what Landlock doesn't cover: attributes of read-only files, network
    interfaces of the host, and through a pidfd the parent, users and cgroup of its process.
    """
    return [_argument(1), *_only(*_IOCTLS_ALLOWED)]


# ---------------------------------------------------------------- sockets

_MSG_FASTOPEN = 0x20000000
_AF_UNIX, _AF_INET, _AF_INET6, _SOCK_STREAM, _SOCK_TYPE_MASK = 1, 2, 10, 1, 0xF
_IPPROTO_TCP, _TCP_FASTOPEN_CONNECT, _SOL_SOCKET = 6, 30, 1
_SOCKET_OPTIONS = (7, 8, 32, 33, 26, 50, 51)
"""SO_SNDBUF, SO_RCVBUF, their FORCE forms, and programs that the kernel runs: SO_ATTACH_FILTER,
SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF."""


def send_rules(flags: int) -> list[bytes]:
    """Refuse to connect while sending (TCP Fast Open), which Landlock doesn't cover."""
    return [_argument(flags), *_when_any(_MSG_FASTOPEN, [answer(errno.EPERM)])]


def socket_rules(*, private: bool) -> list[bytes]:
    """Allow TCP, whose port Landlock checks, and nothing else: not MPTCP, which it doesn't cover.

    In a cell also Unix sockets: only the run's own ones are there, and multiprocessing needs them.
    """
    refuse = [answer(errno.EPERM)]
    families = [_instruction(_JUMP_EQ, _AF_INET, 2, 0), *unless(_AF_INET6, refuse)]
    return [
        _argument(0),
        *(when(_AF_UNIX, [allow()]) if private else []),
        *families,
        *socketpair_rules(),
        _argument(2),
        _instruction(_JUMP_EQ, 0, 2, 0),
        *unless(_IPPROTO_TCP, refuse),
    ]


def socketpair_rules() -> list[bytes]:
    """Allow stream pairs, which asyncio needs; a datagram pair could send to any named socket."""
    kind = [_argument(1), _instruction(_AND, _SOCK_TYPE_MASK)]
    return [*kind, *unless(_SOCK_STREAM, [answer(errno.EPERM)])]


def setsockopt_rules() -> list[bytes]:
    """Refuse TCP_FASTOPEN_CONNECT, which connects without a call that Landlock checks.

    Also refuse larger socket buffers: no limit counts their memory.
    """
    levels = ((_IPPROTO_TCP, (_TCP_FASTOPEN_CONNECT,)), (_SOL_SOCKET, _SOCKET_OPTIONS))
    body: list[bytes] = []
    for level, options in levels:
        refused = [_argument(2)]
        for option in options:
            refused += when(option, [answer(errno.EPERM)])
        body += [_argument(1), *when(level, refused)]
    return body
