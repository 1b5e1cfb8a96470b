"""Finds out what the sandbox denied a program, from the exception that ended it.

`explain` runs in the program's own process, after the program: standard library only. It reads only
exceptions and their frames, so no printed text can look like a denial. `encode_denial` makes the
bytes for the server, where `denied_message` makes the message.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

NETWORK, FILE, CALL = "network", "file", "call"
_MAX_ERRORS = 200  # a chain of errors may be circular, and groups may be nested
_MAX_FRAMES = 1000
_MAX_SUBJECT = 200  # characters
MAX_DENIAL_BYTES = 4096
"""A pipe takes this many bytes at once (pipe(7), PIPE_BUF)."""

_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}
_REFUSED = {errno.EPERM, errno.EACCES}
_REFUSED_CALL = _REFUSED | {errno.ENOSYS}
_NO_NAME = {socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_NONAME, socket.EAI_SYSTEM}
# Methods of socket objects: they are written in C and leave no frame of their own.
_SOCKET_CALLS = {"socket", "socketpair", "connect", "connect_ex", "bind", "listen"}
_SOCKET_CALLS |= {"sendto", "sendmsg", "sendmsg_afalg"}
# The local variables in which functions of the standard library have the requested address.
_ADDRESS_LOCALS = {
    "socket": ("host", "port"),
    "asyncio.base_events": ("host", "port"),
    "asyncio.selector_events": ("address", None),
}
_KNOWN_MODULES = {*_ADDRESS_LOCALS, "subprocess"}


class Denial(NamedTuple):
    """A denial: its kind ("network", "file" or "call"), and what was attempted; may be empty."""

    kind: str
    subject: str


def explain(
    error: BaseException, scratch: str, *, gateway_port: int | None = None
) -> Denial | None:
    """Return what the sandbox denied, if that ended the program with `error`.

    `scratch` is the absolute path of the program's folder. A refused connection to the run's own
    `gateway_port` is no denial. Searches the causes and contexts of `error` and exception groups,
    nearest first. Never raises an Exception, whatever errors the program defines.
    """
    try:
        if isinstance(error, SystemExit) and error.code in {None, 0}:
            return None
        found = (_denial(each, scratch, gateway_port) for each in _chain(error))
        return next((denial for denial in found if denial is not None), None)
    except Exception:  # the program's own error classes can do anything
        return None


def _chain(error: BaseException) -> Iterator[OSError]:
    """Yield the OSErrors of a chain, nearest first."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    for _ in range(_MAX_ERRORS):
        if not waiting:
            return
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, OSError):
            yield current
        nested = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        further = (current.__cause__, current.__context__, *nested[:_MAX_ERRORS])
        waiting += [each for each in further if each is not None]


def _denial(error: OSError, scratch: str, gateway_port: int | None) -> Denial | None:
    if _is_of_network(error):
        address = _address(error)
        refused = error.errno == errno.ECONNREFUSED
        own = refused and address.rpartition(":")[2] == str(gateway_port)
        return None if own else Denial(NETWORK, address)
    if _is_missing_command(error):
        return Denial(FILE, printable(os.fsdecode(error.filename)))
    if names := [name for name in (error.filename, error.filename2) if _is_path(name)]:
        return _file_denial(error.errno, [os.fsdecode(name) for name in names], scratch)
    called = _called_name(error.__traceback__) if error.errno in _REFUSED_CALL else ""
    # Without a call, Python code raised the error: perhaps the program's, to look like a denial.
    return Denial(CALL, printable(called)) if called else None


def _is_of_network(error: OSError) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno in _NO_NAME
    if error.errno in _UNREACHABLE | {errno.ECONNREFUSED}:
        return True
    origin = _origin(error.__traceback__)
    if error.errno is None:  # one error for several addresses that all failed
        return origin == "asyncio.base_events"
    return error.errno in _REFUSED and (
        origin == "socket" or _called_name(error.__traceback__) in _SOCKET_CALLS
    )


def _is_path(name: object) -> bool:
    return isinstance(name, str | bytes)


def _is_missing_command(error: OSError) -> bool:
    """Return whether a command ("git") was missing on PATH, as opposed to a file in the folder."""
    *_, last = (None, *_frames(error.__traceback__))
    name = error.filename
    if last is None or _module(last[0]) != "subprocess" or not _is_path(name):
        return False
    return last[0].f_locals.get("orig_executable") == name and "/" not in os.fsdecode(name)


def _file_denial(code: int | None, names: list[str], scratch: str) -> Denial | None:
    """Return the denial for paths outside the folder; errors inside it are the program's own."""
    inside = os.path.join(os.path.normpath(scratch), "")
    outside = [
        name
        for name in names
        if not os.path.join(os.path.normpath(os.path.join(scratch, name)), "").startswith(inside)
    ]
    if outside:
        refused = code in _REFUSED | {errno.EROFS, errno.ENOENT}
        return Denial(FILE, printable(outside[0])) if refused else None
    return Denial(CALL, printable(names[0])) if code == errno.EPERM else None


# ---------------------------------------------------------------- frames


def _frames(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of a traceback, outermost first, each with its current instruction."""
    for _ in range(_MAX_FRAMES):
        if traceback is None:
            return
        yield traceback.tb_frame, traceback.tb_lasti
        traceback = traceback.tb_next


def _origin(traceback: TracebackType | None) -> str | None:
    """Return the module that raised an error, if it is one of `_KNOWN_MODULES`."""
    *_, last = (None, *_frames(traceback))
    return None if last is None else _module(last[0])


def _module(frame: FrameType) -> str | None:
    """Return the known standard library module that a frame belongs to, or None."""
    name = frame.f_globals.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is None or module.__dict__ is not frame.f_globals:
        return None  # another module with this name
    return name if name in _KNOWN_MODULES else None


def _address(error: OSError) -> str:
    """Return host:port from the innermost frame of the library, or from the error's fields."""
    found = ""
    for frame, _ in _frames(error.__traceback__):
        host, port = _ADDRESS_LOCALS.get(_module(frame) or "", (None, None))
        if host:
            values = frame.f_locals
            found = _host_and_port(values.get(host), values.get(port or "")) or found
    fields = (getattr(error, "host", None), getattr(error, "port", None))
    return printable(found or _host_and_port(*fields))


def _host_and_port(host: object, port: object) -> str:
    if isinstance(host, tuple) and len(host) >= 2:  # a socket address
        host, port = host[:2]
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or not host:
        return ""
    named = f"[{host}]" if ":" in host else host
    return f"{named}:{port}" if isinstance(port, int | str) and port else named


def _called_name(traceback: TracebackType | None) -> str:
    """Return the name of the function that the innermost frame was calling; "" if none.

    Functions written in C leave no frame. The call instruction has the position in the source at
    which its expression starts; the widest name that starts there is the called function.
    """
    *_, last = (None, *_frames(traceback))
    return "" if last is None else _name_at(last[0].f_code, last[1])


def _name_at(code: CodeType, offset: int) -> str:
    import dis  # noqa: PLC0415 - rarely needed, and would slow down each run

    instructions = list(dis.get_instructions(code))
    call = next((each for each in instructions if each.offset == offset), None)
    if call is None or not call.opname.startswith("CALL") or call.positions is None:
        return ""
    start = (call.positions.lineno, call.positions.col_offset)
    found = ""
    widest = (0, -1)
    for each in instructions:
        where = each.positions
        loads = each.offset < offset and each.opname.startswith("LOAD_")
        if not loads or where is None or (where.lineno, where.col_offset) != start:
            continue
        end = (where.end_lineno or 0, where.end_col_offset or 0)
        if end > widest and isinstance(each.argval, str):
            widest, found = end, each.argval
    return found


# ---------------------------------------------------------------- to the server


def printable(text: str) -> str:
    """Return the text with at most `_MAX_SUBJECT` characters, all of them printable."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:_MAX_SUBJECT])
    return shown + "…" if len(text) > _MAX_SUBJECT else shown


def encode_denial(denial: Denial) -> bytes:
    """Return a denial as at most `MAX_DENIAL_BYTES` bytes."""
    return json.dumps({"denied": denial}).encode()


def decode_denial(note: bytes) -> Denial | None:
    """Return the denial in an exit note, or None. A hostile program may have written the note."""
    try:
        kind, subject = json.loads(note)["denied"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if kind not in (NETWORK, FILE, CALL) or not isinstance(subject, str):  # kind: of any type
        return None
    return Denial(kind, printable(subject))
