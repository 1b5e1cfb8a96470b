"""The sandbox tiers: which layers hold on this machine, found out by trying, and said plainly."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from server import confine, forkserver
from server.seccomp import seccomp_supported

ORDER = ("strong", "bubblewrap", "landlock", "limits")
ACCEPTED = ORDER[:3]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of isolation: active or not, and if not, why."""

    name: str
    active: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TierReport:
    """What isolates a run here. `available` is whether the server runs code at all."""

    tier: str
    layers: tuple[Layer, ...]
    available: bool
    reason: str | None

    @property
    def child_layers(self) -> tuple[str, ...]:
        """The layers that a child has to put on itself."""
        return tuple(
            layer.name for layer in self.layers if layer.active and layer.name in _CHILD_LAYERS
        )


_CHILD_LAYERS = ("landlock", "seccomp")
_NOT_BUILT = "comes with the tier strong, which this version does not have"
_MEND = (
    "Run it on Linux 6.7 or later with Landlock enabled, or set "
    "AGENT_BUILDER_ALLOW_WEAK_SANDBOX=1 if you trust every program you run."
)

# Tries, in a child that has put the layers on, to do what they must prevent.
_SELF_CHECK = """
import json, socket, sys
job = json.loads(sys.argv[1])
sys.path.insert(0, job["root"])
from server import confine, seccomp
held = {}
try:
    confine.drop_privileges()
    if "landlock" in job["layers"]:
        confine.restrict_with_landlock(
            readable=confine.readable_paths(), writable=[], devices=[], port=None)
        try:
            open("/proc/self/environ").close()
            held["landlock"] = "a file outside could be opened"
        except PermissionError:
            try:
                socket.create_connection(("127.0.0.1", job["port"]), 2).close()
                held["landlock"] = "a TCP port could be reached"
            except PermissionError:
                held["landlock"] = ""
    if "seccomp" in job["layers"]:
        seccomp.load_seccomp(seccomp.seccomp_program())
        held["seccomp"] = ""
        for name, kind, protocol in (("UDP", 2, 0), ("MPTCP", 1, 262)):
            try:
                socket.socket(socket.AF_INET, kind, protocol).close()
                held["seccomp"] = f"a {name} socket could be made"
            except PermissionError:
                pass
except OSError as error:
    held["error"] = str(error)
print(json.dumps(held))
"""


def _try_layers(layers: tuple[str, ...]) -> Mapping[str, str]:
    """Put `layers` on in a child and return, for each, "" if it held, else what got through."""
    if not layers:
        return {}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        job = {
            "layers": layers,
            "root": forkserver.package_root(),
            "port": listener.getsockname()[1],
        }
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", _SELF_CHECK, json.dumps(job)],
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=30,
                check=True,
            )
            held: dict[str, str] = json.loads(done.stdout)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            return {layer: f"the self-check failed: {type(error).__name__}" for layer in layers}
    return {layer: held.get(layer, held.get("error", "not checked")) for layer in layers}


def _why_not(layer: str) -> str | None:
    """Return why a layer can't even be tried, or None."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if layer == "landlock" and (abi := confine.landlock_abi()) < confine.MINIMUM_LANDLOCK_ABI:
        return (
            f"this kernel has Landlock ABI {abi}; {confine.MINIMUM_LANDLOCK_ABI} is needed "
            "(Linux 6.7, with landlock in the kernel's list of security modules)"
        )
    if layer == "seccomp" and not seccomp_supported():
        return f"no filter for {os.uname().machine} yet (x86_64 and aarch64 have one)"
    return None


def probe_tier(*, force: str | None = None, allow_weak: bool = False) -> TierReport:
    """Try the layers on this machine and report the strongest tier that holds.

    `force` asks for one tier; one that can't be had is reported as unavailable, never replaced by
    a weaker one.
    """
    wanted = () if force == "limits" else _CHILD_LAYERS
    impossible = {layer: why for layer in wanted if (why := _why_not(layer))}
    tried = _try_layers(tuple(layer for layer in wanted if layer not in impossible))
    problems = {layer: impossible.get(layer) or tried.get(layer, "") for layer in wanted}
    holds = bool(wanted) and not any(problems.values())
    tier = "landlock" if holds else "limits"
    layers = tuple(
        Layer(
            name,
            name in problems and not problems[name],
            problems.get(name, "not asked for") or None,
        )
        for name in _CHILD_LAYERS
    )
    listed = sorted(layers + _fixed_layers(holds), key=lambda layer: not layer.active)
    return TierReport(tier, tuple(listed), *_acceptable(tier, force, allow_weak))


def _fixed_layers(confined: bool) -> tuple[Layer, ...]:
    signals = confine.landlock_abi() >= 6 if confined else False
    return (
        Layer("namespaces", False, _NOT_BUILT),
        Layer("private root and /proc", False, _NOT_BUILT),
        Layer("unprivileged user of its own", False, _NOT_BUILT),
        Layer("network by address", False, "Landlock tells ports apart, not addresses"),
        Layer("clean environment", True),
        Layer("no_new_privs, no capabilities", True),
        Layer("rlimits and tree limits", True),
        Layer(
            "signals stay inside",
            signals,
            None if signals else "needs Landlock ABI 6 (Linux 6.12)",
        ),
    )


def _acceptable(tier: str, force: str | None, allow_weak: bool) -> tuple[bool, str | None]:
    if force and force != tier:
        return False, f"the tier {force!r} was asked for and can't be had here. {_MEND}"
    if tier in ACCEPTED:
        return True, None
    if allow_weak:
        return True, "WEAK: only resource limits hold; programs can read your files and the network"
    return False, f"no tier that isolates programs can be had here. {_MEND}"
