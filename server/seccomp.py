"""The system-call filter of a run: refuses what no agent has business with. Standard library only.

Sources: the kernel's Documentation/userspace-api/seccomp_filter.rst; include/uapi/linux/{seccomp,
filter,audit}.h; the numbers from arch/x86/entry/syscalls/syscall_64.tbl and
include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Sequence

from server.libc import PR_SET_PDEATHSIG, check, libc

FILTERS = ("shared", "private")
"""For a run that shares the host's files and network, and for one that has its own."""
# What a run may do where its files, its network and its processes are its own.
_HARMLESS_IN_PRIVATE = {"setpgid", "setsid", "listen"}

_PR_SET_SECCOMP = 22
_PR_SET_DUMPABLE = 4
_LOAD, _AND, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_OFFSET_NR, _OFFSET_ARCH, _OFFSET_ARGS = 0, 4, 16
_X32_BIT = 0x40000000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_UNKNOWN = 467
"""The first system call (of Linux 6.15) that nobody looked at: from there on none is there."""
_NAMESPACE_FLAGS = 0x7E020080  # all CLONE_NEW*
_MSG_FASTOPEN = 0x20000000
_AF_UNIX, _AF_INET, _AF_INET6, _SOCK_STREAM, _SOCK_TYPE_MASK = 1, 2, 10, 1, 0xF
_IPPROTO_TCP, _TCP_FASTOPEN_CONNECT = 6, 30
# From linux/fs.h and linux/fsverity.h: attributes of a file that can only be read.
_FILE_IOCTLS = (
    0x40086602,  # FS_IOC_SETFLAGS
    0x40046602,  # FS_IOC32_SETFLAGS
    0x401C5820,  # FS_IOC_FSSETXATTR
    0x40087602,  # FS_IOC_SETVERSION
    0x40047602,  # FS_IOC32_SETVERSION
    0x40806685,  # FS_IOC_ENABLE_VERITY
)
_SOL_SOCKET, _BUFFER_OPTIONS = 1, (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF and their FORCE forms

# name: (x86_64, aarch64); None where the architecture has no such call
_SYSCALLS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "prctl": (157, 167),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "setsockopt": (54, 208),
    "clone": (56, 220),
    "clone3": (435, 435),
    "ioctl": (16, 29),
}
# Calls that act on a process: refused unless their arguments name the caller itself, as
# (argument, value that does). PRIO_USER would reach all processes of the user.
_OWN_ONLY: tuple[tuple[tuple[int, int], tuple[tuple[int, int], ...]], ...] = (
    ((302, 261), ((0, 0),)),  # prlimit64
    ((203, 122), ((0, 0),)),  # sched_setaffinity
    ((144, 119), ((0, 0),)),  # sched_setscheduler
    ((142, 118), ((0, 0),)),  # sched_setparam
    ((314, 274), ((0, 0),)),  # sched_setattr
    ((141, 140), ((0, 0), (1, 0))),  # setpriority: PRIO_PROCESS, 0
    ((251, 30), ((0, 1), (1, 0))),  # ioprio_set: IOPRIO_WHO_PROCESS, 0
)
# Landlock does not cover the modes, owners and times of files. Refused, they would break copying
# files inside the scratch folder; so they succeed without effect.
_WITHOUT_EFFECT: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
# Extended attributes, likewise: ENOTSUP is what a file system without them says.
_NOT_SUPPORTED: dict[str, tuple[int | None, int | None]] = {
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
}
# Refused outright: ways to other processes, to the kernel's inside, out of the process group,
# round Landlock, to memory that no limit counts, or to what the whole machine has few of (io_setup:
# 65,536 by default, in /proc/sys/fs/aio-max-nr). io_uring would do file and socket work that the
# filter doesn't see; listen without bind takes a port that Landlock doesn't see.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "setpgid": (109, 154),
    "setsid": (112, 157),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "io_destroy": (207, 1),
    "io_getevents": (208, 4),
    "io_submit": (209, 2),
    "io_cancel": (210, 3),
    "io_pgetevents": (333, 292),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "personality": (135, 92),
    "iopl": (172, None),
    "ioperm": (173, None),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "shmget": (29, 194),
    "shmctl": (31, 195),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "msgctl": (71, 187),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "semget": (64, 190),
    "semctl": (66, 191),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "listen": (50, 201),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
}


def seccomp_supported() -> bool:
    """Return whether the filter knows this machine's architecture."""
    return platform.machine() in _AUDIT_ARCH


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(code: int = errno.EPERM) -> bytes:
    return _instruction(_RETURN, _ERRNO | code)


def _load_argument(index: int) -> bytes:
    return _instruction(_LOAD, _OFFSET_ARGS + 8 * index)  # the low half: both are little-endian


def _when_call(number: int | None, body: Sequence[bytes]) -> list[bytes]:
    """Run `body` for one system call; it must return, or fall out at its end to be allowed."""
    if number is None:
        return []
    whole = [*body, _instruction(_RETURN, _ALLOW)]
    return [_instruction(_JUMP_EQ, number, 0, len(whole)), *whole]


def _refuse_flag(number: int | None, argument: int, flags: int) -> list[bytes]:
    test = [_load_argument(argument), _instruction(_JUMP_SET, flags, 0, 1), _refuse()]
    return _when_call(number, test)


def _socket_rules(number: int | None, *, private: bool) -> list[bytes]:
    """Allow TCP (Landlock sees to the port) and nothing else: not MPTCP, which it doesn't see.

    In a cell also Unix sockets: none but the run's own can be found there, and multiprocessing
    needs them.
    """
    unix = [_instruction(_JUMP_EQ, _AF_UNIX, 0, 1), _instruction(_RETURN, _ALLOW)]
    return _when_call(
        number,
        [
            _load_argument(0),
            *(unix if private else []),
            _instruction(_JUMP_EQ, _AF_INET, 2, 0),
            _instruction(_JUMP_EQ, _AF_INET6, 1, 0),
            _refuse(),
            _load_argument(1),
            _instruction(_AND, _SOCK_TYPE_MASK),
            _instruction(_JUMP_EQ, _SOCK_STREAM, 1, 0),
            _refuse(),
            _load_argument(2),
            _instruction(_JUMP_EQ, 0, 2, 0),
            _instruction(_JUMP_EQ, _IPPROTO_TCP, 1, 0),
            _refuse(),
        ],
    )


def _socketpair_rules(number: int | None) -> list[bytes]:
    """Allow stream pairs, which asyncio needs; a datagram one could send to any named socket."""
    return _when_call(
        number,
        [
            _load_argument(1),
            _instruction(_AND, _SOCK_TYPE_MASK),
            _instruction(_JUMP_EQ, _SOCK_STREAM, 1, 0),
            _refuse(),
        ],
    )


def _prctl_rules(number: int | None) -> list[bytes]:
    """Refuse PR_SET_PDEATHSIG, for a run must not unlearn to die with its keeper.

    And PR_SET_DUMPABLE, for its supervisor must see how much memory it has.
    """
    body = [_load_argument(0)]
    for option in (PR_SET_PDEATHSIG, _PR_SET_DUMPABLE):
        body += [_instruction(_JUMP_EQ, option, 0, 1), _refuse()]
    return _when_call(number, body)


def _refused_numbers(column: int, *, private: bool) -> list[tuple[int, int]]:
    """Return system calls that are never let through, and what they answer instead."""
    refused = {
        name: row
        for name, row in _REFUSED.items()
        if not (private and name in _HARMLESS_IN_PRIVATE)
    }
    tables = [(refused, errno.EPERM)]
    if not private:
        tables += [(_WITHOUT_EFFECT, 0), (_NOT_SUPPORTED, errno.ENOTSUP)]
    return [
        (number, code)
        for calls, code in tables
        for row in calls.values()
        if (number := row[column]) is not None
    ]


def _own_only_rules(number: int, expected: Sequence[tuple[int, int]]) -> list[bytes]:
    """Allow a call that acts on a process only where it acts on the caller."""
    body: list[bytes] = []
    for argument, value in expected:
        body += [_load_argument(argument), _instruction(_JUMP_EQ, value, 1, 0), _refuse()]
    return _when_call(number, body)


def _setsockopt_rules(number: int | None) -> list[bytes]:
    """Refuse TCP_FASTOPEN_CONNECT, which connects without a connect that Landlock sees.

    And larger socket buffers: no limit counts their memory.
    """
    levels = ((_IPPROTO_TCP, (_TCP_FASTOPEN_CONNECT,)), (_SOL_SOCKET, _BUFFER_OPTIONS))
    body: list[bytes] = []
    for level, options in levels:
        refused = [_load_argument(2)]
        for option in options:
            refused += [_instruction(_JUMP_EQ, option, 0, 1), _refuse()]
        body += [_load_argument(1), _instruction(_JUMP_EQ, level, 0, len(refused)), *refused]
    return _when_call(number, body)


def _ioctl_rules(number: int | None) -> list[bytes]:
    """Refuse to change attributes of files, which Landlock doesn't see."""
    body = [_load_argument(1)]
    for request in _FILE_IOCTLS:
        body += [_instruction(_JUMP_EQ, request, 0, 1), _refuse()]
    return _when_call(number, body)


def seccomp_program(name: str, machine: str | None = None) -> bytes:
    """Return one of `FILTERS` as an array of `struct sock_filter`.

    Raises:
        OSError: the architecture is not one of those it is written for.

    """
    machine = machine or platform.machine()
    if machine not in _AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no seccomp filter for {machine}")
    private = name == "private"
    column = 0 if machine == "x86_64" else 1
    numbers = {name: row[column] for name, row in _SYSCALLS.items()}
    program = [
        _instruction(_LOAD, _OFFSET_ARCH),
        _instruction(_JUMP_EQ, _AUDIT_ARCH[machine], 1, 0),
        _refuse(),
        _instruction(_LOAD, _OFFSET_NR),
    ]
    if machine == "x86_64":
        program += [_instruction(_JUMP_GE, _X32_BIT, 0, 1), _refuse()]
    # As an older kernel would answer: programs know what to do then.
    program += [_instruction(_JUMP_GE, _UNKNOWN, 0, 1), _refuse(errno.ENOSYS)]
    for number, code in _refused_numbers(column, private=private):
        program += [_instruction(_JUMP_EQ, number, 0, 1), _refuse(code)]
    for rows, expected in _OWN_ONLY:
        program += _own_only_rules(rows[column], expected)
    # clone3 hides its flags behind a pointer; with ENOSYS the C library falls back to clone.
    program += _when_call(numbers["clone3"], [_refuse(errno.ENOSYS)])
    program += _refuse_flag(numbers["clone"], 0, _NAMESPACE_FLAGS)
    program += _refuse_flag(numbers["sendto"], 3, _MSG_FASTOPEN)
    program += _refuse_flag(numbers["sendmsg"], 2, _MSG_FASTOPEN)
    program += _refuse_flag(numbers["sendmmsg"], 3, _MSG_FASTOPEN)
    program += _socket_rules(numbers["socket"], private=private)
    if not private:
        program += _socketpair_rules(numbers["socketpair"])
    program += _prctl_rules(numbers["prctl"])
    program += _setsockopt_rules(numbers["setsockopt"])
    program += _ioctl_rules(numbers["ioctl"])
    program.append(_instruction(_RETURN, _ALLOW))
    return b"".join(program)


def load_seccomp(program: bytes) -> None:
    """Put this process and its children under `program`. Needs no_new_privs.

    Raises:
        OSError: the kernel refuses; the process is not filtered.

    """
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    holder = ctypes.create_string_buffer(fprog, len(fprog))
    filter_mode = 2  # SECCOMP_MODE_FILTER
    result = libc.prctl(_PR_SET_SECCOMP, filter_mode, ctypes.addressof(holder), 0, 0)
    check(result, "seccomp")
