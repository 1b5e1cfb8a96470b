"""Whole Python files from outside, parsed within bounds and never run.

Parsing holds the interpreter's lock from its first byte to its last, so what may be parsed is
bounded by what costs time: code. Texts and comments, of which an agent file may have much, are
free.
"""

from __future__ import annotations

import ast
import re
import symtable
import warnings
from dataclasses import dataclass, field

from llm_agent_builder.errors import NotOursError
from llm_agent_builder.python_source.syntax_trees import syntax_tree
from llm_agent_builder.user_code.layout import global_names
from llm_agent_builder.user_code.parse import WARNINGS
from llm_agent_builder.validation.text import utf8_length

FILE_MAX_BYTES = 1024 * 1024
CODE_MAX_CHARS = 64 * 1024
"""Limit of a file's code, texts and comments aside: half a second of parsing at worst."""
MAX_LINES = 10_000
"""Limit of a file's lines, those inside texts aside: more take long to compare."""

# A text with what stands before it, or a comment. Nothing here backtracks: an end that never comes
# is the file's end.
_TEXT = re.compile(
    r"#[^\r\n]*+"
    r"|(?<!\w)(?P<prefix>\w*+)(?P<text>"
    r'"""(?:[^"\\]++|\\.|"(?!""))*+(?:"""|\Z)'
    r"|\'\'\'(?:[^'\\]++|\\.|'(?!''))*+(?:\'\'\'|\Z)"
    r'|"(?:[^"\\\r\n]++|\\.)*+"?'
    r"|'(?:[^'\\\r\n]++|\\.)*+'?)",
    re.DOTALL,
)
_WITH_FIELDS = re.compile(r"f|t|rf|fr|rt|tr", re.IGNORECASE)
_MARKS = re.compile(r"\{\{|\}\}|[{}'\"#]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text as it was given: every byte is in `mark` and `lines`."""

    mark: str
    """A byte order mark, or nothing."""
    lines: tuple[str, ...]
    """With their ends, counted as Python counts them."""
    tree: ast.Module
    _encoded: dict[int, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def _plain_bytes(self, line: int) -> bytes:
        """Return a line as syntax trees count it; made once, as many statements may share it."""
        if line not in self._encoded:
            self._encoded[line] = plain(self.lines[line]).encode()
        return self._encoded[line]

    @property
    def newline(self) -> str:
        """How most lines end."""
        ends = [match[0] for line in self.lines if (match := _LINE_END.search(line))]
        return max(set(ends), key=ends.count, default="\n")

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """Return the source of a node, with plain line ends."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        start, end = node.col_offset, node.end_col_offset
        if first == last:
            return self._plain_bytes(first)[start:end].decode()
        head, tail = self._plain_bytes(first)[start:], self._plain_bytes(last)[:end]
        between = (plain(line) for line in self.lines[first + 1 : last])
        return "".join([head.decode(), *between, tail.decode()])

    def global_names(self) -> set[str]:
        """Return the names that the file looks for at the level of its module."""
        text = "".join(plain(line) for line in self.lines)
        with WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return global_names(self.tree, symtable.symtable(text, "<file>", "exec"))


def plain(line: str) -> str:
    """Return a line with a plain end."""
    return _LINE_END.sub("\n", line)


def at_byte(line: str, offset: int) -> tuple[str, str]:
    """Part a line at an offset in UTF-8, as syntax trees count columns."""
    if line.isascii():
        return line[:offset], line[offset:]
    data = line.encode()
    return data[:offset].decode(), data[offset:].decode()


def without_texts(code: str) -> str:
    """Return code with an empty text for each text and comment; it need not be Python."""
    return _TEXT.sub('""', code)


def read_source(text: str) -> Source:
    """Return the lines and the syntax tree of a file.

    Raises:
        NotOursError: it isn't Python, or is more than can be read back.

    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    _check_size(body)
    with WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an escape that Python dislikes is its owner's business
        try:
            tree = syntax_tree(_LINE_END.sub("\n", body))
        except UnicodeEncodeError:
            raise NotOursError("is not text: it has lone surrogates") from None
        except (SyntaxError, ValueError) as error:
            raise NotOursError(f"is not Python: {_said(error)}") from None
        except (RecursionError, MemoryError):  # what the parser raises for a deep nest
            raise NotOursError("is nested too deeply to be read") from None
    return Source(mark, tuple(_LINE.findall(body)), tree)


def _said(error: SyntaxError | ValueError) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{error.msg} (line {error.lineno})"
    return str(error)


def _check_size(body: str) -> None:
    if (size := utf8_length(body)) > FILE_MAX_BYTES:
        raise NotOursError(f"has {size:,} bytes; at most {FILE_MAX_BYTES:,} can be read")
    code = _code_of(body)
    if len(code) > CODE_MAX_CHARS:
        raise NotOursError(
            f"has {len(code):,} characters of code beside its texts and comments; at most "
            f"{CODE_MAX_CHARS:,} can be read"
        )
    lines = len(_LINE_END.findall(code))
    if lines > MAX_LINES:
        raise NotOursError(f"has {lines:,} lines of code; at most {MAX_LINES:,} can be read")


def _code_of(body: str) -> str:
    """Return a file without its texts and comments; more of it where that can't be told apart."""
    kept, start = [], 0
    for match in _TEXT.finditer(body):
        if match["text"] and _WITH_FIELDS.fullmatch(match["prefix"]):
            if not _ends_outside_fields(match["text"]):
                break  # a quote in a field may begin another text: all that follows may be code
            continue
        kept.append(body[start : match.start()])
        start = match.end()
    return "".join([*kept, body[start:]])


def _ends_outside_fields(text: str) -> bool:
    """Say whether a text with fields surely ends at the quote that seems to be its last."""
    depth = 0
    for mark in _MARKS.findall(text):
        if depth == 0 and mark in {"{{", "}}"}:
            continue
        if mark[0] in "{}":
            depth += len(mark) if mark[0] == "{" else -len(mark)
        elif depth:
            return False
        if depth < 0:
            return False
    return depth == 0
