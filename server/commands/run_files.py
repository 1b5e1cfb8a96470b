"""The files of the command `run`: reads its input files and saves the written ones."""

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

    A relative path keeps its name, so that the agent finds the file as outside the sandbox; an
    absolute path, or one with "..", is reduced to its last part.

    Raises:
        click.UsageError: a file can't be read, or its name can't be used.

    """
    found = [pair for argument in given for pair in _files_of(argument)]
    for name, path in found:
        if problem := name_problem(name):
            raise click.UsageError(f"--file {path}: the name {name!r} {problem}")
    if twice := clash([name for name, _ in found]):
        raise click.UsageError(f"--file: {twice} is given twice, or as both a file and a folder")
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
        raise click.UsageError(f"--file {argument}: no such file or folder")
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
    """Read one file up to the size limit, because a pipe or device may be endless."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def save_files(written: Collected, folder: Path | None) -> bool:
    """Save a run's files in `folder`, or list them if it is None; return whether that succeeded.

    The program chose the names: nothing outside `folder` and no existing file is written to.
    """
    for each in written.left_out:
        click.echo(f"[not returned: {each.reason}: {each.count}]", err=True)
    if not written.files:
        if folder is not None:
            click.echo("[nothing to save: the program wrote no files]", err=True)
        return True
    if folder is None:
        listed = ", ".join(f"{file.name} ({len(file.content):,} bytes)" for file in written.files)
        click.echo(f"[files written: {listed}; save them with --save DIR]", err=True)
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
