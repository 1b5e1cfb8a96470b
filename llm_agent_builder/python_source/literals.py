"""Python literals for values that users give. The only way such a value enters a generated file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LINE_MAX = 88
_SHORT_ASCII = 60
_SHORT_OTHER = 30  # a character may be two columns wide


def python_literal(text: str) -> str:
    r"""Return a Python string literal whose value is `text`, pleasant to read and to edit.

    Short plain text becomes `"text"`, or `'text'` where it has double quotes. Anything else becomes
    a triple-quoted block that starts on its own line; whatever could end it, hide in it (control,
    bidirectional characters) or get lost in an editor (white space at a line end) is escaped.
    `ruff format` leaves all of them as they are; it would re-wrap a long one-line literal.
    """
    if _is_plain_and_short(text):
        return f"'{text}'" if '"' in text else f'"{text}"'
    return f'"""\\\n{_block(text)}"""'


def line_literal(text: str) -> str:
    """Return a Python string literal of one line whose value is `text`, as ruff would quote it."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = (f"\\{char}" if char == quote else _escape_in_line(char) for char in text)
    return f"{quote}{''.join(escaped)}{quote}"


def _escape_in_line(char: str) -> str:
    return "\\n" if char == "\n" else _escape(char)


def doc_literal(text: str, indent: str) -> str:
    """Return a docstring that says `text`, its further lines indented, as ruff would leave it.

    White space at the ends of lines is not kept; that at their begin is, beyond the indentation.
    """
    plain = "\n".join(line.rstrip() for line in text.split("\n"))
    pieces: list[str] = []
    for position, char in enumerate(plain):
        if char == "\n":
            pieces.append(char if plain[position + 1 : position + 2] == "\n" else f"\n{indent}")
        elif char == '"' and (position in {0, len(plain) - 1} or pieces[-2:] == ['"', '"']):
            pieces.append('\\"')  # it would run into the quotes around, or end them
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
    """Return whether a line would look like one that opens a block of PEP 723, also in a string."""
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
    """Return `head`, items and `tail` on one line, or where that is too long, an item a line.

    As `ruff format` leaves it: its lines are 88 columns wide, and a comma behind the last item
    keeps items on lines of their own.
    """
    line = head + ", ".join(items) + tail
    if columns(line) <= LINE_MAX or not items:
        return line
    indent = " " * (len(head) - len(head.lstrip()))
    return "\n".join([head, *(f"{indent}    {item}," for item in items), indent + tail])


def columns(line: str) -> int:
    """Return the columns that a line takes at most: what isn't ASCII may be two wide."""
    return sum(1 if char < "\x7f" else 2 for char in line)


def list_literal(head: str, values: Iterable[str], tail: str = "]") -> str:
    """Return a Python list of strings behind `head`, which ends with its bracket."""
    return wrapped(head, [line_literal(value) for value in values], tail)


def number_value(value: float) -> float:
    """Return a number as files write it: whole ones without a fraction."""
    return int(value) if value == int(value) else value


def number_literal(value: float) -> str:
    """Return a Python number."""
    return repr(number_value(value))
