"""What a child does to itself before user code runs: rlimits, capabilities, Landlock, seccomp.

Standard library only, and importable from a bare interpreter: `run_keeper.py` loads it in a process
that holds nothing of the server. Nothing here can be undone by the process that called it.

Sources: the kernel's Documentation/userspace-api/landlock.rst, seccomp_filter.rst and
no_new_privs.rst; include/uapi/linux/{landlock,seccomp,filter,capability,prctl}.h; syscall numbers
from arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. CPU, memory, processes and scratch are of its whole process tree."""

    cpu_s: float = 30.0
    wall_s: float = 60.0
    memory_mib: int = 512
    processes: int = 64
    scratch_mib: int = 64
    output_kib: int = 1024
    """Of each of the two output streams."""


_libc = ctypes.CDLL(None, use_errno=True)
if sys.platform == "linux":  # elsewhere nothing below is called: the tier report says so
    _libc.syscall.restype = ctypes.c_long
    _libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _prctl(option: int, value: int = 0) -> None:
    _check(_libc.prctl(option, value, 0, 0, 0), f"prctl {option}")


def become_subreaper() -> None:
    """Make orphaned descendants children of this process, so that none is lost from sight."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent, process `parent`, ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


# ---------------------------------------------------------------- rlimits and capabilities

_M_ARENA_MAX = -8
_THREAD_STACK = 2 * MIB


def economise_address_space() -> None:
    """Leave room for many threads under RLIMIT_AS: each would reserve 8 MiB, each arena 64 MiB.

    Both are reservations, not use. Sources: mallopt(3), pthread_setattr_default_np(3).
    """
    _libc.mallopt(_M_ARENA_MAX, 1)
    attributes = ctypes.create_string_buffer(64)  # sizeof(pthread_attr_t) on 64-bit machines
    if _libc.pthread_attr_init(attributes) == 0:
        _libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(_THREAD_STACK))
        _libc.pthread_setattr_default_np(attributes)


def limit_resources(limits: Limits) -> None:
    """Set the rlimits of this process; its children inherit them.

    They bound one process each; sums over the tree are watched by the keeper.
    """
    memory, scratch = limits.memory_mib * MIB, limits.scratch_mib * MIB
    cpu = max(1, int(limits.cpu_s + 0.999))
    for kind, soft, hard in (
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CPU, cpu, cpu + 1),  # SIGXCPU, then SIGKILL
        (resource.RLIMIT_FSIZE, scratch, scratch),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NOFILE, 256, 256),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
    ):
        allowed = resource.getrlimit(kind)[1]  # what the server itself was given
        most = hard if allowed == resource.RLIM_INFINITY else min(hard, allowed)
        resource.setrlimit(kind, (min(soft, most), most))


def limit_tasks(most: int) -> None:
    """Bound the processes and threads of this user, as seen by this process; not kept for root."""
    allowed = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def drop_privileges() -> None:
    """Give up every capability, for good; with no_new_privs, exec can't bring one back."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # EINVAL past the last one; EPERM without CAP_SETPCAP, when there is none to drop
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    _check(_libc.capset(header, struct.pack("=6I", *[0] * 6)), "capset")


# ---------------------------------------------------------------- Landlock

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
_FS_TRUNCATE, _FS_IOCTL_DEV = 1 << 14, 1 << 15
_FS_READ = _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR
_FS_OF_FILES = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | _FS_TRUNCATE | _FS_IOCTL_DEV
# Making device nodes and sockets is granted nowhere.
_FS_MAKE_CHAR, _FS_MAKE_SOCK, _FS_MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
_NET_BIND_TCP, _NET_CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1, 2
MINIMUM_LANDLOCK_ABI = 4
"""The first that can keep a program from connecting to other TCP ports (Linux 6.7)."""


def landlock_abi() -> int:
    """Return the Landlock ABI version of this kernel; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    version = _libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return max(0, int(version))


def _fs_rights(abi: int) -> int:
    """Return every file-system right that ABI `abi` can handle."""
    rights = (1 << 13) - 1
    for since, right in ((2, 1 << 13), (3, _FS_TRUNCATE), (5, _FS_IOCTL_DEV)):
        rights |= right if abi >= since else 0
    return rights


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # one of a list of usual places; a missing one grants nothing
    try:
        if not os.path.isdir(path):
            rights &= _FS_OF_FILES
        rule = struct.pack("=Qi", rights, descriptor)
        result = _libc.syscall(
            _LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, ctypes.c_uint(0)
        )
        _check(int(result), f"landlock_add_rule {path}")
    finally:
        os.close(descriptor)


def restrict_with_landlock(
    *, readable: Iterable[str], writable: Iterable[str], devices: Iterable[str], port: int | None
) -> None:
    """Confine this process and its children to some files and one TCP port.

    `readable` trees may be read and executed, `writable` ones also changed, `devices` read and
    written. Without `port` no TCP connection can be made. On ABI 6 and later, signals and abstract
    Unix sockets end at the process tree.

    Raises:
        OSError: the kernel refuses; nothing is confined.

    """
    abi = landlock_abi()
    handled = _fs_rights(abi)
    scopes = _SCOPE_ABSTRACT_UNIX_SOCKET | _SCOPE_SIGNAL if abi >= 6 else 0
    attributes = struct.pack("=QQQ", handled, _NET_BIND_TCP | _NET_CONNECT_TCP, scopes)
    attributes = attributes[: 24 if abi >= 6 else 16]
    size = ctypes.c_size_t(len(attributes))
    created = _libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, size, ctypes.c_uint(0))
    ruleset = _check(int(created), "landlock_create_ruleset")
    changeable = handled & ~(_FS_MAKE_CHAR | _FS_MAKE_SOCK | _FS_MAKE_BLOCK)
    for paths, rights in (
        (readable, _FS_READ),
        (writable, changeable),
        (devices, _FS_READ_FILE | _FS_WRITE_FILE),
    ):
        for path in paths:
            _allow_path(ruleset, path, rights & handled)
    if port is not None:
        rule = struct.pack("=QQ", _NET_CONNECT_TCP, port)
        added = _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _RULE_NET_PORT, rule, ctypes.c_uint(0))
        _check(int(added), "landlock_add_rule port")
    restricted = _libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, ctypes.c_uint(0))
    _check(int(restricted), "landlock_restrict_self")
    os.close(ruleset)


def readable_paths() -> list[str]:
    """Return what a Python program needs to read: interpreter, packages, certificates."""
    interpreter = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    interpreter |= {os.path.dirname(os.path.realpath(sys.executable))}
    packages = {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"]
    system += ["/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/pki/tls"]
    system += ["/etc/pki/ca-trust", "/usr/share/ca-certificates", "/usr/share/zoneinfo"]
    system += ["/etc/localtime", "/etc/nsswitch.conf", "/etc/hosts", "/usr/share/locale"]
    return sorted(interpreter | packages) + system


READ_WRITE_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
READ_ONLY_DEVICES = ("/dev/urandom", "/dev/random")

# ---------------------------------------------------------------- seccomp

_LOAD, _AND, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_OFFSET_NR, _OFFSET_ARCH, _OFFSET_ARGS = 0, 4, 16
_X32_BIT = 0x40000000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NAMESPACE_FLAGS = 0x7E020080  # all CLONE_NEW*
_MSG_FASTOPEN = 0x20000000
_AF_INET, _AF_INET6, _SOCK_STREAM, _SOCK_TYPE_MASK = 2, 10, 1, 0xF
_IPPROTO_TCP, _TCP_FASTOPEN_CONNECT = 6, 30
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
# round Landlock, or to memory that no limit counts. io_uring would do file and socket work that the
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


def _socket_rules(number: int | None) -> list[bytes]:
    """Allow TCP (Landlock sees to the port) and nothing else: not MPTCP, which it doesn't see."""
    return _when_call(
        number,
        [
            _load_argument(0),
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


def seccomp_program(machine: str | None = None) -> bytes:
    """Return the filter as an array of `struct sock_filter`.

    Raises:
        OSError: the architecture is not one of those it is written for.

    """
    machine = machine or platform.machine()
    if machine not in _AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no seccomp filter for {machine}")
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
    for calls, code in (
        (_REFUSED, errno.EPERM),
        (_WITHOUT_EFFECT, 0),
        (_NOT_SUPPORTED, errno.ENOTSUP),
    ):
        for row in calls.values():
            number = row[column]
            if number is not None:
                program += [_instruction(_JUMP_EQ, number, 0, 1), _refuse(code)]
    for rows, expected in _OWN_ONLY:
        program += _own_only_rules(rows[column], expected)
    # clone3 hides its flags behind a pointer; with ENOSYS the C library falls back to clone.
    program += _when_call(numbers["clone3"], [_refuse(errno.ENOSYS)])
    program += _refuse_flag(numbers["clone"], 0, _NAMESPACE_FLAGS)
    program += _refuse_flag(numbers["sendto"], 3, _MSG_FASTOPEN)
    program += _refuse_flag(numbers["sendmsg"], 2, _MSG_FASTOPEN)
    program += _refuse_flag(numbers["sendmmsg"], 3, _MSG_FASTOPEN)
    program += _socket_rules(numbers["socket"])
    program += _socketpair_rules(numbers["socketpair"])
    # Refusing PR_SET_PDEATHSIG: a run must not unlearn to die with its keeper.
    program += _when_call(
        numbers["prctl"],
        [_load_argument(0), _instruction(_JUMP_EQ, _PR_SET_PDEATHSIG, 0, 1), _refuse()],
    )
    program += _setsockopt_rules(numbers["setsockopt"])
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
    result = _libc.prctl(_PR_SET_SECCOMP, filter_mode, ctypes.addressof(holder), 0, 0)
    _check(result, "seccomp")
