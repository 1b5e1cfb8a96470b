"""Escapes untrusted text in messages, so that the terminal doesn't interpret it."""

from __future__ import annotations

import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of control and format characters, surrogates, line and paragraph ends."""


def visible(text: str) -> str:
    r"""Return text with every invisible character escaped as in Python.

    Line feeds and tabs stay. What a terminal acts on, what reorders a line, and lone surrogates,
    which no stream takes, become `\x1b`, `\u202e` and the like.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible_letter, text))


def _visible_letter(letter: str) -> str:
    if letter in "\n\t" or unicodedata.category(letter) not in _UNSEEN:
        return letter
    return letter.encode("unicode_escape").decode()
