"""Measures the process tree of one run against its limits. Standard library only: for the keeper.

The numbers come from /proc; see proc(5). What the kernel itself holds for a program (pipes, socket
buffers) is not counted; descriptors are few, so there is little of it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass

from server.confine import MIB, Limits
from server.task_cap import TASKS_A_PROCESS

_SELDOM = 5  # polls between the costlier measurements
_DEEPEST = 64  # folders within folders; more than that is an attempt at something
_ENTRY_BYTES = 1024  # what an entry is charged at least: an empty file is not free
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


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


def _process(pid: int) -> _Process | None:
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # a program can name itself anything
    utime, stime, cutime, cstime = (int(field) / _TICKS for field in fields[11:15])
    return _Process(
        key=(pid, int(fields[19])),
        ended=fields[0] == b"Z",
        own_cpu=utime + stime,
        children_cpu=cutime + cstime,
        tasks=int(fields[17]),
        resident=int(fields[21]) * _PAGE,
    )


def _proportional_bytes(pid: int) -> int:
    """Return the memory of one process with shared pages divided among those that share them."""
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))


def _shared_bytes(processes: list[int]) -> int:
    """Return the size of shared anonymous memory: it stays when nobody has it resident."""
    sizes: dict[bytes, int] = {}
    for pid in processes:
        for line in _read(f"/proc/{pid}/maps").splitlines():
            if line.endswith(b"/dev/zero (deleted)"):
                start, _, end = line.split()[0].partition(b"-")
                inode = line.split()[4]
                sizes[inode] = max(sizes.get(inode, 0), int(end, 16) - int(start, 16))
    return sum(sizes.values())


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


class Watch:
    """Measures one run's tree, which is all below this process."""

    def __init__(self, limits: Limits, scratch: str, agent: int) -> None:
        self._limits = limits
        self._agent = agent
        self._scratch = scratch
        self._deadline = time.monotonic() + limits.wall_s
        self._polls = 0
        self._own_cpu: dict[tuple[int, int], float] = {}

    def exceeded(self) -> str | None:
        """Return the kind of the limit that the tree has crossed, if any."""
        if time.monotonic() >= self._deadline:
            return "wall"
        limit = self._limits.processes
        pids = descendants(os.getpid(), limit)
        processes = [found for pid in pids if (found := _process(pid))]
        self._reap_orphans(processes)
        going = [process for process in processes if not process.ended]
        if len(going) > limit or sum(p.tasks for p in going) > limit * TASKS_A_PROCESS:
            return "processes"
        if self._cpu(processes) > self._limits.cpu_s:
            return "cpu"
        seldom = self._polls % _SELDOM == 0
        self._polls += 1
        if self._memory_exceeded(pids, sum(p.resident for p in going), seldom):
            return "memory"
        return "scratch" if seldom and self._scratch_exceeded(pids) else None

    def _cpu(self, processes: list[_Process]) -> float:
        """Return the CPU seconds of the tree.

        Two sums, each of which misses what the other sees: what parents are told of children they
        waited for, and the most that was ever seen of each process.
        """
        for process in processes:
            self._own_cpu[process.key] = process.own_cpu
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = reaped.ru_utime + reaped.ru_stime
        told += sum(process.own_cpu + process.children_cpu for process in processes)
        return max(told, sum(self._own_cpu.values()))

    def _memory_exceeded(self, pids: list[int], resident: int, seldom: bool) -> bool:
        """Compare resident sizes, which are cheap to read, then the exact ones if need be.

        Resident sizes count a page once for each process that shares it.
        """
        limit = self._limits.memory_mib * MIB
        if seldom and _shared_bytes(pids) > limit:
            return True
        return resident > limit and sum(map(_proportional_bytes, pids)) > limit

    def _scratch_exceeded(self, pids: list[int]) -> bool:
        unlinked = sum(dict(_unlinked_files(pids)).values())
        used = _named_bytes(self._scratch, None, 0) + unlinked
        return used > self._limits.scratch_mib * MIB

    def _reap_orphans(self, processes: list[_Process]) -> None:
        """Reap what was orphaned and has ended; the agent itself is its supervisor's to reap."""
        for process in processes:
            pid = process.key[0]
            if process.ended and pid != self._agent:
                with contextlib.suppress(OSError):  # another's child
                    os.waitpid(pid, os.WNOHANG)
