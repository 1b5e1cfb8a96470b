"""Parses Python files from users, within size limits, and never runs them.

Parsing holds Python's global lock (GIL) from start to end, so the size of the code is limited.
Strings and comments parse fast, and agent files may have many, so they don't count.
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
"""Limit of a file's code without strings and comments: parses in half a second at worst."""
MAX_LINES = 10_000
"""Limit of a file's lines, without those inside strings: more would take long to compare."""

# A string literal with its prefix, or a comment. Nothing here backtracks: an unterminated string
# ends at the end of the file.
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
_BRACES_AND_QUOTES = re.compile(r"\{\{|\}\}|[{}'\"#]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file. `bom` and `lines` together are its exact text."""

    bom: str
    """A byte order mark, or an empty string."""
    lines: tuple[str, ...]
    """With their line ends, split where Python splits them."""
    tree: ast.Module
    _encoded: dict[int, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def _plain_bytes(self, line: int) -> bytes:
        """Return a line in UTF-8, as syntax trees count columns; cached for reuse."""
        if line not in self._encoded:
            self._encoded[line] = plain(self.lines[line]).encode()
        return self._encoded[line]

    @property
    def newline(self) -> str:
        """The most frequent line end of the file."""
        ends = [match[0] for line in self.lines if (match := _LINE_END.search(line))]
        return max(set(ends), key=ends.count, default="\n")

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """Return the source of a node, with LF as line end."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        start, end = node.col_offset, node.end_col_offset
        if first == last:
            return self._plain_bytes(first)[start:end].decode()
        head, tail = self._plain_bytes(first)[start:], self._plain_bytes(last)[:end]
        between = (plain(line) for line in self.lines[first + 1 : last])
        return "".join([head.decode(), *between, tail.decode()])

    def global_names(self) -> set[str]:
        """Return the names that the file looks up at module level."""
        text = "".join(plain(line) for line in self.lines)
        with WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return global_names(self.tree, symtable.symtable(text, "<file>", "exec"))


def plain(line: str) -> str:
    """Return a line with LF as line end."""
    return _LINE_END.sub("\n", line)


def at_byte(line: str, offset: int) -> tuple[str, str]:
    """Split a line at a UTF-8 offset, as syntax trees count columns."""
    if line.isascii():
        return line[:offset], line[offset:]
    data = line.encode()
    return data[:offset].decode(), data[offset:].decode()


def without_texts(code: str) -> str:
    """Replace each string and comment of some code by an empty string; it may be invalid Python."""
    return _TEXT.sub('""', code)


def read_source(text: str) -> Source:
    """Return the lines and the syntax tree of a file.

    Raises:
        NotOursError: the text isn't valid Python, or exceeds the limits.

    """
    bom = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(bom)
    _check_size(body)
    with WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes are the user's business
        try:
            tree = syntax_tree(_LINE_END.sub("\n", body))
        except UnicodeEncodeError:
            raise NotOursError("is not text: it has lone surrogates") from None
        except (SyntaxError, ValueError) as error:
            raise NotOursError(f"is not Python: {_describe(error)}") from None
        except (RecursionError, MemoryError):  # the parser raises these for deep nesting
            raise NotOursError("is nested too deeply to be read") from None
    return Source(bom, tuple(_LINE.findall(body)), tree)


def _describe(error: SyntaxError | ValueError) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{error.msg} (line {error.lineno})"
    return str(error)


def _check_size(body: str) -> None:
    if (size := utf8_length(body)) > FILE_MAX_BYTES:
        raise NotOursError(f"has {size:,} bytes; at most {FILE_MAX_BYTES:,} can be read")
    code = _code_of(body)
    if len(code) > CODE_MAX_CHARS:
        raise NotOursError(
            f"has {len(code):,} characters of code without strings and comments; at most "
            f"{CODE_MAX_CHARS:,} can be read"
        )
    lines = len(_LINE_END.findall(code))
    if lines > MAX_LINES:
        raise NotOursError(f"has {lines:,} lines of code; at most {MAX_LINES:,} can be read")


def _code_of(body: str) -> str:
    """Return a file without strings and comments; where they are unclear, some remain."""
    code, start = [], 0
    for match in _TEXT.finditer(body):
        if match["text"] and _WITH_FIELDS.fullmatch(match["prefix"]):
            if not _ends_outside_fields(match["text"]):
                break  # a quote in a field may start another string: all that follows may be code
            continue
        code.append(body[start : match.start()])
        start = match.end()
    return "".join([*code, body[start:]])


def _ends_outside_fields(text: str) -> bool:
    """Return whether an f-string certainly ends at its apparent closing quote."""
    depth = 0
    for token in _BRACES_AND_QUOTES.findall(text):
        if depth == 0 and token in {"{{", "}}"}:
            continue
        if token[0] in "{}":
            depth += len(token) if token[0] == "{" else -len(token)
        elif depth:
            return False
        if depth < 0:
            return False
    return depth == 0
