"""Generates many agents: one agent file for each spec file in a folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from llm_agent_builder.agent_builder import AgentBuilder, filename_for
from llm_agent_builder.errors import AgentBuilderError, SpecError
from llm_agent_builder.spec.agent_spec import AgentSpec
from llm_agent_builder.spec.files import SUFFIXES

MakeSpec = Callable[[Path], AgentSpec]


@dataclass(slots=True)
class Batch:
    """The result of a batch."""

    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    """Files that existed with the same content."""
    problems: list[tuple[Path, str]] = field(default_factory=list)
    """Spec files without an agent file, and the reasons; in the order of their names."""


def spec_files_in(folder: Path) -> list[Path]:
    """Return the spec files of a folder, sorted by name, without subfolders."""
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())


def run_batch(specs: Iterable[Path], output: Path, make_spec: MakeSpec, *, force: bool) -> Batch:
    """Write an agent file for each spec file; the same specs give the same files.

    An invalid spec doesn't stop the others: its problem is reported. If two specs would give the
    same file, neither is written.
    """
    batch = Batch()
    sources: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for path in specs:
        try:
            spec = make_spec(path)
            sources[filename_for(spec.name)].append((path, AgentBuilder().build(spec)))
        except SpecError as error:
            each = (f"{name}: {problem}" for name, problem in error.problems)
            message = f"\n{path}: ".join(each)  # one per line, each with its file
            batch.problems.append((path, message))
        except AgentBuilderError as error:
            batch.problems.append((path, str(error)))
        except OSError as error:
            batch.problems.append((path, f"can't be read: {error.strerror}"))
    for name, made in sources.items():
        _write(batch, output / name, made, force=force)
    batch.problems.sort()
    return batch


def _write(batch: Batch, target: Path, made: list[tuple[Path, str]], *, force: bool) -> None:
    if len(made) > 1:
        for path, _ in made:
            others = ", ".join(other.name for other, _ in made if other != path)
            message = f"would be written to {target.name}, as {others} would; rename one agent"
            batch.problems.append((path, message))
        return
    ((path, source),) = made
    if target.is_symlink() or (target.exists() and not target.is_file()):
        message = f"{target} is a link or not a regular file: move it away first"
        batch.problems.append((path, message))
        return
    try:
        if target.is_file() and target.read_bytes() == source.encode():
            batch.unchanged.append(target)
            return
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(source)
        batch.written.append(target)
    except FileExistsError:
        batch.problems.append((path, f"{target} already exists; use --force to replace it"))
    except OSError as error:
        batch.problems.append((path, f"can't write {target}: {error.strerror}"))
