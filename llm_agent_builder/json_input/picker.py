"""Picks a few values out of a JSON text that arrives in pieces, without parsing all of it.

Other values are skipped with one regular expression match per token; they are not stored, and
nesting needs no memory. A small text that arrives in one piece is parsed instead: that is ten
times as fast.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from typing import Any

Path = tuple[str, ...]
"""Keys from the outermost object inward; "*" stands for every element of an array."""

# A string that is complete in one piece is a single token.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb'|["{}\[\],:]', re.DOTALL)
_DEEP_TOKEN = re.compile(_STRING + rb'|["{}\[\]]', re.DOTALL)
_STRING_END = re.compile(rb'["\\]')
_LONGEST = 64 * 1024
"""Limit of a picked value in bytes; a longer one is not picked."""
_LONGEST_KEY = 64

Tree = dict[str, "Tree"]
"""The wanted paths as a tree of keys; leaves are wanted values."""
UNREADABLE = object()
"""Stands for a wanted value that is too long or invalid JSON."""


@lru_cache
def _tree_of(wanted: frozenset[Path]) -> tuple[Tree, int]:
    """Return the tree of the wanted paths and its depth."""
    tree: Tree = {}
    for path in wanted:
        node = tree
        for key in path:
            node = node.setdefault(key, {})
    return tree, max(map(len, wanted))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a duplicate key")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _pick(value: Any, tree: Tree, path: Path, found: list[tuple[Path, Any]]) -> None:
    """Add the wanted parts of a parsed value to `found`, in the order of the text."""
    if isinstance(value, list) and "*" in tree:
        for inner in value:
            _pick(inner, tree["*"], (*path, "*"), found)
    elif isinstance(value, dict) and tree and "*" not in tree:
        for key, inner in value.items():
            if key in tree:
                _pick(inner, tree[key], (*path, key), found)
    elif path and path[-1] != "*":
        found.append((path, value))


class JsonPicker:
    """Feed it the pieces; `found` lists (path, value) in the order of the text.

    If a wanted path leads through a value of another type (a number or a list instead of an
    object), that value is found, with its own path.
    Invalid JSON gives arbitrary results, but never an exception.
    """

    def __init__(self, wanted: Collection[Path]) -> None:
        self.found: list[tuple[Path, Any]] = []
        self._wanted = frozenset(wanted)
        self._tree, self._deepest = _tree_of(self._wanted)
        self._path: list[str] = []
        """The current key of each open container, down to the deepest wanted level."""
        self._is_object: list[bool] = []
        self._deeper = 0
        """Number of open containers below those."""
        self._in_string = False
        self._escaped = False
        self._key: bytearray | None = None
        self._expect_key = False
        self._value: bytearray | None = None
        self._value_depth = 0
        self._opens = b""
        """With this bracket the open value is a container of wanted values, and isn't picked."""
        self._value_start = 0
        """The position in the current piece where the open value continues."""

    def feed(self, data: bytes) -> None:
        """Read the next piece of the text."""
        if not self._is_whole(data):
            self._feed_piece(data)

    def _is_whole(self, data: bytes) -> bool:
        """Parse a small text that is complete in this piece; return False for any other.

        A text with duplicate keys isn't parsed, as the parser would choose one of them.
        """
        between = not self._path and not self._deeper and not self._in_string
        if not between or len(data) > _LONGEST or not data.rstrip().endswith(b"}"):
            return False
        try:
            value, end = _DECODER.raw_decode(text := data.decode())
        except (ValueError, RecursionError):
            return False
        if end != len(text) and not text[end:].isspace():
            return False
        _pick(value, self._tree, (), self.found)
        self._expect_key = False
        return True

    def _feed_piece(self, data: bytes) -> None:
        position, size = 0, len(data)
        self._value_start = 0
        while position < size:
            if self._in_string:
                position = self._string(data, position)
                continue
            match = (_DEEP_TOKEN if self._deeper else _TOKEN).search(data, position)
            if match is None:
                break
            start, position = match.span()
            if position - start > 1:
                if self._expect_key and not self._deeper:
                    self._set_key(data[start + 1 : position - 1])
            elif self._value is None and data[start] == 0x2C and not self._deeper:
                self._expect_key = bool(self._is_object) and self._is_object[-1]
            else:
                self._read_character(data, start)
        if self._value is not None:
            self._record(data[self._value_start :])

    def _read_character(self, data: bytes, place: int) -> None:
        """Read a token of one character."""
        token = data[place]
        was_open = self._value is not None
        if was_open and self._ends_value(token):
            self._record(data[self._value_start : place])
            self._finish_value()
            was_open = False
        if was_open:
            if token in self._opens:
                self._value = None
            self._opens = b""
        self._handle_token(token)
        if self._value is not None and not was_open:
            self._value_start = place + 1

    def _string(self, data: bytes, position: int) -> int:
        """Continue inside a string; return the position after the part that was read."""
        if self._escaped:
            self._escaped = False
            self._grow_key(data[position : position + 1])
            return position + 1
        match = _STRING_END.search(data, position)
        end = match.start() if match else len(data)
        self._grow_key(data[position:end])
        if match is None:
            return end
        if data[end] == 0x5C:  # a backslash
            self._escaped = True
            self._grow_key(b"\\")
        else:
            self._in_string = False
            self._end_key()
        return end + 1

    def _grow_key(self, piece: bytes) -> None:
        if self._key is not None and len(self._key) <= _LONGEST_KEY:
            self._key += piece

    def _end_key(self) -> None:
        if self._key is None:
            return
        raw, self._key = bytes(self._key), None
        self._set_key(raw)

    def _set_key(self, raw: bytes) -> None:
        """Set the current key from its source, which may contain escapes."""
        try:
            self._path[-1] = json.loads(b'"%s"' % raw) if b"\\" in raw else raw.decode()
        except ValueError:
            self._path[-1] = ""

    def _handle_token(self, token: int) -> None:
        if token == 0x22:  # "
            self._in_string = True
            if self._expect_key and not self._deeper:
                self._key = bytearray()
        elif token in b"{[":
            self._open(is_object=token == 0x7B)
        elif token in b"}]":
            self._close()
        elif token == 0x2C:  # ,
            self._expect_key = bool(self._is_object) and self._is_object[-1]
        else:  # :
            self._expect_key = False
            self._begin_value()

    def _begin_value(self) -> None:
        """Start to record the value after a key if it is wanted or on the way to a wanted one."""
        opens = None if self._value is not None or self._deeper else self._inner(self._path)
        if opens is not None:
            self._value, self._opens = bytearray(), opens
            self._value_depth = len(self._path)

    def _inner(self, path: list[str]) -> bytes | None:
        """Return the opening bracket of containers of wanted values here; None if none are."""
        tree = self._tree
        for key in path:
            if key not in tree:
                return None
            tree = tree[key]
        return b"" if not tree else b"[" if "*" in tree else b"{"

    def _open(self, *, is_object: bool) -> None:
        if self._deeper or len(self._path) >= self._deepest:
            self._deeper += 1
            return
        self._path.append("" if is_object else "*")
        self._is_object.append(is_object)
        self._expect_key = is_object

    def _close(self) -> None:
        if self._deeper:
            self._deeper -= 1
        elif self._path:
            self._path.pop()
            self._is_object.pop()
        self._expect_key = False

    def _ends_value(self, token: int) -> bool:
        at_its_depth = not self._deeper and len(self._path) == self._value_depth
        return at_its_depth and token in b",}]"

    def _record(self, piece: bytes) -> None:
        if self._value is not None and len(self._value) <= _LONGEST:
            self._value += piece

    def _finish_value(self) -> None:
        raw, self._value = bytes(self._value or b""), None
        value = UNREADABLE
        if len(raw) <= _LONGEST:
            with suppress(ValueError, RecursionError):
                value = json.loads(raw)
        self.found.append((tuple(self._path), value))
