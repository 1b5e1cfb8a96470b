"""Splits a user's source into imports and the rest, and checks the names it defines and uses."""

from __future__ import annotations

import ast
import builtins
import io
import symtable
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.python_source.reserved_names import FILE_IMPORTS, FILE_NAMES
from llm_agent_builder.user_code.imports import (
    Import,
    import_block,
    is_future_annotations,
    read_imports,
    render_imports,
)
from llm_agent_builder.user_code.parse import Parsed

# Newer than the oldest Python that generated files run on.
_NOT_EVERYWHERE = frozenset({"ExceptionGroup", "BaseExceptionGroup", "PythonFinalizationError"})
_BUILTINS = frozenset(dir(builtins)) - _NOT_EVERYWHERE
_PREDEFINED = _BUILTINS | {"__name__", "__file__"}


@dataclass(frozen=True, slots=True)
class Name:
    """A name at module level; `path` is the import path of an imported one."""

    name: str
    line: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class PlacedImport:
    """An imported name and the line of its statement."""

    imported: Import
    line: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A source, split into imports and the rest."""

    imports: tuple[PlacedImport, ...]
    rest: tuple[ast.stmt, ...]
    body: str

    @property
    def statements(self) -> tuple[str, ...]:
        """The import statements as ruff and isort would write them."""
        return render_imports(each.imported for each in self.imports)

    @property
    def imported_names(self) -> tuple[Name, ...]:
        """The names that the imports bind in the file."""
        return tuple(
            Name(each.imported.bound, each.line, each.imported.path) for each in self.imports
        )

    @property
    def source(self) -> str:
        """The canonical source: imports, blank lines as ruff puts them, body."""
        if not self.imports:
            return self.body
        defines = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        blank = "\n\n" if self.rest and isinstance(self.rest[0], defines) else "\n"
        return import_block(self.statements) + blank + self.body


def split_code(parsed: Parsed) -> Layout:
    """Split a source into imports and the rest; comments between imports are moved below them.

    `from __future__ import annotations` is dropped: generated files start with it.

    Raises:
        CodeProblem: an import isn't above all other code, or isn't allowed.

    """
    statements = parsed.tree.body
    count = next((n for n, node in enumerate(statements) if not _is_import(node)), len(statements))
    imports, rest = statements[:count], statements[count:]
    end = max((node.end_lineno or 0 for node in imports), default=0)
    for node in (node for each in rest for node in ast.walk(each)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            raise CodeProblem(node.lineno, "import below other code; move it to the top")
    if rest and rest[0].lineno <= end:
        raise CodeProblem(end, "an import shares its line with other code; give each its own line")
    placed = [
        PlacedImport(imported, node.lineno)
        for node in imports
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not is_future_annotations(node)
        for imported in read_imports(node)
    ]
    return Layout(tuple(placed), tuple(rest), _body(parsed, end))


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _body(parsed: Parsed, end: int) -> str:
    below = parsed.lines[end:]
    while below and not below[0].strip():
        del below[0]
    comments = _comments(parsed.text, end) if end else []
    return "\n".join([*comments, *below]).rstrip() + "\n"


def _comments(text: str, end: int) -> list[str]:
    """Return the comments on the first `end` lines."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found: list[str] = []
    for token in tokens:
        if token.start[0] > end:
            break
        if token.type == tokenize.COMMENT:
            found.append(token.string)
    return found


def check_names(parsed: Parsed, layout: Layout, defined: Sequence[Name]) -> None:
    """Check every name at module level, and every use of one.

    Raises:
        CodeProblem: a name is reserved, defined twice, imported but not used, or undefined.

    """
    seen: dict[str, Name] = {}
    for name in (*layout.imported_names, *defined):
        _check_name(name)
        if name.name in seen:
            message = f"{name.name} is already defined on line {seen[name.name].line}; rename one"
            raise CodeProblem(name.line, message)
        seen[name.name] = name
    used = _global_uses(parsed.scopes) | _in_annotations(parsed.tree)
    for name in layout.imported_names:
        if name.name not in used:
            raise CodeProblem(name.line, f"{name.name} is imported but not used; remove the import")
    _check_uses(parsed.tree, used - seen.keys() - _PREDEFINED)


def _check_name(name: Name) -> None:
    taken = name.name in FILE_NAMES or FILE_IMPORTS.get(name.name, name.path) != name.path
    if taken and name.path and name.name in FILE_IMPORTS:
        module, _, what = FILE_IMPORTS[name.name].rpartition(".")
        there = f"from {module} import {what}" if module else f"import {what}"
        message = f"{name.name} has another meaning in an agent file ({there}); import that, or use"
        raise CodeProblem(name.line, f"{message} another name")
    if taken or name.name.startswith("__"):
        message = f"{name.name} is reserved in agent files; choose another name"
        raise CodeProblem(name.line, message)
    if name.name in _BUILTINS:
        message = f"{name.name} hides a Python builtin; choose another name"
        raise CodeProblem(name.line, message)


def first_conflict(codes: Sequence[Sequence[Name]]) -> tuple[int, CodeProblem] | None:
    """Return the index of the first code that redefines a name of an earlier one, and the problem.

    The same import in both is fine. Returns None if there is no conflict.
    """
    seen: dict[str, tuple[int, str]] = {}
    for position, names in enumerate(codes):
        for name in names:
            owner, path = seen.setdefault(name.name, (position, name.path))
            if owner != position and (not path or path != name.path):
                message = (
                    f"{name.name} is already defined by other code in the file; choose another name"
                )
                return position, CodeProblem(name.line, message)
    return None


def global_names(tree: ast.Module, scopes: symtable.SymbolTable) -> set[str]:
    """Return the names that a source looks up at module level, including those in annotations."""
    return _global_uses(scopes) | _in_annotations(tree)


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)


def _global_uses(scopes: symtable.SymbolTable) -> set[str]:
    """Return the names that any scope reads or writes at module level."""
    return {
        symbol.get_name()
        for table in _tables(scopes)
        for symbol in table.get_symbols()
        if (symbol.is_global() or table is scopes)
        and (symbol.is_referenced() or symbol.is_declared_global())
    }


def _in_annotations(tree: ast.Module) -> set[str]:
    """Return the names in annotations: symbol tables omit them if annotations aren't evaluated."""
    annotations = (
        getattr(node, field, None) for node in ast.walk(tree) for field in ("annotation", "returns")
    )
    parts = (part for each in annotations if each is not None for part in ast.walk(each))
    return {part.id for part in parts if isinstance(part, ast.Name)}


def _check_uses(tree: ast.Module, unknown: Iterable[str]) -> None:
    missing = set(unknown)
    if not missing:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in missing:
            message = f"{node.id} is not defined here; import it above, or define it"
            raise CodeProblem(node.lineno, message)
        if isinstance(node, ast.Global) and missing & set(node.names):
            name = next(name for name in node.names if name in missing)
            raise CodeProblem(node.lineno, f"global {name} is not defined here; define it above")
