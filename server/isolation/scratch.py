"""Scratch folders: one per run, removed after it, whatever the program has done to the folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from server.isolation.child.cgroups import PREFIX, remove_cgroup, run_cgroups

_TOOL_S = 60.0


def make_scratch() -> str:
    """Make a folder that only this user can enter; its name contains this process's id.

    Raises:
        OSError: it can't be made, for example because the disk is full.

    """
    return tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")


def remove_tree(folder: str) -> None:
    """Remove a folder and its content, even if unreadable, or too deep or too long for most tools.

    Raises:
        OSError: this process has no free descriptor, or can't start another process.
        SubprocessError: it takes more than a minute.

    """
    if not folder:
        return
    try:
        _open_up(folder)
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        # coreutils walk by descriptors: no path is too long for them.
        for command in (["chmod", "-R", "u+rwX", folder], ["rm", "-rf", "--", folder]):
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False, timeout=_TOOL_S)


def _open_up(folder: str) -> None:
    """Restore the rights to remove the content of `folder` and all folders below it."""
    os.chmod(folder, stat.S_IRWXU)
    for path, folders, _ in os.walk(folder):
        for name in folders:
            child = os.path.join(path, name)
            if not os.path.islink(child):
                os.chmod(child, stat.S_IRWXU)


def sweep_scratch() -> None:
    """Remove the folders and cgroups that killed servers of this user have left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not owner.isdecimal() or _is_alive(int(owner)):
            continue
        try:
            mine = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
        except OSError:
            continue
        if mine:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                remove_tree(str(folder))
    for cgroup in run_cgroups():
        owner = cgroup.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not _is_alive(int(owner)):
            remove_cgroup(cgroup)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
