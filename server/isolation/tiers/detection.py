"""Finds the strongest sandbox tier of this machine by trying, and reports each layer."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
import threading
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from llm_agent_builder.errors import MachineryError
from llm_agent_builder.providers import PROVIDERS
from server.isolation.child import cgroups, landlock
from server.isolation.child.libc import as_user
from server.isolation.child.seccomp import seccomp_supported
from server.isolation.engine import (
    Engine,
    LaunchOrder,
    PassedDescriptors,
    failure_in,
    new_job_file,
    write_program,
)
from server.isolation.self_check import SELF_CHECK
from server.isolation.tiers import bubblewrap
from server.isolation.tiers.bubblewrap import BubblewrapEngine
from server.isolation.tiers.landlock import LandlockEngine
from server.isolation.tiers.strong import CellEngine
from server.isolation.tiers.summaries import LAYERS, TIERS
from server.limits import Limits

ORDER = ("strong", "bubblewrap", "landlock", "limits")
ACCEPTED = ORDER[:3]
CHILD_LAYERS = ("landlock", "seccomp", "capabilities", "rlimits")
"""The layers that a run's process applies to itself; `without` may name them."""
_CELL_LAYERS = (
    "private root",
    "private processes",
    "private network",
    "private ipc",
    "private host name",
    "bounded scratch",
)
_CHECK_S = 30.0
_NO_CGROUP = (
    "no cgroup can be made here: memory is summed from /proc instead, where a hostile program can "
    "hide some of it"
)
_UPGRADE = (
    "Use Linux 6.7 or later with Landlock enabled, or set "
    "AGENT_BUILDER_ALLOW_WEAK_SANDBOX=1 if you trust every program you run."
)
_ADVICE = (
    (
        os.strerror(errno.EMFILE),
        "Raise the limit of open files to 1024 or more (`ulimit -n`, LimitNOFILE= in a service)",
    ),
    (
        "unshare",
        "User namespaces are disabled here: check the sysctls user.max_user_namespaces, "
        "kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns, and in "
        "a container its seccomp profile",
    ),
    ("needs Linux", _UPGRADE),
    ("system-call filter", _UPGRADE),
    ("Landlock ABI", _UPGRADE),
)
"""Pairs of a text in the problem and the advice for it; the first match counts."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of isolation: active or not, and if not, why."""

    name: str
    active: bool
    reason: str | None = None
    summary: str = ""
    """What it does, for people."""


@dataclass(frozen=True, slots=True)
class TierReport:
    """The isolation of runs on this machine. `available` tells whether the server runs code."""

    tier: str
    layers: tuple[Layer, ...]
    available: bool
    reason: str | None
    """Why the server runs no code, or why running it is dangerous."""
    summary: str
    """What the tier means for the person who starts a run."""

    @property
    def child_layers(self) -> tuple[str, ...]:
        """The layers that a run's process has to apply to itself."""
        return tuple(
            layer.name for layer in self.layers if layer.active and layer.name in CHILD_LAYERS
        )


PRELOADED = (
    *(provider.sdk_module for provider in PROVIDERS.values()),
    *("argparse", "gettext", "shutil", "csv", "sqlite3", "urllib.request", "asyncio"),
)
"""Modules that programs often import: the SDKs, and modules that the SDKs don't load themselves.

"""


_MAX_WORKERS = 2
"""Workers of bubblewrap that wait for a run: each takes 100 MiB when it has loaded the SDKs."""


def make_engine(tier: str, *, preload: Collection[str] = PRELOADED, ready: int = 4) -> Engine:
    """Return the engine of a tier, which prepares `ready` workspaces, or fewer if costly."""
    modules = tuple(preload)
    if tier == "strong":
        return CellEngine(preload=modules, ready=ready)
    if tier == "bubblewrap":
        return BubblewrapEngine(preload=modules, ready=min(ready, _MAX_WORKERS))
    return LandlockEngine(preload=modules)


def probe_tier(
    *, force: str | None = None, allow_weak: bool = False, without: Collection[str] = ()
) -> TierReport:
    """Try the tiers on this machine and report the strongest that works.

    `force` asks for one tier; if it does not work, it is reported as unavailable and never replaced
    by a weaker one. `without` leaves out layers of `CHILD_LAYERS`: only to show what each is for.
    """
    problems: dict[str, str] = {}
    for tier in ORDER if force is None else (force,):
        layers = tuple(
            name
            for name in CHILD_LAYERS
            if name not in without and not (tier == "limits" and name in {"landlock", "seccomp"})
        )
        problem = _why_not(tier, layers) or _try_tier(tier, layers)
        if problem is None:
            listed = _listed(tier, layers, problems)
            return TierReport(tier, listed, *_acceptable(tier, allow_weak), TIERS[tier])
        problems[tier] = with_advice(problem)
    tier = force or "limits"
    reason = f"the tier {tier!r} does not work here: {problems[tier]}"
    return TierReport(tier, _listed(tier, (), problems), False, reason, TIERS[tier])


def with_advice(problem: str) -> str:
    """Return why a run can't be isolated, with advice if there is any for this problem."""
    found = (advice for sign, advice in _ADVICE if sign in problem)
    advice = next(found, None)
    return problem if advice is None else f"{problem}. {advice}"


def _why_not(tier: str, layers: Collection[str]) -> str | None:
    """Return why a tier can't be tried, or None."""
    if tier == "limits":
        return None
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if "seccomp" in layers and not seccomp_supported():
        return f"no system-call filter for {os.uname().machine} (only for x86_64 and aarch64)"
    abi = landlock.landlock_abi()
    if "landlock" in layers and abi < landlock.MINIMUM_LANDLOCK_ABI:
        return (
            f"this kernel has Landlock ABI {abi}; {landlock.MINIMUM_LANDLOCK_ABI} is needed "
            "(Linux 6.7 or later, with landlock in the kernel's list of security modules)"
        )
    return bubblewrap.why_unavailable() if tier == "bubblewrap" else None


def _try_tier(tier: str, layers: tuple[str, ...]) -> str | None:
    """Run the self-check under a tier; return the layers that failed and why, or None."""
    found: list[str | None] = []

    def work() -> None:
        engine = make_engine(tier, preload=(), ready=1)
        try:
            with asyncio.Runner() as runner:
                runner.get_loop()  # takes descriptors: it can fail, too
                results = runner.run(_check(engine, layers))
            wanted = {*layers, *(_CELL_LAYERS[:5] if tier in ORDER[:2] else ())}
            failed = [f"{name}: {why}" for name, why in results.items() if why and name in wanted]
            found.append("; ".join(failed) or None)
        except (MachineryError, TimeoutError, OSError, ValueError) as error:
            found.append(str(error) or type(error).__name__)
        finally:
            engine.close()

    # In a thread of its own, because the caller's thread may be running an event loop.
    thread = threading.Thread(target=work, name="probe", daemon=True)
    thread.start()
    thread.join(2 * _CHECK_S)
    return found[0] if found else "the self-check failed"


async def _check(engine: Engine, layers: tuple[str, ...]) -> Mapping[str, str]:
    """Run a program that attempts what each layer prevents; return for each what succeeded.

    A layer that worked has an empty text.
    """
    with ExitStack() as stack:
        read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        stack.callback(os.close, read)
        with open(write, "wb", 0) as output:
            os.set_blocking(write, True)
            job = _closed_by(stack, new_job_file())
            workspace = await engine.workspace(Limits())
            try:
                with as_user(workspace.owner):
                    write_program(workspace.folder, SELF_CHECK.encode())
                order = LaunchOrder(f"{workspace.scratch}/agent.py", "", {}, Limits(), layers)
                await workspace.start(order, _given(output.fileno(), job))
                async with asyncio.timeout(_CHECK_S):
                    await workspace.ended
            finally:
                await workspace.close()
                await workspace.release()
        failure = failure_in(job)
        text = b"" if failure else os.read(read, 65536)
    if failure:
        raise MachineryError(failure)
    results: dict[str, str] = json.loads(text)
    return results


def _closed_by(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _given(output: int, job: int) -> PassedDescriptors:
    """Return copies of one pipe for both output streams and the exit note."""
    with ExitStack() as stack:
        stdout, stderr, note = (_closed_by(stack, os.dup(output)) for _ in range(3))
        stack.pop_all()
        return PassedDescriptors(stdout, stderr, note, job)


def _listed(
    tier: str, child_layers: Collection[str], problems: Mapping[str, str]
) -> tuple[Layer, ...]:
    """Return all layers, the active ones first."""
    in_cell = tier in ORDER[:2] and tier not in problems
    no_cell = "; ".join(f"{name}: {why}" for name, why in problems.items()) or f"the tier is {tier}"
    layers = [Layer(name, in_cell, None if in_cell else no_cell) for name in _CELL_LAYERS]
    layers.append(_unprivileged(tier, in_cell, no_cell))
    for name in CHILD_LAYERS:
        active = name in child_layers
        layers.append(Layer(name, active, None if active else problems.get(tier, "left out")))
    layers.append(Layer("clean environment", tier not in problems))
    layers.append(_kernel_memory(works=tier not in problems))
    signals = in_cell or ("landlock" in child_layers and landlock.landlock_abi() >= 6)
    reason = None if signals else "needs Landlock ABI 6 (Linux 6.12) or a cell"
    layers.append(Layer("signals stay inside", signals, reason))
    described = (replace(layer, summary=LAYERS[layer.name]) for layer in layers)
    return tuple(sorted(described, key=lambda layer: not layer.active))


def _unprivileged(tier: str, in_cell: bool, no_cell: str) -> Layer:
    name = "unprivileged user"
    if os.geteuid() != 0 or (in_cell and tier == "strong"):
        return Layer(name, True)
    return Layer(
        name, False, "the server runs as root; only the tier strong gives runs other users"
    )


def _kernel_memory(*, works: bool) -> Layer:
    name = "memory counted by the kernel"
    if works and sys.platform.startswith("linux") and cgroups.kernel_counts_memory():
        return Layer(name, True)
    return Layer(name, False, _NO_CGROUP)


def _acceptable(tier: str, allow_weak: bool) -> tuple[bool, str | None]:
    if tier in ACCEPTED:
        return True, None
    if allow_weak:
        return True, "WEAK: only resource limits; programs can read your files and use the network"
    return False, f"no tier that isolates programs works here. {_UPGRADE}"
