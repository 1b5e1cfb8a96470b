"""Runs a program in this process as a fresh `python agent.py --task TASK` would, to its exit code.

Standard library only. This module ends the interpreter by hand: if the interpreter freed all that
the fork server has loaded, each run would take some 50 ms longer. It does everything that a program
can observe: it waits for threads, runs atexit functions, deletes the program's objects and flushes
its output.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import errno
import gc
import importlib.machinery
import os
import signal
import sys
import types
from collections.abc import Mapping, Sequence

from server.isolation.child.denials import encode_denial, explain

_FLUSH_FAILED = 120
"""Python's own exit code for this; see Py_FinalizeEx."""
MEMORY, FILE_SIZE = b"memory", b"file size"
FULL = b"full\n"
"""A prefix of the exit note: scratch was full when the program ended."""


def forget_parent(environment: Mapping[str, str]) -> None:
    """Remove what a program could see of the process that this one was forked from."""
    os.environ.clear()
    os.environ.update(environment)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) not in {signal.SIG_DFL, signal.SIG_IGN, None}:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.enable()


def run_program(
    path: str, argv: Sequence[str], scratch: str, port: int | None
) -> tuple[int, bytes | None]:
    """Run the program in file `path`; return its exit code, negative for a signal, and a note.

    The exit note says why the program ended, where the exit code doesn't: `MEMORY`, `FILE_SIZE`, or
    the result of `denials.encode_denial`. The gateway listens on `port`.
    """
    agent = os.getpid()
    main = _fresh_main(path)
    sys.argv[:] = argv
    sys.orig_argv[:] = [sys.executable, *argv]
    sys.path.insert(0, os.path.dirname(path))
    for stream in (sys.stdout, sys.stderr):
        # Each line is written at once, so that a killed program loses none.
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    code, error = _run_main(main, path)
    full = _is_full(scratch)
    note = _exit_note(error, scratch, port) if error else b""
    del error
    code = _end_interpreter(main, code)
    note = FULL + note if full else note
    return code, note if note and os.getpid() == agent else None


def _fresh_main(path: str) -> types.ModuleType:
    main = types.ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    main.__dict__.update(
        __annotations__={}, __builtins__=builtins, __cached__=None, __file__=path, __loader__=loader
    )
    sys.modules["__main__"] = main
    return main


def _run_main(main: types.ModuleType, path: str) -> tuple[int, BaseException | None]:
    """Return the exit code, and the exception that ended the program."""
    try:
        with open(path, "rb") as file:
            program = compile(file.read(), path, "exec", dont_inherit=True)
        exec(program, main.__dict__)  # noqa: S102 - confined by now: this is the user's program
    except SystemExit as error:
        return _exit_code(error), error
    except KeyboardInterrupt as error:
        _show(error)
        return -signal.SIGINT, None
    except BaseException as error:  # Python shows any other exception and exits with 1
        _show(error)
        return 1, error
    return 0, None


def _exit_code(error: SystemExit) -> int:
    """Do what Python does with the argument of sys.exit."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    with contextlib.suppress(Exception):
        print(error.code, file=sys.stderr)
    return 1


def _is_full(scratch: str) -> bool:
    """Return whether the file system is full. Asked now: unlinked files go with the process."""
    with contextlib.suppress(OSError):
        status = os.statvfs(scratch)
        return status.f_bfree == 0 or status.f_ffree == 0
    return False


def _exit_note(error: BaseException, scratch: str, port: int | None) -> bytes:
    if isinstance(error, MemoryError):
        return MEMORY
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return FILE_SIZE
    denial = explain(error, scratch, gateway_port=port)
    return encode_denial(denial) if denial else b""


def _show(error: BaseException) -> None:
    """Show an exception as Python would, without the frames of this file."""
    traceback = error.__traceback__.tb_next if error.__traceback__ else None
    error = error.with_traceback(traceback)
    try:
        sys.excepthook(type(error), error, traceback)
    except BaseException:
        sys.__excepthook__(type(error), error, traceback)


def _end_interpreter(main: types.ModuleType, code: int) -> int:
    """Do what Py_FinalizeEx does, as far as a program can observe it."""
    try:
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
    except KeyboardInterrupt:
        code = -signal.SIGINT
    except BaseException as error:
        _show(error)
    atexit._run_exitfuncs()
    flushed = _flush()
    _clear(main)
    gc.collect()
    return code if _flush() and flushed else _FLUSH_FAILED


def _clear(main: types.ModuleType) -> None:
    """Delete the program's own objects, so that their files are flushed and closed."""
    names = [name for name in main.__dict__ if name != "__builtins__"]
    # Private names first, as the interpreter does.
    for name in sorted(names, key=lambda name: not name.startswith("_")):
        main.__dict__[name] = None


def _flush() -> bool:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except (OSError, ValueError):
            return False
    return True
