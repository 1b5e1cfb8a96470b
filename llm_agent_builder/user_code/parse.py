"""Parses Python source written by users into text, syntax tree and scopes; never runs it.

Nothing here imports or evaluates the source. Every problem names its line and a fix.
"""

from __future__ import annotations

import ast
import re
import symtable
import threading
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.python_source.syntax_trees import syntax_tree

CODE_MAX_BYTES = 64 * 1024
"""Limit in UTF-8 bytes of an answer's source, and of all tools' sources together."""
TOOL_MAX_BYTES = 16 * 1024
"""Limit in UTF-8 bytes of a tool's source: parsing blocks all threads (GIL)."""
MAX_DEPTH = 150
"""Limit of a syntax tree's depth, so that recursive walks don't overflow Python's stack."""
_FILE = "<code of a user>"
_OLDEST = (3, 10)  # the oldest Python that generated files support
_MAX_EMITTED = 200_000
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # scripts and emoji need them; identifiers can't contain them
_SCRIPT_BLOCK = re.compile(r"(?m)^# ///")
# Warning filters are global to the process, so only one thread at a time may change them.
WARNINGS = threading.Lock()


@dataclass(frozen=True, slots=True)
class Parsed:
    """Valid Python source with its syntax tree and symbol table."""

    text: str
    tree: ast.Module
    scopes: symtable.SymbolTable

    @property
    def lines(self) -> list[str]:
        """The lines as Python counts them; `str.splitlines` splits at more characters."""
        return self.text.split("\n")


def parse_code(source: str, longest: int = CODE_MAX_BYTES) -> Parsed:
    """Parse source of at most `longest` bytes, with line ends converted to LF.

    Raises:
        CodeProblem: Python 3.10 to 3.14 don't accept it without a warning, it is too large or
            nested too deeply, or it contains invisible characters.

    """
    text = _plain_text(source, longest)
    with WARNINGS, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tree = syntax_tree(text, _FILE, feature_version=_OLDEST)
            _check_size(tree)
            compile(tree, _FILE, "exec", dont_inherit=True)  # compiled to find errors, never run
            scopes = symtable.symtable(text, _FILE, "exec")
        except SyntaxError as error:
            raise _syntax_problem(error) from None
        except (RecursionError, MemoryError):  # the parser raises these for deep nesting
            raise CodeProblem(1, "is nested too deeply; split it into helper functions") from None
    for warning in caught:
        if warning.filename == _FILE:
            message = f"Python warns: {warning.message}; fix this first"
            raise CodeProblem(warning.lineno, message)
    return Parsed(text, tree, scopes)


def _plain_text(source: str, longest: int) -> str:
    text = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if (size := len(text.encode("utf-8", "surrogatepass"))) > longest:
        message = f"the code is {size:,} bytes long; at most {longest:,} are allowed"
        raise CodeProblem(1, message)
    if not text.isascii() or not text.replace("\n", "").isprintable():
        _refuse_hidden(text)
    if found := _SCRIPT_BLOCK.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise CodeProblem(line, "# /// starts the file's own list of requirements; remove it")
    return text


def _refuse_hidden(text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        for char in line:
            if char == "\t" or char in _JOINERS or unicodedata.category(char) not in _HIDDEN:
                continue
            name = unicodedata.name(char, "a control character")
            raise CodeProblem(
                number,
                f"U+{ord(char):04X} ({name}) is invisible in an editor; delete it, or in a "
                f"string write {_escape(char)}",
            )


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def _syntax_problem(error: SyntaxError) -> CodeProblem:
    what = error.msg or "invalid syntax"
    return CodeProblem(error.lineno or 1, f"syntax error: {what}")


def _check_size(tree: ast.Module) -> None:
    """Refuse code that would take long to walk or compile."""
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            break
    else:
        line = next((getattr(node, "lineno", 1) for node in level), 1)
        message = f"is nested more than {MAX_DEPTH} levels deep; split it into helpers"
        raise CodeProblem(line, message)
    if _emitted(tree)[0] > _MAX_EMITTED:
        raise CodeProblem(1, "has nested finally blocks; move the inner ones into helper functions")


def _emitted(node: ast.AST) -> tuple[int, int]:
    """Estimate the size of the bytecode compiled from a tree, and count the jumps out of it.

    The compiler emits a `finally` block twice, and once more for each jump out of its `try`:
    nested ones grow exponentially.
    """
    jumps = int(isinstance(node, (ast.Return, ast.Break, ast.Continue)))
    last = getattr(node, "finalbody", [])
    size, jumps = _summed(1, jumps, (child for child in _children(node) if child not in last))
    if not last:
        return size, jumps
    last_size, last_jumps = _summed(0, 0, last)
    return size + last_size * (2 + jumps), jumps + last_jumps * (2 + jumps)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    # Expressions contain no statements: lambdas and comprehensions have no `finally`.
    return (child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr))


def _summed(size: int, jumps: int, nodes: Iterator[ast.AST] | list[ast.stmt]) -> tuple[int, int]:
    for node in nodes:
        more, jumps_more = _emitted(node)
        size, jumps = size + more, jumps + jumps_more
    return size, jumps


def has_surrogates(text: str) -> bool:
    """Return whether a text contains a lone surrogate, which UTF-8 can't encode."""
    return any("\ud800" <= char <= "\udfff" for char in text) if not text.isascii() else False


def refuse_surrogates(node: ast.AST) -> None:
    """Refuse code with strings that can't be sent to a model.

    Raises:
        CodeProblem: a string contains a lone surrogate, written as an escape.

    """
    for part in ast.walk(node):
        value = part.value if isinstance(part, ast.Constant) else None
        if isinstance(value, str) and has_surrogates(value):
            message = (
                "a lone surrogate (\\ud800 to \\udfff) can't be sent; write the full character"
            )
            raise CodeProblem(getattr(part, "lineno", 1), message)


def is_constant_name(name: str) -> bool:
    """Return whether a name is written like a constant: MAX_BYTES, _LIMIT."""
    return re.fullmatch(r"_*[A-Z][A-Z0-9_]*", name) is not None
