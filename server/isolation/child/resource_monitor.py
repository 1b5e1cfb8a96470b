"""Measures the process tree of one run against its limits. Standard library only.

The numbers come from /proc; see proc(5). Kernel memory (pipes, socket buffers) is not counted: a
run has few descriptors, so there is little of it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from server.limits import MIB, Limits

_SLOW_EVERY = 5  # polls between the slower measurements
_MAX_DEPTH = 64  # nested folders; only a hostile program makes more
_ENTRY_BYTES = 1024  # the minimum charge for an entry: an empty file is not free
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STARTED_BY = 250  # polls
_MAX_MAPPINGS = 200_000
"""Of all processes of a run: each usually has a few hundred. Reading this many takes 0.2 s."""
_MAPPING_BYTES = 256
_PROCESSORS = os.cpu_count() or 1
_ENDED = (b"Z", b"X")


def _read(path: str) -> bytes:
    """Return a file of /proc as bytes; empty if the process has ended."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def descendants(pid: int, most: int = 100_000) -> list[int]:
    """Return the processes below `pid`, parents first; stops after `most`."""
    found: list[int] = []
    waiting = [pid]
    while waiting and len(found) <= most:
        parent = waiting.pop()
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
        except OSError:
            continue
        for task in tasks:
            children = _read(f"/proc/{parent}/task/{task}/children").split()
            found += map(int, children)
            waiting += map(int, children)
    return found


@dataclass(frozen=True, slots=True)
class _Process:
    """The fields of /proc/PID/stat that are needed, in seconds and bytes."""

    key: tuple[int, int]
    """Its id and start time, because the kernel reuses ids."""
    ended: bool
    own_cpu: float
    children_cpu: float
    tasks: int
    resident: int
    session: int
    alive: int
    """The id under which /proc shows its memory and files: its own, or that of a thread."""


def _stat(pid: int | str) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the third on; none if the process has ended."""
    text = _read(f"/proc/{pid}/stat")
    return text[text.rindex(b")") + 2 :].split() if text else []  # a name may contain anything


def _process(pid: int) -> _Process | None:
    fields = _stat(pid)
    if not fields:
        return None
    alive, resident, tasks = pid, int(fields[21]), int(fields[17])
    if fields[0] in _ENDED and tasks > 1:
        alive, resident = _thread_alive(pid)
    utime, stime, cutime, cstime = (int(field) / _TICKS for field in fields[11:15])
    own_cpu = utime + stime
    with contextlib.suppress(OSError):  # in nanoseconds: clock_getcpuclockid(3)
        own_cpu = time.clock_gettime(~pid << 3 | 2)
    return _Process(
        key=(pid, int(fields[19])),
        ended=fields[0] in _ENDED and alive == pid,
        own_cpu=own_cpu,
        children_cpu=cutime + cstime,
        tasks=tasks,
        resident=resident * _PAGE,
        session=int(fields[3]),
        alive=alive,
    )


def _share(process: _Process, now: float) -> float:
    """Return the largest possible share of its life in which a process has used a processor.

    Its start time has a resolution of one tick, 10 ms.
    """
    age = now - (process.key[1] + 1) / _TICKS
    return min(1.0, process.own_cpu / max(process.own_cpu, age, 1e-9))


def _thread_alive(pid: int) -> tuple[int, int]:
    """Return a running thread of a process whose first thread has ended, and its resident pages.

    /proc shows neither memory nor mappings nor descriptors of such a process under its own id, but
    it shows all of them under the id of any of its threads, which share them.
    """
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            fields = _stat(f"{pid}/task/{task}")
            if fields and fields[0] not in _ENDED:
                return int(task), int(fields[21])
    return pid, 0


def _is_closed(process: _Process) -> bool:
    """Return whether the kernel shows only the resident size of a process, and no details.

    That is so for a program file that its user can't read, and for a run's first process until it
    makes itself inspectable after its change of user.
    """
    try:
        os.close(os.open(f"/proc/{process.alive}/smaps_rollup", os.O_RDONLY | os.O_CLOEXEC))
    except PermissionError:  # also for a process that is ending and has freed its memory
        fields = _stat(process.alive)
        return bool(fields) and int(fields[21]) > 0
    except OSError:
        return False  # it has ended
    return False


def _private_bytes(process: _Process) -> int:
    """Return the memory of one process; shared pages are divided among the sharing processes.

    Shared memory and files in scratch are excluded here, and counted by their size elsewhere.
    """
    lines = _read(f"/proc/{process.alive}/smaps_rollup").splitlines()
    sizes = {line.split()[0]: int(line.split()[1]) * 1024 for line in lines[1:]}
    return sizes.get(b"Pss:", 0) - sizes.get(b"Pss_Shmem:", 0)


def _mapped_bytes(processes: list[int]) -> int:
    """Return the size of shared anonymous memory, which remains even if no process has it resident.

    Adds 256 bytes per mapping, about what the kernel needs for one. Returns more than any limit if
    there are too many mappings: reading them would take long, with the run unobserved meanwhile.
    """
    sizes: dict[bytes, int] = {}
    mappings = 0
    for line in _mappings(processes):
        mappings += 1
        if mappings > _MAX_MAPPINGS:
            return 1 << 60
        if line.endswith(b"/dev/zero (deleted)\n"):
            start, _, end = line.split()[0].partition(b"-")
            inode = line.split()[4]
            sizes[inode] = max(sizes.get(inode, 0), int(end, 16) - int(start, 16))
    return sum(sizes.values()) + _MAPPING_BYTES * mappings


def _mappings(processes: list[int]) -> Iterator[bytes]:
    """Yield the lines of the processes' maps one by one: a process may have a million of them."""
    for pid in processes:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", "rb") as lines:
            yield from lines


def _tree_bytes(folder: int, depth: int = 0) -> int:
    """Return a lower bound of the bytes below an open folder; above any limit if unreadable."""
    if depth > _MAX_DEPTH:
        return 1 << 60
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            total += max(status.st_blocks * 512, _ENTRY_BYTES)
            if stat.S_ISDIR(status.st_mode):
                total += _named_bytes(entry.name, folder, depth + 1)
    return total


def _named_bytes(name: str, parent: int | None, depth: int) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        folder = os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        return 0  # it was removed meanwhile
    except OSError:
        return 1 << 60
    try:
        return _tree_bytes(folder, depth)
    except FileNotFoundError:
        return 0
    finally:
        os.close(folder)


def _unlinked_files(processes: list[int]) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield the open files that no longer have a name: (device, inode), bytes."""
    for pid in processes:
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                status = os.stat(f"/proc/{pid}/fd/{descriptor}")
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                yield (status.st_dev, status.st_ino), status.st_blocks * 512


def _hidden_files(processes: list[int], folder: str) -> set[bytes]:
    """Return the inodes of a folder's mapped files that no longer have a name."""
    prefix = f" {folder}/".encode()
    lines = itertools.islice(_mappings(processes), _MAX_MAPPINGS)
    hidden = (line for line in lines if line.endswith(b" (deleted)\n") and prefix in line)
    return {line.split()[4] for line in hidden}


class Space(Protocol):
    """The file system or folder with a run's files."""

    def used(self, processes: list[int]) -> int:
        """Return the bytes of memory that its files use."""
        ...

    def state(self, processes: list[int], *, unseen: bool) -> str | None:
        """Return "full" if nothing more fits in, "over" if it has more than its limit.

        `unseen` tells whether there are processes whose open files can't be seen.
        """
        ...


@dataclass(frozen=True, slots=True)
class FolderSpace:
    """A folder of the host: the kernel does not limit what a run writes there."""

    folder: str
    most: int

    def used(self, processes: list[int]) -> int:
        """Return 0: it is on a disk."""
        return 0

    def state(self, processes: list[int], *, unseen: bool) -> str | None:
        """Return "over" if it has more than its limit, counting files without a name."""
        if unseen:
            return "over"
        unlinked = dict(_unlinked_files(processes))
        known = {str(inode).encode() for _, inode in unlinked}
        hidden = _hidden_files(processes, os.path.realpath(self.folder)) - known
        # The size of a file that is only mapped is not shown: each is charged as the whole limit.
        used = sum(unlinked.values()) + self.most * len(hidden)
        return "over" if _named_bytes(self.folder, None, 0) + used > self.most else None


@dataclass(frozen=True, slots=True)
class MountSpace:
    """A file system in memory for one run, as large as the limit.

    `max_files` is for a file system that does not limit the number of its files.
    """

    folder: str
    max_files: int | None = None

    def used(self, processes: list[int]) -> int:
        """Return the bytes in use."""
        status = os.statvfs(self.folder)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def state(self, processes: list[int], *, unseen: bool) -> str | None:
        """Return "full" if no further block or file fits, "over" for too many files."""
        status = os.statvfs(self.folder)
        if self.max_files is not None and status.f_files - status.f_ffree > self.max_files:
            return "over"
        return None if status.f_bfree and status.f_ffree else "full"


class Account(Protocol):
    """The kernel's own account of a run; see `cgroups.SupervisedCgroup`."""

    def cpu_s(self) -> float:
        """Return the seconds of processor time since the run was added; 0 if not counted."""
        ...


class ResourceMonitor:
    """Measures the processes of one run."""

    def __init__(
        self,
        limits: Limits,
        space: Space,
        *,
        members: Callable[[], list[int]],
        tasks: int,
        tasks_are_capped: bool,
    ) -> None:
        self._limits = limits
        self._space = space
        self._members = members
        self._tasks = tasks
        self._tasks_are_capped = tasks_are_capped
        self._polls = 0
        self._started = False
        self._measured_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._own_cpu: dict[tuple[int, int], float] = {}
        self._seen_cpu = 0.0
        self._before_account: float | None = None
        self._reached: set[str] = set()
        self._reported: set[str] = set()
        self.cpu_s = 0.0
        """Seconds of processor time that the run had used at the last measurement."""
        self.sessions: dict[int, int] = {}
        """The sessions of the run at the last measurement, each with one of its processes."""

    def exceeded(self, account: Account | None = None) -> str | None:
        """Measure; return the kind of the limit that the run has exceeded, if that ends it."""
        processes = [found for pid in self._members() if (found := _process(pid))]
        running = [process for process in processes if not process.ended]
        self._polls += 1
        closed = self._closed(running)
        alive = [process.alive for process in running]
        self.sessions = {process.session: process.key[0] for process in running}
        kind = self._tasks_exceeded(sum(process.tasks for process in running))
        if kind is not None:
            return kind
        self.cpu_s = max(self.cpu_s, self._cpu(processes, account))
        if self.cpu_s > self._limits.cpu_s:
            return "cpu"
        slow = self._polls % _SLOW_EVERY == 0  # not in the first polls, because most runs end soon
        if self._memory_exceeded(running, closed, slow):
            return "memory"
        return self._space_exceeded(alive, closed) if slow or self._tasks_are_capped else None

    def _closed(self, running: list[_Process]) -> list[_Process]:
        """Return the processes without visible details; none before the program has started."""
        closed = [process for process in running if _is_closed(process)]
        self._started = self._started or len(closed) < len(running) or self._polls > _STARTED_BY
        return closed if self._started else []

    def _tasks_exceeded(self, tasks: int) -> str | None:
        if tasks >= self._tasks and self._tasks_are_capped:
            self._reached.add("processes")
        elif tasks > self._tasks:
            return "processes"
        return None

    def notices(self) -> set[str]:
        """Return the limits reached since the last call that don't end the run, by their kinds."""
        new = self._reached - self._reported
        self._reported |= new
        return new

    def _cpu(self, processes: list[_Process], account: Account | None) -> float:
        """Return the CPU seconds of the tree, as the kernel counts them or as /proc shows them.

        /proc offers two sums, and each misses what the other includes: the time of children that
        their parents have waited for, and the time of each process that was seen running.
        """
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        reported = reaped.ru_utime + reaped.ru_stime
        reported += sum(process.own_cpu + process.children_cpu for process in processes)
        self._seen_cpu += self._seen_since(processes)
        counted = account.cpu_s() if account is not None else 0.0
        if not counted:
            return max(reported, self._seen_cpu)
        if self._before_account is None:
            self._before_account = self.cpu_s
        return max(reported, self._before_account + counted)

    def _seen_since(self, processes: list[_Process]) -> float:
        """Return an estimate of the CPU seconds used since the last measurement.

        Processes that came and went in between are not seen, and the kernel may have reaped them
        without adding their time to any parent's. A new process is taken as a sample of them: the
        share of its life in which it used a processor is charged for the whole interval. Because
        measurements come at random times, that is on average what such processes use.
        """
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        gap, self._measured_at = now - self._measured_at, now
        known, self._own_cpu = self._own_cpu, {one.key: one.own_cpu for one in processes}
        used = sum(one.own_cpu - known[one.key] for one in processes if one.key in known)
        new = [one for one in processes if one.key not in known]
        used += sum(one.own_cpu for one in new)
        unseen = sum(max(0.0, _share(one, now) * gap - one.own_cpu) for one in new)
        return used + min(unseen, gap * _PROCESSORS)

    def _memory_exceeded(self, running: list[_Process], closed: list[_Process], slow: bool) -> bool:
        """Compare resident sizes, which are cheap to read, and exact ones only if necessary.

        Resident sizes count a shared page once for each process that shares it.
        """
        limit = self._limits.memory_mib * MIB
        alive = [process.alive for process in running]
        files = self._space.used(alive)
        if slow and files + _mapped_bytes(alive) > limit:
            return True
        resident = sum(process.resident for process in running)
        if files + resident <= limit:
            return False
        private = sum(map(_private_bytes, running)) + sum(process.resident for process in closed)
        return files + private > limit

    def _space_exceeded(self, pids: list[int], closed: list[_Process]) -> str | None:
        state = self._space.state(pids, unseen=bool(closed))
        if state == "full":
            self._reached.add("scratch")
        return "scratch" if state == "over" else None
