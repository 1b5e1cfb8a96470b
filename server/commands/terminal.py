"""Filters a run's output for a terminal: keeps colours, drops other control sequences.

Control sequences can set the terminal's title, fill the clipboard, move the cursor over earlier
lines, and make the terminal send text as if the user had typed it. Sources: ECMA-48 and xterm's
"Control Sequences".
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import TextIO

import click

from llm_agent_builder.validation.visible_text import visible

_RESET = "\x1b[0m"
_CONTROL = r"\x00-\x1f\x7f-\x9f"
_SEQUENCE_MAX_CHARS = 4096
"""Limit on a text sequence such as a title, in characters; an unterminated one ends there."""
_CSI_BODY = r"[ -?]{0,100}"
_TEXT_BEGIN = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])"  # OSC, DCS, SOS, PM, APC
_SEQUENCES = re.compile(
    r"(?P<colour>\x1b\[(?P<codes>[0-9;:]{0,100})m)"
    rf"|(?:\x1b\[|\x9b){_CSI_BODY}[@-~]?"
    rf"|{_TEXT_BEGIN}[^{_CONTROL}]{{0,{_SEQUENCE_MAX_CHARS}}}(?:\x07|\x9c|\x1b\\)?"
    r"|\x1b[ -/]{0,8}[0-~]?"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"  # not: tab, line feed, carriage return
)
_UNFINISHED = re.compile(
    rf"(?:(?:\x1b\[|\x9b){_CSI_BODY}"
    rf"|{_TEXT_BEGIN}[^{_CONTROL}]{{0,{_SEQUENCE_MAX_CHARS - 1}}}"
    r"|\x1b[ -/]{0,8})\Z"
)


class TerminalFilter:
    """Filters one stream, piece by piece: a sequence may be split between pieces."""

    def __init__(self) -> None:
        self.coloured = False
        """Whether a colour is still on."""
        self._pending = ""

    def clean(self, text: str) -> str:
        """Return the next piece without control sequences; an unfinished one waits for its rest."""
        text = self._pending + text
        unfinished = _UNFINISHED.search(text)
        self._pending = unfinished[0] if unfinished else ""
        return _SEQUENCES.sub(self._passed, text[: len(text) - len(self._pending)])

    def _passed(self, match: re.Match[str]) -> str:
        if match["colour"] is None:
            return ""
        self.coloured = match["codes"].strip("0;") != ""
        return match["colour"]


class RunScreen:
    """Writes a run's streams to this process's own, and the command's lines to standard error.

    Each of the command's lines begins at the left margin, in the terminal's default colours, after
    all output so far: the last line is always the command's.
    """

    def __init__(self, *, raw: bool) -> None:
        """`raw` writes the streams unfiltered."""
        self._streams: Mapping[str, TextIO] = {"stdout": sys.stdout, "stderr": sys.stderr}
        self._filters = {} if raw else {name: TerminalFilter() for name in self._streams}
        self._mid_line: set[str] = set()

    def write(self, name: str, text: str) -> None:
        """Write a piece of one of the run's streams."""
        if name in self._filters:
            text = self._filters[name].clean(text)
        if text:
            self._put(name, text)

    def say(self, line: str) -> None:
        """Write a line of the command, in brackets."""
        self.end_line()
        click.echo(f"[{visible(line)}]", err=True)

    def end_line(self) -> None:
        """Let the next line begin at the left margin, in the terminal's default colours."""
        for name, each in self._filters.items():
            if each.coloured:
                self._put(name, _RESET)
                each.coloured = False
        on_screen = {name for name in self._mid_line if self._streams[name].isatty()}
        if "stderr" in self._mid_line or (on_screen and sys.stderr.isatty()):
            self._put("stderr", "\n")
            self._mid_line -= on_screen

    def _put(self, name: str, text: str) -> None:
        stream = self._streams[name]
        stream.write(text)
        stream.flush()
        plain = text.removesuffix(_RESET)
        if plain.endswith("\n"):
            self._mid_line.discard(name)
        elif plain:
            self._mid_line.add(name)
