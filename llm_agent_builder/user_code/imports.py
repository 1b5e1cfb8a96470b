"""Import statements of user code: read, checked, merged, and written as ruff and isort would."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.python_source.syntax_trees import syntax_tree

_LINE_MAX = 88
_FUTURE = "__future__"
# Generated files run on 3.10 to 3.14: what one of them lacks is not to be relied on.
_LACKING = (
    "tomllib annotationlib compression asynchat asyncore imp smtpd distutils aifc audioop cgi "
    "cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr spwd "
    "sunau telnetlib uu xdrlib"
)
_NOT_EVERYWHERE = frozenset(_LACKING.split())


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `import module as alias`, or `from module import name as alias`."""

    module: str
    name: str | None = None
    alias: str | None = None

    @property
    def bound(self) -> str:
        """The name it gives to the file."""
        return self.alias or self.name or self.module

    @property
    def path(self) -> str:
        """Where the thing comes from: `typing.Literal`."""
        return f"{self.module}.{self.name}" if self.name else self.module


def read_imports(node: ast.Import | ast.ImportFrom) -> list[Import]:
    """Return what a statement imports.

    Raises:
        CodeProblem: relative, star and dotted imports.

    """
    if isinstance(node, ast.Import):
        for name in node.names:
            if "." in name.name:
                raise CodeProblem(node.lineno, _dotted(name.name))
        return [Import(name.name, None, _alias(name)) for name in node.names]
    module = node.module or ""
    if node.level:
        raise CodeProblem(
            node.lineno, "imports from beside the file, where nothing is; paste it in"
        )
    if any(name.name == "*" for name in node.names):
        message = f"imports everything there is; name what is needed: from {module} import ..."
        raise CodeProblem(node.lineno, message)
    return [Import(module, name.name, _alias(name)) for name in node.names]


def _alias(name: ast.alias) -> str | None:
    return None if name.asname == name.name else name.asname


def _dotted(module: str) -> str:
    parent, _, last = module.rpartition(".")
    return f"import {module} is not understood; write: from {parent} import {last}"


def require_standard(imported: Import, line: int, also: Iterable[str] = ()) -> None:
    """Refuse modules that can't be relied on where the file runs.

    Raises:
        CodeProblem: neither of the standard library in 3.10 to 3.14 nor one of `also`.

    """
    top = imported.module.partition(".")[0]
    if top in also:
        return
    if top in _NOT_EVERYWHERE:
        raise CodeProblem(line, f"{top} is not in every Python from 3.10 to 3.14; don't use it")
    if top not in sys.stdlib_module_names or top == _FUTURE:
        raise CodeProblem(
            line,
            f"{top} is not in the standard library, and an agent file needs its provider's SDK "
            "only; don't use it (see urllib.request, sqlite3, json and csv)",
        )


def is_future_annotations(node: ast.stmt) -> bool:
    """Say whether a statement is the one that generated files begin with anyway."""
    return (
        isinstance(node, ast.ImportFrom)
        and node.module == _FUTURE
        and [name.name for name in node.names] == ["annotations"]
    )


def render_imports(imports: Iterable[Import]) -> tuple[str, ...]:
    """Return the statements, merged and in the order that ruff and isort give them."""
    found = sorted(set(imports), key=_order)
    statements: dict[tuple[str, str | None], list[Import]] = {}
    for each in found:
        # Only plain names of one module share a statement; aliases stand alone.
        alone = f"{each.name} as {each.alias}" if each.alias else "" if each.name else each.module
        statements.setdefault((each.module, alone or None), []).append(each)
    return tuple(_statement(group) for group in statements.values())


def _order(each: Import) -> tuple[object, ...]:
    name = each.name or ""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    module = _natural(each.module)
    return (
        _section(each.module),
        each.name is not None,
        module,
        kind,
        _natural(name),
        each.alias or "",
    )


def _natural(name: str) -> tuple[str, str]:
    """Order a2 before a10, small and capital letters alike."""
    return re.sub("[0-9]+", lambda digits: digits[0].zfill(20), name.lower()), name


def _section(module: str) -> int:
    top = module.partition(".")[0]
    return 0 if top == _FUTURE else 1 if top in sys.stdlib_module_names else 2


def _statement(group: list[Import]) -> str:
    first = group[0]
    names = [f"{each.name} as {each.alias}" if each.alias else each.name or "" for each in group]
    if first.name is None:
        return f"import {first.module}" + (f" as {first.alias}" if first.alias else "")
    line = f"from {first.module} import {', '.join(names)}"
    if len(line) <= _LINE_MAX:
        return line
    return f"from {first.module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def merge_imports(*groups: Iterable[str]) -> tuple[str, ...]:
    """Return the statements of all groups as one block would have them, each name once.

    Sections (the future, the standard library, the rest) follow each other without the blank lines
    between them: `import_block` has those.
    """
    found: list[Import] = []
    for statement in (statement for group in groups for statement in group):
        found += _imported_by(statement)
    return render_imports(found)


@lru_cache(maxsize=1024)
def _imported_by(statement: str) -> tuple[Import, ...]:
    node = syntax_tree(statement).body[0]
    assert isinstance(node, (ast.Import, ast.ImportFrom))
    return tuple(read_imports(node))


def import_block(*groups: Iterable[str]) -> str:
    """Return the import block of a file: merged, with a blank line between sections."""
    return _import_block(tuple(map(tuple, groups)))


@lru_cache(maxsize=256)
def _import_block(groups: tuple[tuple[str, ...], ...]) -> str:
    block, before = "", None
    for statement in merge_imports(*groups):
        section = _section(statement.split()[1])
        block += "\n" if before not in {None, section} else ""
        block += statement + "\n"
        before = section
    return block
