"""Measures the process tree of one run against its limits. Standard library only: for the keeper.

The numbers come from /proc; see proc(5). What the kernel itself holds for a program (pipes, socket
buffers) is not counted; descriptors are few, so there is little of it.
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

_SELDOM = 5  # polls between the costlier measurements
_DEEPEST = 64  # folders within folders; more than that is an attempt at something
_ENTRY_BYTES = 1024  # what an entry is charged at least: an empty file is not free
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_BEGUN_BY = 250  # polls
_MOST_MAPPINGS = 200_000
"""Of a run's processes together: a few hundred each are usual. They are read in 0.2 s."""
_MAPPING_BYTES = 256
_PROCESSORS = os.cpu_count() or 1
_ENDED = (b"Z", b"X")


def _read(path: str) -> bytes:
    """Return a file of /proc as bytes; nothing where the process has ended."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def descendants(pid: int, most: int = 100_000) -> list[int]:
    """Return the processes below `pid`, parents first; stop looking beyond `most`."""
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
    """One line of /proc/PID/stat: what of it is needed, in seconds and bytes."""

    key: tuple[int, int]
    """Its number and start time: numbers are used again."""
    ended: bool
    own_cpu: float
    children_cpu: float
    tasks: int
    resident: int
    session: int
    alive: int
    """The number by which /proc shows what the process has: its own, or that of a thread."""


def _stat(pid: int | str) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the third on; none where the process has ended."""
    text = _read(f"/proc/{pid}/stat")
    return text[text.rindex(b")") + 2 :].split() if text else []  # names can be anything


def _process(pid: int) -> _Process | None:
    fields = _stat(pid)
    if not fields:
        return None
    alive, resident, tasks = pid, int(fields[21]), int(fields[17])
    if fields[0] in _ENDED and tasks > 1:
        alive, resident = _thread_alive(pid)
    utime, stime, cutime, cstime = (int(field) / _TICKS for field in fields[11:15])
    own_cpu = utime + stime
    with contextlib.suppress(OSError):  # to the nanosecond: clock_getcpuclockid(3)
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
    """Return what share of its life, at most, a process has used a processor.

    Its start is known to a tick, 10 ms.
    """
    age = now - (process.key[1] + 1) / _TICKS
    return min(1.0, process.own_cpu / max(process.own_cpu, age, 1e-9))


def _thread_alive(pid: int) -> tuple[int, int]:
    """Return a thread of a process whose first one has ended, and its resident pages.

    Of such a process /proc shows neither memory nor mappings nor descriptors under its own number,
    but all of it under the number of any of its threads, which share them.
    """
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            fields = _stat(f"{pid}/task/{task}")
            if fields and fields[0] not in _ENDED:
                return int(task), int(fields[21])
    return pid, 0


def _is_closed(process: _Process) -> bool:
    """Return whether the kernel shows no more of a process than how much is resident.

    So it is with a program that its own user can't read; and before a run's first process has
    opened itself, having left what the fork server had.
    """
    try:
        os.close(os.open(f"/proc/{process.alive}/smaps_rollup", os.O_RDONLY | os.O_CLOEXEC))
    except PermissionError:  # also of a process that ends, and has given its memory back
        fields = _stat(process.alive)
        return bool(fields) and int(fields[21]) > 0
    except OSError:
        return False  # it has ended
    return False


def _private_bytes(process: _Process) -> int:
    """Return the memory of one process with shared pages divided among those that share them.

    Without shared memory and files in scratch, which are counted by their size.
    """
    lines = _read(f"/proc/{process.alive}/smaps_rollup").splitlines()
    sizes = {line.split()[0]: int(line.split()[1]) * 1024 for line in lines[1:]}
    return sizes.get(b"Pss:", 0) - sizes.get(b"Pss_Shmem:", 0)


def _mapped_bytes(processes: list[int]) -> int:
    """Return the size of shared anonymous memory: it stays when nobody has it resident.

    And 256 bytes a mapping, about what the kernel needs for it. More than any limit where there are
    so many that reading them takes long: meanwhile nobody would look at what the run does.
    """
    sizes: dict[bytes, int] = {}
    mappings = 0
    for line in _mappings(processes):
        mappings += 1
        if mappings > _MOST_MAPPINGS:
            return 1 << 60
        if line.endswith(b"/dev/zero (deleted)\n"):
            start, _, end = line.split()[0].partition(b"-")
            inode = line.split()[4]
            sizes[inode] = max(sizes.get(inode, 0), int(end, 16) - int(start, 16))
    return sum(sizes.values()) + _MAPPING_BYTES * mappings


def _mappings(processes: list[int]) -> Iterator[bytes]:
    """Yield the lines of the processes' maps; a million of one process are not read at once."""
    for pid in processes:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", "rb") as lines:
            yield from lines


def _tree_bytes(folder: int, depth: int = 0) -> int:
    """Return what is below an open folder, at least; more than any limit where it can't be read."""
    if depth > _DEEPEST:
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
        return 0  # removed since
    except OSError:
        return 1 << 60
    try:
        return _tree_bytes(folder, depth)
    except FileNotFoundError:
        return 0
    finally:
        os.close(folder)


def _unlinked_files(processes: list[int]) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield the files that are open but have no name any more: (device, inode), bytes."""
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
    """Return the inodes of files of a folder that have no name any more and are mapped."""
    place = f" {folder}/".encode()
    lines = itertools.islice(_mappings(processes), _MOST_MAPPINGS)
    hidden = (line for line in lines if line.endswith(b" (deleted)\n") and place in line)
    return {line.split()[4] for line in hidden}


class Space(Protocol):
    """Where a run keeps its files."""

    def used(self, processes: list[int]) -> int:
        """Return the bytes that are in memory because of it."""
        ...

    def state(self, processes: list[int], *, unseen: bool) -> str | None:
        """Return "full" where nothing more goes in, "over" where too much did.

        `unseen` is whether there are processes that keep closed which files they have open.
        """
        ...


@dataclass(frozen=True, slots=True)
class FolderSpace:
    """A folder of the host: nothing stops a run from putting too much there."""

    folder: str
    most: int

    def used(self, processes: list[int]) -> int:
        """Return 0: it is on a disk."""
        return 0

    def state(self, processes: list[int], *, unseen: bool) -> str | None:
        """Return "over" once there is too much, files without a name included."""
        if unseen:
            return "over"
        unlinked = dict(_unlinked_files(processes))
        known = {str(inode).encode() for _, inode in unlinked}
        hidden = _hidden_files(processes, os.path.realpath(self.folder)) - known
        # The size of those that no descriptor leads to is not shown: each is charged as full.
        used = sum(unlinked.values()) + self.most * len(hidden)
        return "over" if _named_bytes(self.folder, None, 0) + used > self.most else None


@dataclass(frozen=True, slots=True)
class MountSpace:
    """A file system of the run's own, in memory, that ends where the limit is.

    `most_files` is for one whose number of files nothing bounds.
    """

    folder: str
    most_files: int | None = None

    def used(self, processes: list[int]) -> int:
        """Return the bytes it holds."""
        status = os.statvfs(self.folder)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def state(self, processes: list[int], *, unseen: bool) -> str | None:
        """Return "full" where no block or no further file fits, "over" for too many files."""
        status = os.statvfs(self.folder)
        if self.most_files is not None and status.f_files - status.f_ffree > self.most_files:
            return "over"
        return None if status.f_bfree and status.f_ffree else "full"


class Account(Protocol):
    """The kernel's own account of a run; see `memory_group.RunGroup`."""

    def cpu_s(self) -> float:
        """Return the seconds of processor time since the run is in it; 0 where it isn't counted."""
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
        self._begun = False
        self._looked = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._own_cpu: dict[tuple[int, int], float] = {}
        self._seen_cpu = 0.0
        self._before_account: float | None = None
        self._noticed: set[str] = set()
        self._told: set[str] = set()
        self.cpu_s = 0.0
        """Seconds of processor time that the run had used at the last measurement."""
        self.sessions: dict[int, int] = {}
        """The sessions of the run at the last measurement, each with one of its processes."""

    def exceeded(self, account: Account | None = None) -> str | None:
        """Measure; return the kind of the limit that the run has crossed, if that ends it."""
        processes = [found for pid in self._members() if (found := _process(pid))]
        going = [process for process in processes if not process.ended]
        self._polls += 1
        closed = self._closed(going)
        alive = [process.alive for process in going]
        self.sessions = {process.session: process.key[0] for process in going}
        kind = self._tasks_exceeded(sum(process.tasks for process in going))
        if kind is not None:
            return kind
        self.cpu_s = max(self.cpu_s, self._cpu(processes, account))
        if self.cpu_s > self._limits.cpu_s:
            return "cpu"
        seldom = self._polls % _SELDOM == 0  # not at once: most runs are over soon
        if self._memory_exceeded(going, closed, seldom):
            return "memory"
        return self._space_exceeded(alive, closed) if seldom or self._tasks_are_capped else None

    def _closed(self, going: list[_Process]) -> list[_Process]:
        """Return the processes that keep closed what they have, once the run has begun."""
        closed = [process for process in going if _is_closed(process)]
        self._begun = self._begun or len(closed) < len(going) or self._polls > _BEGUN_BY
        return closed if self._begun else []

    def _tasks_exceeded(self, tasks: int) -> str | None:
        if tasks >= self._tasks and self._tasks_are_capped:
            self._noticed.add("processes")
        elif tasks > self._tasks:
            return "processes"
        return None

    def notices(self) -> set[str]:
        """Return the kinds of limits that were met since the last call, and don't end the run."""
        new = self._noticed - self._told
        self._told |= new
        return new

    def _cpu(self, processes: list[_Process], account: Account | None) -> float:
        """Return the CPU seconds of the tree: as the kernel counts them, or as /proc shows them.

        There are two sums in /proc, each of which misses what the other sees: what parents learn
        of children they waited for, and what is seen of each process.
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
        """Return the CPU seconds that were used since the last look, as far as it can be seen.

        A new process stands for those that came and went in between, which the kernel may have
        reaped without adding their time to anybody's: the share of its life that it has used a
        processor is charged for the whole time. Since looks come at random, that is on average
        what such processes use.
        """
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        gap, self._looked = now - self._looked, now
        known, self._own_cpu = self._own_cpu, {one.key: one.own_cpu for one in processes}
        used = sum(one.own_cpu - known[one.key] for one in processes if one.key in known)
        new = [one for one in processes if one.key not in known]
        used += sum(one.own_cpu for one in new)
        unseen = sum(max(0.0, _share(one, now) * gap - one.own_cpu) for one in new)
        return used + min(unseen, gap * _PROCESSORS)

    def _memory_exceeded(self, going: list[_Process], closed: list[_Process], seldom: bool) -> bool:
        """Compare resident sizes, which are cheap to read, then the exact ones if need be.

        Resident sizes count a page once for each process that shares it.
        """
        limit = self._limits.memory_mib * MIB
        alive = [process.alive for process in going]
        files = self._space.used(alive)
        if seldom and files + _mapped_bytes(alive) > limit:
            return True
        resident = sum(process.resident for process in going)
        if files + resident <= limit:
            return False
        private = sum(map(_private_bytes, going)) + sum(process.resident for process in closed)
        return files + private > limit

    def _space_exceeded(self, pids: list[int], closed: list[_Process]) -> str | None:
        state = self._space.state(pids, unseen=bool(closed))
        if state == "full":
            self._noticed.add("scratch")
        return "scratch" if state == "over" else None
