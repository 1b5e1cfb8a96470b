"""The cgroups of one run, where this server may make any; standard library only.

Two kinds, both named `agent-run-PID-N` after the server's process:

- An accounting cgroup for each run that takes longer than a moment. The kernel then counts the
  memory and the processor time of all processes of the run, including processes that were never
  waited for and files in scratch, and gives the whole run one weight for the processor and the
  disk. Where the kernel offers no cgroup, the run's supervisor sums /proc instead
  (`resource_monitor.py`), which is later and coarser. Joining a cgroup can take 15 ms on an idle
  machine, because the kernel waits for a grace period: so short runs get none.
- A pids cgroup, which caps processes and threads, for runs that share root's user. Other users
  have RLIMIT_NPROC instead, which counts all processes of the user and which the kernel does not
  apply to root.

Sources: Documentation/admin-guide/cgroup-v2.rst and
cgroup-v1/{memory,cpuacct,blkio-controller,pids}.rst.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from server.isolation.child.channel import send
from server.limits import MIB

PREFIX = "agent-run-"
_numbers = itertools.count()
_MOUNT = Path("/sys/fs/cgroup")
_ACCOUNTING_VERSION_1 = ("memory", "cpuacct", "cpu", "blkio")
_MEMORY_LIMITS = ("memory.limit_in_bytes", "memory.max")
_EVENTS = ("memory.oom_control", "memory.events")
_USAGE = {"cpuacct.usage": 1e-9, "cpu.stat": 1e-6}
"""Files with the processor time that was used, and their unit in seconds."""
_WEIGHTS = {"cpu.shares": b"205", "cpu.weight": b"20"}
"""A fifth of the share of another session or another cgroup."""
_SETTINGS = {
    "memory.swap.max": "0",
    "memory.oom.group": "1",
    # A fifth of the disk share of others, where the disk's scheduler supports weights.
    "blkio.bfq.weight": "20",
    "io.bfq.weight": "20",
    "io.weight": "20",
}


# ---------------------------------------------------------------- hierarchies


@cache
def _accounting_parents() -> tuple[Path, ...]:
    """Return the folders, one per hierarchy, in which this server can make accounting cgroups."""
    version_1 = tuple(parent for parent in _version_1_parents() if _usable(parent))
    return version_1 or tuple(itertools.islice(filter(_usable, _version_2_parents()), 1))


def _version_1_parents() -> list[Path]:
    own, found = _own_cgroups(), []
    for controller in _ACCOUNTING_VERSION_1:
        mount = (_MOUNT / controller).resolve()  # cpu is often a link to cpu,cpuacct
        if controller in own and (mount / "cgroup.procs").exists():
            parent = mount / own[controller]
            found.append(parent if parent.is_dir() else mount)
    return list(dict.fromkeys(found))


def _version_2_parents() -> list[Path]:
    """Return the folders in which a cgroup might be made, best first: memory matters most.

    Every cgroup counts its processor time. To count memory, the owner of `parent` must delegate
    the memory controller, which a cgroup with processes of its own can't do (cgroup-v2.rst, "No
    Internal Process Constraint"): a service unit does so with Delegate=yes and DelegateSubgroup=.
    """
    if not (_MOUNT / "cgroup.subtree_control").exists():
        return []
    parents = dict.fromkeys((_MOUNT / _own_cgroups().get("", ""), _MOUNT))
    # To move a process, the server needs write access to the common ancestor: that is the parent.
    writable = [parent for parent in parents if os.access(parent / "cgroup.procs", os.W_OK)]
    return sorted(writable, key=lambda parent: not _delegates(parent, "memory"))


def _pids_parent() -> Path | None:
    """Return the folder in which cgroups with a pids controller can be made, if there is one."""
    version_1 = _MOUNT / "pids"
    if (version_1 / "cgroup.procs").exists():
        return version_1
    return _MOUNT if _delegates(_MOUNT, "pids") else None


def _own_cgroups() -> dict[str, str]:
    """Return the cgroups of this process by controller; the cgroup of version 2 under ""."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                found[controller] = path.lstrip("/")
    return found


def _delegates(parent: Path, controller: str) -> bool:
    with contextlib.suppress(OSError):
        return controller in (parent / "cgroup.subtree_control").read_text().split()
    return False


# ---------------------------------------------------------------- folders


def _next_name() -> str:
    return f"{PREFIX}{os.getpid()}-{next(_numbers)}"


def _make_folder(folder: Path, configure: Callable[[Path], None]) -> bool:
    """Make the folder of a cgroup and configure it; return False, with no folder, on failure."""
    try:
        folder.mkdir()
        configure(folder)
    except OSError:
        remove_cgroup(folder)
        return False
    return True


def remove_cgroup(folder: Path | None) -> None:
    """Remove a cgroup. Waits up to 0.5 s for its processes, which were killed, to disappear."""
    for _ in range(100):
        if folder is None:
            return
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.005)
        else:
            return


def run_cgroups() -> list[Path]:
    """Return the cgroups of all runs on this machine, whichever server made them."""
    pids = _pids_parent()
    parents = dict.fromkeys((*_accounting_parents(), *([pids] if pids else [])))
    return [folder for parent in parents for folder in parent.glob(f"{PREFIX}*-*")]


def _usable(parent: Path) -> bool:
    """Return whether a cgroup can be made in `parent` and offers any file that we use."""
    folder = parent / _next_name()
    try:
        folder.mkdir()
    except OSError:
        return False
    useful = any((folder / name).exists() for name in (*_EVENTS, *_USAGE, *_WEIGHTS, *_SETTINGS))
    remove_cgroup(folder)
    return useful


@cache
def _available_files() -> frozenset[str]:
    """Return the names of the files that accounting cgroups have on this machine."""
    cgroup = RunCgroup.make(64)
    if cgroup is None:
        return frozenset()
    found = frozenset(os.listdir(cgroup.folders[0])).union(*map(os.listdir, cgroup.folders))
    cgroup.remove()
    return found


def kernel_counts_memory() -> bool:
    """Return whether the kernel counts the memory of runs on this machine."""
    return not _available_files().isdisjoint(_EVENTS)


def has_processor_weight() -> bool:
    """Return whether all processes of a run share one processor weight on this machine."""
    return not _available_files().isdisjoint(_WEIGHTS)


# ---------------------------------------------------------------- accounting


@dataclass(frozen=True, slots=True)
class RunCgroup:
    """The accounting cgroup of a run, as the server sees it: one folder per hierarchy."""

    folders: tuple[Path, ...]

    @classmethod
    def make(cls, memory_mib: int) -> RunCgroup | None:
        """Make a cgroup for a run of this process; None where there can't be one."""
        name = _next_name()
        folders = [parent / name for parent in _accounting_parents()]

        def configure(folder: Path) -> None:
            _apply_settings(folder, memory_mib)

        made = [folder for folder in folders if _make_folder(folder, configure)]
        return cls(tuple(made)) if made else None

    @classmethod
    def make_for(cls, supervisor: socket.socket, memory_mib: int) -> RunCgroup | None:
        """Make a cgroup and tell a supervisor to move its run into it, or that there is none.

        The kernel checks the rights of the process that opened the file, not of the process that
        writes to it: so a cell's init can move processes.
        """
        cgroup = cls.make(memory_mib)
        files = {} if cgroup is None else cgroup._open_files()
        message = {"name": "", "files": [path.name for path in files.values()]}
        if cgroup is not None:
            message["name"] = cgroup.folders[0].name
        with contextlib.suppress(OSError):  # the run has ended
            send(supervisor, {"cgroup": message}, files)
        for descriptor in files:
            os.close(descriptor)
        return cgroup

    def _open_files(self) -> dict[int, Path]:
        """Return descriptors of the files that a supervisor needs, with their paths."""
        wanted = ["cgroup.procs", *_EVENTS, *_USAGE, *_WEIGHTS]
        found = {}
        for path in (folder / name for folder in self.folders for name in wanted):
            flags = os.O_RDONLY if path.name in (*_EVENTS, *_USAGE) else os.O_WRONLY
            with contextlib.suppress(OSError):
                found[os.open(path, flags | os.O_CLOEXEC)] = path
        return found

    def out_of_memory(self) -> bool:
        """Return whether the kernel has killed a process of the run for lack of memory."""
        for path in (folder / name for folder in self.folders for name in _EVENTS):
            with contextlib.suppress(OSError):
                if has_oom_kill(path.read_bytes()):
                    return True
        return False

    def remove(self) -> None:
        """Remove the cgroup; waits for its processes to disappear."""
        for folder in self.folders:
            remove_cgroup(folder)


def _apply_settings(folder: Path, memory_mib: int) -> None:
    """Write the settings that exist in this hierarchy. Raises OSError if the limit can't be set."""
    settings = {**dict.fromkeys(_MEMORY_LIMITS, str(memory_mib * MIB)), **_SETTINGS}
    for name, value in settings.items():
        if (folder / name).exists():
            with contextlib.suppress(*() if name in _MEMORY_LIMITS else (OSError,)):
                (folder / name).write_text(value)


@dataclass(slots=True)
class SupervisedCgroup:
    """The accounting cgroup of a run, as its supervisor sees it: (file name, descriptor) pairs."""

    name: str
    files: list[tuple[str, int]]
    complete: bool = field(default=False, init=False)
    """Whether all processes of the run are in it: then all that they fork are in it, too."""

    def add(self, processes: Iterable[int]) -> bool:
        """Move in the processes that are outside; return whether all were inside already."""
        members = self._descriptors(("cgroup.procs",))
        outside = [pid for pid in processes if members and not self._contains(pid)]
        for process in outside:
            for descriptor in members:
                with contextlib.suppress(OSError):  # it has ended
                    os.write(descriptor, str(process).encode())
        self.complete = not outside
        return self.complete

    def cpu_s(self) -> float:
        """Return the seconds of processor time used in the cgroup; 0 if unknown."""
        for name, unit in _USAGE.items():
            for descriptor in self._descriptors((name,)):
                return _first_number(os.pread(descriptor, 4096, 0)) * unit
        return 0.0

    def out_of_memory(self) -> bool:
        """Return whether the kernel has killed a process of the run for lack of memory."""
        return any(has_oom_kill(os.pread(one, 4096, 0)) for one in self._descriptors(_EVENTS))

    def lower_weight(self) -> bool:
        """Lower the processor weight of the whole run; return whether the cgroup has a weight."""
        for name, weight in _WEIGHTS.items():
            for descriptor in self._descriptors((name,)):
                with contextlib.suppress(OSError):
                    os.pwrite(descriptor, weight, 0)
                return True
        return False

    def _descriptors(self, names: Iterable[str]) -> list[int]:
        return [descriptor for name, descriptor in self.files if name in names]

    def _contains(self, process: int) -> bool:
        """Return whether a process is inside. False for an ended one: it may have children."""
        count = len(self._descriptors(["cgroup.procs"]))
        with contextlib.suppress(OSError), open(f"/proc/{process}/cgroup", "rb") as file:
            return file.read().count(f"/{self.name}\n".encode()) >= count
        return False


def _first_number(text: bytes) -> int:
    """Return the first number of `123` or `usage_usec 123 ...`."""
    return next((int(word) for word in text.split() if word.isdigit()), 0)


def has_oom_kill(events: bytes) -> bool:
    """Return whether a cgroup's events count a kill: `oom_kill N` in both versions of cgroups."""
    for line in events.splitlines():
        name, _, count = line.partition(b" ")
        if name == b"oom_kill":
            return count.strip() != b"0"
    return False


# ---------------------------------------------------------------- processes and threads


@dataclass(frozen=True, slots=True)
class PidsCgroup:
    """A cgroup that caps the processes and threads of one run."""

    folder: Path

    @classmethod
    def make(cls, limit: int) -> PidsCgroup | None:
        """Make a cgroup for at most `limit` processes and threads; None if that is impossible."""
        parent = _pids_parent()
        if parent is None:
            return None

        def configure(folder: Path) -> None:
            (folder / "pids.max").write_text(str(limit))

        folder = parent / _next_name()
        return cls(folder) if _make_folder(folder, configure) else None

    def open_members(self) -> int:
        """Return a descriptor through which a process joins by writing "0". Raises OSError."""
        return os.open(self.folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def members(self) -> list[int]:
        """Return the processes in the cgroup; none if it can't be read."""
        with contextlib.suppress(OSError):
            return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]
        return []

    def limit_was_reached(self) -> bool:
        """Return whether the kernel has ever refused a fork in this cgroup."""
        try:
            events = (self.folder / "pids.events").read_text().split()
        except OSError:
            return False
        return events[:1] == ["max"] and events[1:2] != ["0"]

    def remove(self) -> None:
        """Remove the cgroup; waits for its processes to disappear."""
        remove_cgroup(self.folder)


def tasks_of_user() -> int:
    """Return roughly how many processes and threads this user has, all programs included."""
    found = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if entry.stat().st_uid == os.getuid():
                    found += len(os.listdir(f"/proc/{entry.name}/task"))
    return found
