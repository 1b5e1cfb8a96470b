"""Picks a few values out of a JSON text that comes in pieces, without parsing the whole.

Pure and bounded: what isn't wanted is passed over by one regular expression a token, nothing of it
is kept, and nesting costs no memory. A small text that comes whole is parsed all the same: that is
ten times as fast.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from typing import Any

Path = tuple[str, ...]
"""Keys from the outermost object inwards; an array's elements are all "*"."""

# A string that ends in the same piece is one token.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb'|["{}\[\],:]', re.DOTALL)
_DEEP_TOKEN = re.compile(_STRING + rb'|["{}\[\]]', re.DOTALL)
_STRING_END = re.compile(rb'["\\]')
_LONGEST = 64 * 1024
"""Bytes of one picked value; a longer one is not picked."""
_LONGEST_KEY = 64

Tree = dict[str, "Tree"]
"""The wanted paths, key by key; a leaf is wanted."""
UNREADABLE = object()
"""The value of a wanted path that is too long, or no JSON."""


@lru_cache
def _tree_of(wanted: frozenset[Path]) -> tuple[Tree, int]:
    """Return the tree, and how deep it is."""
    tree: Tree = {}
    for path in wanted:
        place = tree
        for key in path:
            place = place.setdefault(key, {})
    return tree, max(map(len, wanted))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands here twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _pick(value: Any, tree: Tree, path: Path, found: list[tuple[Path, Any]]) -> None:
    """Add what is wanted of a parsed value, in the order of the text."""
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
    """Feed it the pieces; `found` holds (path, value) in the order of the text.

    Where a wanted path leads through something that has no such place (a number, a list in place of
    an object), that is found, with its own path.
    Text that isn't JSON yields nothing sensible, and never an exception.
    """

    def __init__(self, wanted: Collection[Path]) -> None:
        self.found: list[tuple[Path, Any]] = []
        self._wanted = frozenset(wanted)
        self._tree, self._deepest = _tree_of(self._wanted)
        self._path: list[str] = []
        """The key that each open container is at, down to the deepest that matters."""
        self._is_object: list[bool] = []
        self._deeper = 0
        """Open containers below those."""
        self._in_string = False
        self._escaped = False
        self._key: bytearray | None = None
        self._expect_key = False
        self._value: bytearray | None = None
        self._value_depth = 0
        self._opens = b""
        """By what the open value would be the container of wanted ones, and not be picked."""
        self._kept = 0
        """Where in the present piece the open value goes on."""

    def feed(self, data: bytes) -> None:
        """Take the next piece of the text."""
        if not self._is_whole(data):
            self._feed_piece(data)

    def _is_whole(self, data: bytes) -> bool:
        """Take a small text that is here from its start to its end; False: this isn't one.

        Nor is one that names something twice: which of them counts is not for a parser to say.
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
        self._kept = 0
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
                    self._name(data[start + 1 : position - 1])
            elif self._value is None and data[start] == 0x2C and not self._deeper:
                self._expect_key = bool(self._is_object) and self._is_object[-1]
            else:
                self._mark(data, start)
        if self._value is not None:
            self._keep(data[self._kept :])

    def _mark(self, data: bytes, place: int) -> None:
        """Take a token that is one character."""
        token = data[place]
        was_open = self._value is not None
        if was_open and self._ends_value(token):
            self._keep(data[self._kept : place])
            self._finish_value()
            was_open = False
        if was_open:
            if token in self._opens:
                self._value = None
            self._opens = b""
        self._token(token)
        if self._value is not None and not was_open:
            self._kept = place + 1

    def _string(self, data: bytes, position: int) -> int:
        """Go on inside a string; return the place behind what was read."""
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
        self._name(raw)

    def _name(self, raw: bytes) -> None:
        """Take a key as it is written, escapes included."""
        try:
            self._path[-1] = json.loads(b'"%s"' % raw) if b"\\" in raw else raw.decode()
        except ValueError:
            self._path[-1] = ""

    def _token(self, token: int) -> None:
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
        """Keep what follows a key, if it is wanted or in the place of what holds wanted ones."""
        opens = None if self._value is not None or self._deeper else self._inner(self._path)
        if opens is not None:
            self._value, self._opens = bytearray(), opens
            self._value_depth = len(self._path)

    def _inner(self, path: list[str]) -> bytes | None:
        """Return how containers of wanted values begin here; None: nothing here is wanted."""
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

    def _keep(self, piece: bytes) -> None:
        if self._value is not None and len(self._value) <= _LONGEST:
            self._value += piece

    def _finish_value(self) -> None:
        raw, self._value = bytes(self._value or b""), None
        value = UNREADABLE
        if len(raw) <= _LONGEST:
            with suppress(ValueError, RecursionError):
                value = json.loads(raw)
        self.found.append((tuple(self._path), value))
