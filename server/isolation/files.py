"""The files of a run: placed in its folder before it starts, collected when it has ended.

Standard library only. `collect_files` walks a folder that a hostile program may have prepared, when
all processes of the program have ended: each step is relative to an open descriptor, follows no
link, opens only regular files, and is limited in number, size, depth and time.
"""

from __future__ import annotations

import itertools
import os
import stat
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from server.isolation.child.cell_root import INODES_A_MIB, TEMPORARY_NAME
from server.isolation.events import LeftOut, WrittenFile
from server.limits import MIB

# The limits are the same in both directions, so that the files of one run can be passed to the
# next. 4 MiB as base64 is 5.4 MiB: with 1 MiB of code, it fits the 8 MiB that a request may have.
MAX_FILES = 64
MAX_BYTES = 4 * MIB
"""Of all files together."""
MAX_NAME = 255
"""Bytes of a whole relative name, which becomes a file name when downloaded."""
MAX_DEPTH = 16
"""Maximum number of folders above a file."""
_BLOCK = 4096
_OWN_ENTRIES = 3  # the run's folder, the one for temporary files, the program
_MAX_ENTRIES = 10_000
_MAX_SECONDS = 1.0
PROGRAM = "agent.py"

_UNREADABLE = "can't be read"
_NOT_LOOKED_AT = f"not looked at: more than {_MAX_ENTRIES:,} entries, or too slow"

# Not results: the interpreter and libraries make these for themselves (HOME is the folder).
_NEVER = frozenset({"__pycache__"})
_NEVER_ON_TOP = frozenset({PROGRAM, ".cache"})

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# If a fifo has replaced the file, opening must not block; a terminal must not become ours.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


# ---------------------------------------------------------------- names


def safe_name(name: str) -> str:
    """Return a relative name that is safe for people and other systems.

    Invisible characters and separators of other systems (control and format characters,
    surrogates, backslashes) become "_"; blanks around each part are removed.
    """
    return "/".join(_safe_part(part) for part in name.split("/"))


def _safe_part(part: str) -> str:
    shown = part.replace("\\", "_")
    if not shown.isprintable():  # a blank is printable, other separators are not
        shown = "".join(letter if letter.isprintable() else "_" for letter in shown)
    shown = shown.strip()
    return "_" * len(shown) if shown in {".", ".."} else shown or "_"


def name_problem(name: str) -> str | None:
    """Return why a file can't be given under this name, or None."""
    return next((problem for wrong, problem in _problems(name) if wrong), None)


def _problems(name: str) -> Iterator[tuple[bool, str]]:
    parts = name.split("/")
    yield name.startswith("/"), "is absolute; it must be relative to the run's folder"
    yield any(part in {"", ".", ".."} for part in parts), "has an empty part, '.' or '..'"
    unsafe = safe_name(name) != name
    yield unsafe, "has a backslash, an invisible character, or blanks around a part"
    yield len(name.encode("utf-8", "replace")) > MAX_NAME, f"is longer than {MAX_NAME} bytes"
    yield len(parts) > MAX_DEPTH + 1, f"is more than {MAX_DEPTH} folders deep"
    other = "choose another name for the file"
    yield name == PROGRAM, f"is the program's own name: {other}"
    yield parts[0] == PROGRAM, f"has the program's own name as its folder: {other}"
    yield parts[0] == TEMPORARY_NAME, f"is reserved for temporary files: {TEMPORARY_NAME}"


def clash(names: Collection[str]) -> str | None:
    """Return a name that occurs twice, or both as a file and as a folder; None if there is none."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    folders = {folder for name in names for folder in _folders_of(name)}
    return next((name for name in names if name in folders), None)


def _folders_of(name: str) -> Iterator[str]:
    parts = name.split("/")
    return itertools.accumulate(parts[:-1], lambda above, part: f"{above}/{part}")


def amount_problem(sizes: Collection[int]) -> str | None:
    """Return why files of these sizes in bytes can't be given together, or None."""
    if len(sizes) > MAX_FILES:
        return f"too many files: {len(sizes)} (at most {MAX_FILES})"
    if sum(sizes) > MAX_BYTES:
        return f"the files are too large: {sum(sizes):,} bytes (at most {MAX_BYTES:,})"
    return None


def scratch_problem(sizes: Mapping[str, int], program: int, scratch_mib: int) -> str | None:
    """Return why files of these names and sizes don't fit into scratch with a program, or None."""
    folders = {folder for name in sizes for folder in _folders_of(name)}
    blocks = sum(-(-size // _BLOCK) for size in (program, *sizes.values()))
    entries = len(sizes) + len(folders) + _OWN_ENTRIES
    if (blocks + len(folders) + _OWN_ENTRIES) * _BLOCK > scratch_mib * MIB:
        return f"the files don't fit into the {scratch_mib} MiB of scratch"
    if entries > scratch_mib * INODES_A_MIB:
        return f"the files and their folders are too many for the {scratch_mib} MiB of scratch"
    return None


# ---------------------------------------------------------------- in


def place_files(folder: int, files: Mapping[str, bytes], *, uid: int = -1, gid: int = -1) -> None:
    """Write `files` below the open folder `folder`: folders with mode 700, files with mode 600.

    `uid` and `gid` become the owner of new files and folders. Never writes to an existing file and
    follows no link.

    Raises:
        ValueError: `name_problem` does not accept a name.
        OSError: there is no space left, or a file of that name exists.

    """
    for name, content in files.items():
        if problem := name_problem(name):
            raise ValueError(f"the name {name[:MAX_NAME]!r} {problem}")
        *above, last = name.split("/")
        with (
            _made_folder(folder, above, uid, gid) as parent,
            open(os.open(last, _NEW, 0o600, dir_fd=parent), "wb") as file,
        ):
            file.write(content)
            os.fchown(file.fileno(), uid, gid)


@contextmanager
def _made_folder(folder: int, parts: Iterable[str], uid: int, gid: int) -> Iterator[int]:
    """Open the folder `parts` below `folder`, making missing folders."""
    current = os.dup(folder)
    try:
        for part in parts:
            missing = True
            try:
                os.mkdir(part, 0o700, dir_fd=current)
            except FileExistsError:
                missing = False
            below = os.open(part, _FOLDER, dir_fd=current)
            os.close(current)
            current = below
            if missing:
                os.fchown(current, uid, gid)
        yield current
    finally:
        os.close(current)


# ---------------------------------------------------------------- out


@dataclass(frozen=True, slots=True)
class Collected:
    """The files that a program has left, and how many entries were left out and why."""

    files: tuple[WrittenFile, ...]
    left_out: tuple[LeftOut, ...]


def collect_files(
    folder: int, given: Mapping[str, bytes], *, skip: Collection[str] = ()
) -> Collected:
    """Return the regular files below the open folder `folder` that the program wrote or changed.

    Neither returned nor counted as left out: `agent.py`, files of `given` with unchanged content,
    byte code, `.cache`, and the names of `skip` at the top. Call it when no process of the run is
    left. Never raises, whatever the program has done to the folder.
    """
    walk = _Walk(given, _NEVER_ON_TOP.union(skip))
    walk.take_folder(folder, "", 0)
    left_out = tuple(LeftOut(reason, count) for reason, count in walk.left_out.items())
    return Collected(tuple(walk.files), left_out)


class _UnreadableError(Exception):
    """A file that can't be opened, or is no longer a regular file."""


class _Walk:
    """One walk over a folder: files before folders, each in the order of their names."""

    def __init__(self, given: Mapping[str, bytes], skip: frozenset[str]) -> None:
        self.files: list[WrittenFile] = []
        self.left_out: Counter[str] = Counter()
        self._given = given
        self._skip = skip
        self._names: set[str] = set()
        self._folders: set[str] = set()
        self._bytes_left = MAX_BYTES
        self._entries_left = _MAX_ENTRIES
        self._deadline = time.monotonic() + _MAX_SECONDS

    def take_folder(self, folder: int, prefix: str, depth: int) -> None:
        below: list[str] = []
        # A name that is safe goes before another name that becomes the same.
        for name in sorted(self._entries(folder), key=lambda name: (safe_name(name) != name, name)):
            if name in _NEVER or (not prefix and name in self._skip):
                continue
            try:
                mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            except OSError:
                self.left_out[_UNREADABLE] += 1
                continue
            if stat.S_ISDIR(mode):
                below.append(name)
            elif stat.S_ISREG(mode):
                self._take_file(folder, name, prefix + name)
            else:
                self.left_out["links and special files"] += 1
        for name in below:
            self._enter(folder, name, f"{prefix}{name}/", depth + 1)

    def _enter(self, parent: int, name: str, prefix: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.left_out[f"more than {MAX_DEPTH} folders deep"] += 1
            return
        try:
            folder = os.open(name, _FOLDER, dir_fd=parent)
        except OSError:
            self.left_out[_UNREADABLE] += 1
            return
        try:
            self.take_folder(folder, prefix, depth)
        finally:
            os.close(folder)

    def _entries(self, folder: int) -> list[str]:
        """Return the names in a folder, as many as the limits still allow."""
        names: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if self._entries_left <= 0 or time.monotonic() > self._deadline:
                        self.left_out[_NOT_LOOKED_AT] += 1
                        break
                    self._entries_left -= 1
                    names.append(entry.name)
        except OSError:
            self.left_out[_UNREADABLE] += 1
        return names

    def _take_file(self, folder: int, raw: str, path: str) -> None:
        """Add one file, or count why it is left out."""
        name = safe_name(path)
        before = self._given.get(path)
        try:
            with _opened(folder, raw) as (descriptor, status):
                size = status.st_size
                if before is not None and size == len(before) and _read(descriptor, size) == before:
                    return
                if reason := self._refusal(name, status):
                    self.left_out[reason] += 1
                    return
                content = _read(descriptor, size)
        except _UnreadableError:
            self.left_out[_UNREADABLE] += 1
            return
        self._names.add(name)
        self._folders.update(_folders_of(name))
        self._bytes_left -= len(content)
        self.files.append(WrittenFile(name, content))

    def _refusal(self, name: str, status: os.stat_result) -> str | None:
        if time.monotonic() > self._deadline:
            return _NOT_LOOKED_AT
        if status.st_nlink > 1:
            # If the folder is on a shared file system, it may be a file from outside.
            return "hard links"
        if len(self.files) >= MAX_FILES:
            return f"more than {MAX_FILES} files"
        if status.st_size > self._bytes_left:
            return f"more than {MAX_BYTES // MIB} MiB in all"
        if len(name.encode()) > MAX_NAME or self._is_taken(name):
            return "names that can't be used"
        return None

    def _is_taken(self, name: str) -> bool:
        """Return whether a name is in use: two names can become the same safe name."""
        used = self._names | self._folders
        return name in used or not self._names.isdisjoint(_folders_of(name))


@contextmanager
def _opened(folder: int, name: str) -> Iterator[tuple[int, os.stat_result]]:
    """Open a regular file of a folder; raise _UnreadableError for anything else."""
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        raise _UnreadableError from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _UnreadableError
        yield descriptor, status
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes:
    """Return at most `size` bytes from the start; later additions are cut off."""
    pieces: list[bytes] = []
    position = 0
    try:
        while position < size and (piece := os.pread(descriptor, size - position, position)):
            pieces.append(piece)
            position += len(piece)
    except OSError as error:
        raise _UnreadableError from error
    return b"".join(pieces)
