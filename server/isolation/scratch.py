"""Scratch folders: one for each run, gone with it, whatever the program made of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from server.isolation.child import cgroups
from server.isolation.child import pids_cgroup as task_cap
from server.isolation.child.cgroups import remove_group

_PREFIX = "agent-run-"
_TOOL_S = 60.0


def make_scratch() -> str:
    """Make a folder that only this user can enter; its name tells which process it belongs to.

    Raises:
        OSError: there is no room for it.

    """
    return tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")


def remove_tree(folder: str) -> None:
    """Remove a folder and all in it: unreadable, too deep or too long for most tools as well.

    Raises:
        OSError: there is no process or descriptor to be had for it.
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
        # coreutils walk by descriptor: no path is too long for them.
        for command in (["chmod", "-R", "u+rwX", folder], ["rm", "-rf", "--", folder]):
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False, timeout=_TOOL_S)


def _open_up(folder: str) -> None:
    """Give every folder below, and `folder` itself, back the rights to remove what is in it."""
    os.chmod(folder, stat.S_IRWXU)
    for path, folders, _ in os.walk(folder):
        for name in folders:
            child = os.path.join(path, name)
            if not os.path.islink(child):
                os.chmod(child, stat.S_IRWXU)


def sweep_scratch() -> None:
    """Remove the folders and groups that killed servers of this user have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not owner.isdecimal() or _is_alive(int(owner)):
            continue
        try:
            mine = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
        except OSError:
            continue
        if mine:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                remove_tree(str(folder))
    for group in [*task_cap.left_groups(_PREFIX), *cgroups.left_groups()]:
        owner = group.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not _is_alive(int(owner)):
            remove_group(group)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
