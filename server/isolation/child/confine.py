"""What a child does to itself before user code runs: rlimits, capabilities, Landlock.

Standard library only, and importable from a bare interpreter: `tree_supervisor.py` loads it in a
process that holds nothing of the server. Nothing here can be undone by the process that called it.

Sources: the kernel's Documentation/userspace-api/landlock.rst and no_new_privs.rst;
include/uapi/linux/{landlock,capability,prctl}.h.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable

from server.isolation.child.libc import PR_SET_PDEATHSIG, check, libc, use_one_heap
from server.limits import MIB, Limits

_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4


def _prctl(option: int, value: int = 0) -> None:
    check(libc.prctl(option, value, 0, 0, 0), f"prctl {option}")


def become_subreaper() -> None:
    """Make orphaned descendants children of this process, so that none is lost from sight."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent, process `parent`, ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


# ---------------------------------------------------------------- rlimits and capabilities

_THREAD_STACK = 2 * MIB
_LEAST_ROOM = 64 * MIB
_RLIMIT_SIGPENDING = 11  # include/uapi/asm-generic/resource.h; Python has no name for it
_SIGNALS = 128
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IOPRIO_WHO_PROCESS, _LAST_OF_BEST_EFFORT = 1, 2 << 13 | 7


def economise_address_space() -> None:
    """Leave room for many threads under RLIMIT_AS: each would reserve 8 MiB, each arena 64 MiB.

    Both are reservations, not use. Source: pthread_setattr_default_np(3).
    """
    use_one_heap()
    attributes = ctypes.create_string_buffer(64)  # sizeof(pthread_attr_t) on 64-bit machines
    if libc.pthread_attr_init(attributes) == 0:
        libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(_THREAD_STACK))
        libc.pthread_setattr_default_np(attributes)


def address_space() -> int:
    """Return the bytes of address space that this process has taken so far."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def limit_resources(limits: Limits, *, taken: int = 0) -> None:
    """Set the rlimits of this process; its children inherit them.

    They bound one process each; sums over the tree are its supervisor's business. `taken` bytes of
    address space were in use before the program came: some room is left to it above them.
    """
    memory = max(limits.memory_mib * MIB, taken + _LEAST_ROOM)
    scratch = limits.scratch_mib * MIB
    cpu = max(1, int(limits.cpu_s + 0.999))
    for kind, soft, hard in (
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CPU, cpu, cpu + 1),  # SIGXCPU, then SIGKILL
        (resource.RLIMIT_FSIZE, scratch, scratch),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NOFILE, 256, 256),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        # Counted for whoever made the user namespace as well: all runs and the server share it.
        (_RLIMIT_SIGPENDING, _SIGNALS, _SIGNALS),
    ):
        allowed = resource.getrlimit(kind)[1]  # what the server itself was given
        most = hard if allowed == resource.RLIM_INFINITY else min(hard, allowed)
        resource.setrlimit(kind, (min(soft, most), most))


def limit_tasks(most: int) -> None:
    """Bound the processes and threads of this user, as seen by this process; not kept for root."""
    allowed = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def go_last_at_the_disk() -> None:
    """Have others' reads and writes go before those of this process and its children.

    Schedulers of disks that know priorities follow it, others don't; see ioprio_set(2).
    """
    if sys.platform == "linux":
        number = _IOPRIO_SET.get(os.uname().machine, -1)
        libc.syscall(number, _IOPRIO_WHO_PROCESS, 0, _LAST_OF_BEST_EFFORT)


def set_no_new_privileges() -> None:
    """Have exec give nothing that this process doesn't have; Landlock and seccomp need it."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def set_inspectable(value: bool) -> None:
    """Say whether others of this process's user may read its /proc entries; see proc(5).

    A change of user takes that from a process, from its own threads too.
    """
    _prctl(_PR_SET_DUMPABLE, int(value))


def drop_privileges() -> None:
    """Give up every capability, for good; with no_new_privs, exec can't bring one back."""
    set_no_new_privileges()
    for capability in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # EINVAL past the last one; EPERM without CAP_SETPCAP, when there is none to drop
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    check(libc.capset(header, struct.pack("=6I", *[0] * 6)), "capset")


# ---------------------------------------------------------------- Landlock

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
_FS_TRUNCATE, _FS_IOCTL_DEV = 1 << 14, 1 << 15
_FS_READ = _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR
_FS_OF_FILES = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | _FS_TRUNCATE | _FS_IOCTL_DEV
# Making device nodes is granted nowhere.
_FS_MAKE_CHAR, _FS_MAKE_BLOCK = 1 << 6, 1 << 11
_NET_BIND_TCP, _NET_CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1, 2
MINIMUM_LANDLOCK_ABI = 4
"""The first that can keep a program from connecting to other TCP ports (Linux 6.7)."""


def landlock_abi() -> int:
    """Return the Landlock ABI version of this kernel; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))
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
        result = libc.syscall(
            _LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, ctypes.c_uint(0)
        )
        check(int(result), f"landlock_add_rule {path}")
    finally:
        os.close(descriptor)


def make_ruleset(
    *, readable: Iterable[str], writable: Iterable[str], devices: Iterable[str], port: int | None
) -> int:
    """Return a descriptor of Landlock rules: some files, and one TCP port.

    `readable` trees may be read and executed, `writable` ones also changed, `devices` read and
    written. Without `port` no TCP connection can be made. On ABI 6 and later, signals and abstract
    Unix sockets end at the process tree.

    Raises:
        OSError: the kernel refuses.

    """
    abi = landlock_abi()
    handled = _fs_rights(abi)
    scopes = _SCOPE_ABSTRACT_UNIX_SOCKET | _SCOPE_SIGNAL if abi >= 6 else 0
    attributes = struct.pack("=QQQ", handled, _NET_BIND_TCP | _NET_CONNECT_TCP, scopes)
    attributes = attributes[: 24 if abi >= 6 else 16]
    size = ctypes.c_size_t(len(attributes))
    created = libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, size, ctypes.c_uint(0))
    ruleset = check(int(created), "landlock_create_ruleset")
    changeable = handled & ~(_FS_MAKE_CHAR | _FS_MAKE_BLOCK)
    for paths, rights in (
        (readable, _FS_READ),
        (writable, changeable),
        (devices, _FS_READ_FILE | _FS_WRITE_FILE),
    ):
        for path in paths:
            _allow_path(ruleset, path, rights & handled)
    if port is not None:
        rule = struct.pack("=QQ", _NET_CONNECT_TCP, port)
        added = libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _RULE_NET_PORT, rule, ctypes.c_uint(0))
        check(int(added), "landlock_add_rule port")
    return ruleset


def restrict_with_landlock(ruleset: int) -> None:
    """Put this process and its children under `ruleset`, and close it. Needs no_new_privs.

    Raises:
        OSError: the kernel refuses; nothing is confined.

    """
    restricted = libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, ctypes.c_uint(0))
    check(int(restricted), "landlock_restrict_self")
    os.close(ruleset)


def readable_paths() -> list[str]:
    """Return what a Python program needs to read: interpreter, packages, certificates."""
    interpreter = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    interpreter |= {os.path.dirname(os.path.realpath(sys.executable))}
    packages = {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"]
    system += ["/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/pki/tls"]
    system += ["/etc/pki/ca-trust", "/usr/share/ca-certificates", "/usr/share/zoneinfo"]
    system += ["/usr/local/share/ca-certificates"]
    system += ["/etc/localtime", "/etc/nsswitch.conf", "/etc/hosts", "/usr/share/locale"]
    return sorted(interpreter | packages) + system


READ_WRITE_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
READ_ONLY_DEVICES = ("/dev/urandom", "/dev/random")
