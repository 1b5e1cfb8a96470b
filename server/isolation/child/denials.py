"""What the sandbox refused, read from the exception that ended a program.

`explain` runs in the program's own process, after it has ended: standard library only, and nothing
is read but exceptions and their frames, so no text that a program prints can look like a refusal.
Its answer crosses to the server as `to_mark` bytes; `denied_message` puts it in words there.
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
_MAX_ERRORS = 200  # looked at: a chain can be a circle, a group a forest
_MAX_FRAMES = 1000
_MAX_SUBJECT = 200  # characters
MAX_MARK = 4096
"""Bytes of a mark; a pipe takes as many at once (pipe(7), PIPE_BUF)."""

_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}
_REFUSED = {errno.EPERM, errno.EACCES}
_REFUSED_CALL = _REFUSED | {errno.ENOSYS}
_NO_NAME = {socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_NONAME, socket.EAI_SYSTEM}
# Methods of a socket object, which leave no frame of their own.
_SOCKET_CALLS = {"socket", "socketpair", "connect", "connect_ex", "bind", "listen"}
_SOCKET_CALLS |= {"sendto", "sendmsg", "sendmsg_afalg"}
# Where the standard library's own functions keep the address they were asked for.
_ADDRESS_LOCALS = {
    "socket": ("host", "port"),
    "asyncio.base_events": ("host", "port"),
    "asyncio.selector_events": ("address", None),
}
_KNOWN_MODULES = {*_ADDRESS_LOCALS, "subprocess"}


class Denial(NamedTuple):
    """A refusal: its kind ("network", "file" or "call"), and what was tried; may be empty."""

    kind: str
    subject: str


def explain(
    error: BaseException, scratch: str, *, gateway_port: int | None = None
) -> Denial | None:
    """Return what the sandbox refused, where that is what ended the program with `error`.

    `scratch` is the absolute path of the program's folder. A connection that is refused by the
    run's own `gateway_port` is no denial. Looks at the causes and contexts of `error` and into
    groups, nearest first. Never raises an Exception, whatever the program made its errors of.
    """
    try:
        if isinstance(error, SystemExit) and error.code in {None, 0}:
            return None
        found = (_denial(each, scratch, gateway_port) for each in _chain(error))
        return next((denial for denial in found if denial is not None), None)
    except Exception:  # an error class of the program's own can do anything
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
    # Without one, the error was raised in Python: by the program, maybe, to look like a refusal.
    return Denial(CALL, printable(called)) if called else None


def _is_of_network(error: OSError) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno in _NO_NAME
    if error.errno in _UNREACHABLE | {errno.ECONNREFUSED}:
        return True
    origin = _origin(error.__traceback__)
    if error.errno is None:  # one for several addresses that were tried in vain
        return origin == "asyncio.base_events"
    return error.errno in _REFUSED and (
        origin == "socket" or _called_name(error.__traceback__) in _SOCKET_CALLS
    )


def _is_path(name: object) -> bool:
    return isinstance(name, str | bytes)


def _is_missing_command(error: OSError) -> bool:
    """Tell a program looked for on PATH ("git") from a file in the folder."""
    *_, last = (None, *_frames(error.__traceback__))
    name = error.filename
    if last is None or _module(last[0]) != "subprocess" or not _is_path(name):
        return False
    return last[0].f_locals.get("orig_executable") == name and "/" not in os.fsdecode(name)


def _file_denial(code: int | None, names: list[str], scratch: str) -> Denial | None:
    """Judge a path by where it leads: what happens inside the folder is the program's own doing."""
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
    """Yield the frames of a traceback, outermost first, each with the instruction it was at."""
    for _ in range(_MAX_FRAMES):
        if traceback is None:
            return
        yield traceback.tb_frame, traceback.tb_lasti
        traceback = traceback.tb_next


def _origin(traceback: TracebackType | None) -> str | None:
    """Return the library module that raised an error, where it is one of those known here."""
    *_, last = (None, *_frames(traceback))
    return None if last is None else _module(last[0])


def _module(frame: FrameType) -> str | None:
    """Return the name of a standard library module that a frame belongs to, else None."""
    name = frame.f_globals.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is None or module.__dict__ is not frame.f_globals:
        return None  # a module that only calls itself so
    return name if name in _KNOWN_MODULES else None


def _address(error: OSError) -> str:
    """Return host:port as the innermost frame of the library knows it, else the error's fields."""
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
    """Return the name of the function that the innermost frame was calling, if it was.

    Functions written in C leave no frame. The call's instruction tells where in the source its
    expression starts; the widest name that starts there is what was called.
    """
    *_, last = (None, *_frames(traceback))
    return "" if last is None else _name_at(last[0].f_code, last[1])


def _name_at(code: CodeType, offset: int) -> str:
    import dis  # noqa: PLC0415 - rarely needed, and not to be paid for by each run

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


# ---------------------------------------------------------------- across to the server


def printable(text: str) -> str:
    """Return a text of at most `_MAX_SUBJECT` characters, all of them printable."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:_MAX_SUBJECT])
    return shown + "…" if len(text) > _MAX_SUBJECT else shown


def to_mark(denial: Denial) -> bytes:
    """Return a denial as bytes, at most `MAX_MARK` of them."""
    return json.dumps({"denied": denial}).encode()


def from_mark(mark: bytes) -> Denial | None:
    """Read what a run's process sent, which a hostile program may have written itself."""
    try:
        kind, subject = json.loads(mark)["denied"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if kind not in (NETWORK, FILE, CALL) or not isinstance(subject, str):  # of any type
        return None
    return Denial(kind, printable(subject))
