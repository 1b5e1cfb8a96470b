"""Landlock rules: which files and which TCP port a run can use. Standard library only.

A process can't take off rules that it has put on itself. Sources: the kernel's
Documentation/userspace-api/landlock.rst; include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable

from server.isolation.child.libc import check, libc

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
_FS_TRUNCATE, _FS_IOCTL_DEV = 1 << 14, 1 << 15
_FS_READ = _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR
_FS_OF_FILES = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | _FS_TRUNCATE | _FS_IOCTL_DEV
# No rule ever grants making device nodes.
_FS_MAKE_CHAR, _FS_MAKE_BLOCK = 1 << 6, 1 << 11
_NET_BIND_TCP, _NET_CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1, 2
MINIMUM_LANDLOCK_ABI = 4
"""The first version with rules for TCP ports (Linux 6.7)."""


def landlock_abi() -> int:
    """Return the Landlock ABI version of this kernel; 0 without Landlock."""
    if sys.platform != "linux":
        return 0
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return max(0, int(version))


def _fs_rights(abi: int) -> int:
    """Return all file-system rights of the ABI version `abi`."""
    rights = (1 << 13) - 1
    for since, right in ((2, 1 << 13), (3, _FS_TRUNCATE), (5, _FS_IOCTL_DEV)):
        rights |= right if abi >= since else 0
    return rights


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # lists of usual paths name some that don't exist here; those grant nothing
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
    """Return a descriptor of Landlock rules for some files and one TCP port.

    A run may read and execute `readable` trees, also change `writable` ones, and read and write
    `devices`. Without `port` it can't make TCP connections. From ABI 6 on, it can neither signal
    processes outside its tree nor connect to their abstract Unix sockets.

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
    """Apply `ruleset` to this process and its future children, and close it. Needs no_new_privs.

    Raises:
        OSError: the kernel refuses; nothing is restricted.

    """
    restricted = libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, ctypes.c_uint(0))
    check(int(restricted), "landlock_restrict_self")
    os.close(ruleset)


def readable_paths() -> list[str]:
    """Return the paths that Python programs must read: interpreter, packages, certificates."""
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
