"""What the tiers and layers of the sandbox mean for the person who starts a run."""

from __future__ import annotations

from collections.abc import Mapping

_LIMITED = (
    "It has no access to the files, programs and keys of this computer, connects only to the model "
    "and to allowed hosts, and is stopped if it exceeds its limits."
)
TIERS: Mapping[str, str] = {
    "strong": f"Each run takes place in an isolated sandbox. {_LIMITED}",
    "bubblewrap": (
        f"Each run takes place in an isolated sandbox made with bubblewrap. {_LIMITED} It takes a "
        "little longer to start."
    ),
    "landlock": (
        "Each run is restricted by the operating system. It can open only its own files, connects "
        "only to the model and to allowed hosts, and is stopped if it exceeds its limits. It can "
        "see that other programs are running."
    ),
    "limits": (
        "Runs have resource limits only. They can read the files of this computer and use the "
        "network: don't run code here that you don't trust."
    ),
}
LAYERS: Mapping[str, str] = {
    "private root": "Own file system: the files of this computer are not visible",
    "private processes": "Own processes: other programs are not visible",
    "private network": "Own network: only the model and allowed hosts",
    "private ipc": "No shared memory or messages with other programs",
    "private host name": "Host name of this computer hidden",
    "bounded scratch": "Working folder of limited size, deleted after the run",
    "landlock": "File access restricted by the kernel (Landlock)",
    "seccomp": "System calls filtered (seccomp)",
    "capabilities": "No administrator rights, and no way to get them",
    "rlimits": "Limits on CPU, memory, processes and file sizes",
    "clean environment": "No keys or settings of the server",
    "signals stay inside": "Can't stop other programs",
    "unprivileged user": "Separate user without permissions on this computer",
    "memory counted by the kernel": "Memory limit enforced by the kernel for the whole run",
}
