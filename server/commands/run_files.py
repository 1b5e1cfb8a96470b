"""Files of the command line: reads those for the run, saves those that it returns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

import click

from server.isolation.files import (
    MAX_BYTES,
    Collected,
    amount_problem,
    clash,
    name_problem,
    place_files,
)


def read_files(given: tuple[str, ...]) -> dict[str, bytes]:
    """Read the files that `--file` names: PATH, a folder, or NAME=PATH.

    A relative path keeps its name, so that the agent finds the file as it would without a sandbox;
    of an absolute path, or one with "..", only the last part is used.

    Raises:
        click.UsageError: one can't be read or given.

    """
    found = [pair for argument in given for pair in _files_of(argument)]
    for name, path in found:
        if problem := name_problem(name):
            raise click.UsageError(f"--file {path}: the name {name!r} {problem}")
    if twice := clash([name for name, _ in found]):
        raise click.UsageError(f"--file: {twice} is there twice, or as a file and as a folder")
    try:
        if problem := amount_problem([path.stat().st_size for _, path in found]):
            raise click.UsageError(f"--file: {problem}")
        files = {name: _read(path) for name, path in found}
    except OSError as error:
        raise click.UsageError(f"--file {error.filename}: {error.strerror}") from None
    if problem := amount_problem([len(content) for content in files.values()]):
        raise click.UsageError(f"--file: {problem}")
    return files


def _files_of(argument: str) -> Iterator[tuple[str, Path]]:
    path, name = Path(argument), ""
    if not path.exists() and "=" in argument:
        name, _, source = argument.partition("=")
        path = Path(source)
    if not path.exists():
        raise click.UsageError(f"--file {argument}: there is no such file or folder")
    name = name or _own_name(path)
    if not path.is_dir():
        yield name, path
        return
    prefix = "" if name == "." else f"{name}/"
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        for file in sorted(files):
            below = Path(folder, file)
            yield prefix + below.relative_to(path).as_posix(), below


def _own_name(path: Path) -> str:
    plain = PurePath(os.path.normpath(path))
    return plain.name if plain.is_absolute() or ".." in plain.parts else plain.as_posix()


def _read(path: Path) -> bytes:
    """Read one file, but little more than the limit: a pipe or device may have no end."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def save_files(written: Collected, folder: Path | None) -> bool:
    """Save a run's files in `folder`, or list them without one; return whether that succeeded.

    The names come from the program: nothing outside `folder` and no existing file is written to.
    """
    for each in written.left_out:
        click.echo(f"[not returned: {each.reason}: {each.count}]", err=True)
    if not written.files:
        if folder is not None:
            click.echo("[no files were written: nothing to save]", err=True)
        return True
    if folder is None:
        listed = ", ".join(f"{file.name} ({len(file.content):,} bytes)" for file in written.files)
        click.echo(f"[files written: {listed}; --save DIR keeps them]", err=True)
        return True
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        click.echo(f"[not saved: {folder}: {error.strerror}]", err=True)
        return False
    try:
        # A list, not a generator: every file is tried, even after a failure.
        saved = [_save(descriptor, folder, file.name, file.content) for file in written.files]
        return all(saved)
    finally:
        os.close(descriptor)


def _save(descriptor: int, folder: Path, name: str, content: bytes) -> bool:
    try:
        place_files(descriptor, {name: content})
    except OSError as error:
        click.echo(f"[not saved: {folder / name}: {error.strerror}]", err=True)
        return False
    click.echo(f"[saved: {folder / name}]", err=True)
    return True
