"""Namespaces, mounts and id maps: the system calls that make a cell. Standard library only.

Sources: namespaces(7), user_namespaces(7), mount_namespaces(7), mount_setattr(2), pivot_root(2);
include/uapi/linux/{sched,mount}.h.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

from server.isolation.child.libc import check, libc

USER, MOUNT, PID, NET, IPC, UTS = (
    0x10000000,
    0x00020000,
    0x20000000,
    0x40000000,
    0x08000000,
    0x04000000,
)
KINDS = {"user": USER, "mnt": MOUNT, "pid": PID, "net": NET, "ipc": IPC, "uts": UTS}
"""By their names in /proc/self/ns."""

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2
_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 1, 2, 4, 8
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def unshare(flags: int) -> None:
    """Move this process into new namespaces. Raises OSError."""
    check(libc.unshare(flags), "unshare")


def enter(namespace: int, kind: int) -> None:
    """Move this process into the namespace of the descriptor `namespace`. Raises OSError."""
    check(libc.setns(namespace, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system. Raises OSError."""
    result = libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    check(result, f"mount {target}")


def make_mounts_private() -> None:
    """Hide later mounts of this process from the host, and those of the host from this process."""
    mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def bind(source: str, target: str, attributes: int) -> None:
    """Bind-mount `source`, with all mounts below it, on `target`, with `ATTR_` bits set."""
    mount(source, target, "", _MS_BIND | _MS_REC)
    structure = struct.pack("=QQQQ", attributes, 0, 0, 0)  # struct mount_attr
    result = libc.syscall(
        _MOUNT_SETATTR,
        _AT_FDCWD,
        target.encode(),
        ctypes.c_uint(_AT_RECURSIVE),
        structure,
        ctypes.c_size_t(len(structure)),
    )
    check(int(result), f"mount_setattr {target}")


def change_root(folder: str) -> None:
    """Make the mounted `folder` the root, and unmount the old one. Raises OSError."""
    os.chdir(folder)
    result = libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b".")
    check(int(result), "pivot_root")
    check(libc.umount2(b".", _MNT_DETACH), "umount the old root")
    os.chdir("/")


def write_id_maps(process: int | str, uids: str, gids: str, *, may_set_groups: bool) -> None:
    """Write the id maps of the user namespace of `process`: lines of "inside outside count".

    A process without privileges outside may map one id, its own, and must give up setgroups first.

    Raises:
        OSError: the kernel refuses.

    """
    folder = Path("/proc", str(process))
    if not may_set_groups:
        (folder / "setgroups").write_text("deny")
    (folder / "gid_map").write_text(gids)
    (folder / "uid_map").write_text(uids)


def bring_loopback_up() -> None:
    """Activate 127.0.0.1 and ::1 in a new network namespace, its only interface. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("=16sH14x", b"lo", _IFF_UP)  # struct ifreq
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def open_namespaces() -> dict[str, int]:
    """Return descriptors of this process's namespaces, by their names in /proc/self/ns."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    return {name: os.open(f"/proc/self/ns/{name}", flags) for name in KINDS}
