"""Writes users' values as Python literals, the only way in which they enter a generated file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LINE_MAX = 88
_SHORT_ASCII = 60
_SHORT_OTHER = 30  # a character may be two columns wide


def python_literal(text: str) -> str:
    r"""Return a readable and editable Python string literal with the value `text`.

    Short plain text becomes `"text"`, or `'text'` where it has double quotes. Anything else becomes
    a triple-quoted block that starts on its own line; whatever could end it, hide in it (control,
    bidirectional characters) or get lost in an editor (white space at a line end) is escaped.
    `ruff format` doesn't change these; it would re-wrap a long one-line literal.
    """
    if _is_plain_and_short(text):
        return f"'{text}'" if '"' in text else f'"{text}"'
    return f'"""\\\n{_block(text)}"""'


def line_literal(text: str) -> str:
    """Return a one-line Python string literal with the value `text`, in ruff's quotes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = (f"\\{char}" if char == quote else _escape_in_line(char) for char in text)
    return f"{quote}{''.join(escaped)}{quote}"


def _escape_in_line(char: str) -> str:
    return "\\n" if char == "\n" else _escape(char)


def doc_literal(text: str, indent: str) -> str:
    """Return a docstring with the value `text`, its further lines indented, in ruff's format.

    White space at line ends is removed; at line starts it is kept, after the indentation.
    """
    plain = "\n".join(line.rstrip() for line in text.split("\n"))
    pieces: list[str] = []
    for position, char in enumerate(plain):
        if char == "\n":
            pieces.append(char if plain[position + 1 : position + 2] == "\n" else f"\n{indent}")
        elif char == '"' and (position in {0, len(plain) - 1} or pieces[-2:] == ['"', '"']):
            pieces.append('\\"')  # it would merge with the enclosing quotes
        else:
            pieces.append(_escape(char))
    block = "".join(pieces)
    closing = f"\n{indent}" if "\n" in plain else ""
    return f'"""{block}{closing}"""'


def _is_plain_and_short(text: str) -> bool:
    limit = _SHORT_ASCII if text.isascii() else _SHORT_OTHER
    quotable = not ('"' in text and "'" in text)
    return len(text) <= limit and text.isprintable() and quotable and "\\" not in text


def _block(text: str) -> str:
    pieces: list[str] = []
    for position, char in enumerate(text):
        following = text[position + 1 : position + 2]
        if char == '"' and (not following or pieces[-2:] == ['"', '"']):
            pieces.append('\\"')  # else it would end the block
        elif char == " " and following == "\n":
            pieces.append("\\x20")
        elif char == "#" and _begins_metadata(text, position):
            pieces.append("\\x23")
        else:
            pieces.append(char if char == "\n" else _escape(char))
    return "".join(pieces)


def _begins_metadata(text: str, position: int) -> bool:
    """Return whether a line looks like the start of a PEP 723 block, even inside a string."""
    at_start = position == 0 or text[position - 1] == "\n"
    return at_start and text.startswith("# ///", position)


def _escape(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if char.isprintable():
        return char
    if char in "\t\r":
        return "\\t" if char == "\t" else "\\r"
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def wrapped(head: str, items: Sequence[str], tail: str) -> str:
    """Return `head`, items and `tail` on one line, or one item per line if that is too long.

    This is the format of `ruff format`: lines have at most 88 columns, and a comma after the last
    item keeps the items on separate lines.
    """
    line = head + ", ".join(items) + tail
    if columns(line) <= LINE_MAX or not items:
        return line
    indent = " " * (len(head) - len(head.lstrip()))
    return "\n".join([head, *(f"{indent}    {item}," for item in items), indent + tail])


def columns(line: str) -> int:
    """Return the most columns that a line can take: non-ASCII characters count as two."""
    return sum(1 if char < "\x7f" else 2 for char in line)


def list_literal(head: str, values: Iterable[str], tail: str = "]") -> str:
    """Return `head`, which ends with the opening bracket, and the rest of a list of strings."""
    return wrapped(head, [line_literal(value) for value in values], tail)


def number_value(value: float) -> float:
    """Return the literal of a number, without a fraction if it is an integer."""
    return int(value) if value == int(value) else value


def number_literal(value: float) -> str:
    """Return a Python number."""
    return repr(number_value(value))
