"""The root file system of a cell: the interpreter, installed packages, certificates; read-only.

`paths_to_show` returns the host's paths to include; `build_root` mounts them under their own names
in a new root. Standard library only, for the cell maker.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping

from server.isolation.child import namespaces as ns

SCRATCH = "/scratch"
TEMPORARY_NAME = "tmp"
TEMPORARY = f"{SCRATCH}/{TEMPORARY_NAME}"
INODES_A_MIB = 256
"""How many files a run may have in scratch, for each MiB of its size."""
RUN_UID = 1000
"""The user of a run inside its cell; /etc/passwd calls it `agent`."""
DEVICES = ("null", "zero", "full", "random", "urandom")
_CERTIFICATES = (
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/ca-trust/extracted",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/lib/ssl",
)
_SYSTEM = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")
FILES = {
    "/etc/passwd": f"agent:x:{RUN_UID}:{RUN_UID}:agent:{SCRATCH}:/sbin/nologin\n",
    "/etc/group": f"agent:x:{RUN_UID}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
LINKS = {
    "/tmp": TEMPORARY,  # noqa: S108 - a run can write to one size-limited file system only
    "/dev/shm": TEMPORARY,  # noqa: S108
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}
_READ_ONLY = ns.ATTR_RDONLY | ns.ATTR_NOSUID | ns.ATTR_NODEV


def _library_folders() -> set[str]:
    """Return the folders with shared libraries for the dynamic loader, and no others."""
    multiarch = sysconfig.get_config_var("MULTIARCH")
    if multiarch and os.path.isdir(f"/usr/lib/{multiarch}"):
        return {f"/usr/lib/{multiarch}", f"/lib/{multiarch}", "/lib64", "/usr/lib64"}
    return {"/lib64", "/usr/lib64", "/usr/local/lib64", "/lib", "/usr/lib"}


def _interpreter_folders() -> set[str]:
    """Return the interpreter and its packages; for an interpreter in /usr not the rest of /usr."""
    found = {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    found |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= {sys.executable, os.path.realpath(sys.executable)}
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}:
        if prefix in {"/usr", "/usr/local", "/"}:
            found |= {f"{prefix}/lib/libpython{sys.version_info.major}.so"}
        else:
            found.add(prefix)
    return found


def paths_to_show() -> list[str]:
    """Return the host's paths that a run may read. All exist, and none is inside another."""
    wanted = _interpreter_folders() | _library_folders() | {*_CERTIFICATES, *_SYSTEM}
    existing = sorted({os.path.normpath(path) for path in wanted if os.path.exists(path)})
    shown: list[str] = []
    for path in existing:
        if not any(path == other or path.startswith(f"{other}/") for other in shown):
            shown.append(path)
    return shown


def build_root(base: str, paths: Iterable[str]) -> None:
    """Build a root in a new file system, mounted on the folder `base`, and change to it.

    /proc stays the host's until a cell mounts its own over it: the kernel lets an unprivileged
    process mount one only where one is visible (mount_namespaces(7)). Only the cell maker runs in
    this root.

    Raises:
        OSError: the kernel refuses.

    """
    ns.mount("tmpfs", base, "tmpfs", ns.MS_NOSUID | ns.MS_NODEV, "mode=755,size=4m")
    links: dict[str, str] = {}
    for path in sorted({link_parts(path, links) for path in paths}):
        _show(path, base)
    _make_links(links, base)
    for folder in (SCRATCH, "/proc", "/dev", "/etc"):
        os.makedirs(base + folder, exist_ok=True)
    for name in DEVICES:
        _show_file(f"/dev/{name}", base, ns.ATTR_NOSUID | ns.ATTR_NOEXEC)
    for path, text in FILES.items():
        with open(base + path, "w") as file:
            file.write(text)
    _make_links(LINKS, base)
    ns.mount("/proc", f"{base}/proc", "", 4096 | 16384)  # MS_BIND | MS_REC
    ns.change_root(base)
    ns.mount("none", "/", "", ns.MS_REMOUNT | ns.MS_RDONLY | ns.MS_NOSUID | ns.MS_NODEV, "")


def _make_links(links: Mapping[str, str], base: str) -> None:
    """Make symbolic links. /tmp becomes a folder instead if a path below it is shown."""
    for path, target in links.items():
        if not os.path.lexists(base + path):
            os.makedirs(os.path.dirname(base + path), exist_ok=True)
            os.symlink(target, base + path)


def _show(path: str, base: str) -> None:
    """Mount one path, none of whose parts is a link."""
    if os.path.isdir(path):
        os.makedirs(base + path, exist_ok=True)
        ns.bind(path, base + path, _READ_ONLY)
    else:
        _show_file(path, base, _READ_ONLY)


def link_parts(path: str, links: dict[str, str]) -> str:
    """Add each symbolic link on the way to `path` to `links`; return the path they lead to."""
    done = "/"
    parts = path.strip("/").split("/")
    for index, part in enumerate(parts):
        here = os.path.join(done, part)
        if os.path.islink(here):
            links[here] = os.readlink(here)
            target = os.path.join(done, links[here], *parts[index + 1 :])
            return link_parts(os.path.normpath(target), links)
        done = here
    return done


def _show_file(path: str, base: str, attributes: int) -> None:
    """Mount one file or device."""
    if os.path.lexists(base + path):
        return  # inside a folder that is mounted already
    os.makedirs(os.path.dirname(base + path), exist_ok=True)
    with open(base + path, "w"):
        pass
    ns.bind(path, base + path, attributes)
