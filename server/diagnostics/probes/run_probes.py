"""Runs the probes in a sandbox and reports whether the sandbox blocked each of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from llm_agent_builder.errors import MachineryError
from server.diagnostics.probes.table import PROBES, Probe
from server.diagnostics.probes.targets import PROBE_LIMITS
from server.sandbox import Sandbox, run_in_sandbox


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one probe. `blocked` is None if the tier has no active layer against it."""

    probe: Probe
    blocked: bool | None
    note: str | None


OUTCOMES = {True: "blocked", False: "NOT BLOCKED", None: "not covered by this tier"}


def outcome(done: Attempt) -> str:
    """Return the result of a probe as text."""
    return OUTCOMES[done.blocked]


def attack(
    sandbox: Sandbox, task: Mapping[str, Any], probes: Iterable[Probe] = PROBES
) -> Iterator[Attempt]:
    """Run the probes one after another; `task` has the targets. Blocks for each."""
    layers = {layer.name: layer for layer in sandbox.report.layers}
    for probe in probes:
        layer = layers.get(probe.layer)
        if layer is None or not layer.active:
            yield Attempt(probe, None, layer.reason if layer else "no such layer here")
        else:
            yield attempt(sandbox, probe, task)


def attempt(sandbox: Sandbox, probe: Probe, task: Mapping[str, Any]) -> Attempt:
    """Run one probe. An unclear result counts as not blocked, with a note."""
    limits = replace(PROBE_LIMITS, cpu_s=probe.cpu_s)
    try:
        shown = run_in_sandbox(probe.source, json.dumps(task), limits=limits, sandbox=sandbox)
    except MachineryError as error:
        return Attempt(probe, False, f"could not be tried: {error}")
    last = shown.strip().splitlines()[-1] if shown.strip() else "it printed nothing"
    # A limit ends the runs of probes that use too much.
    blocked = last == "blocked" or last.startswith(("limit: memory", "limit: cpu"))
    return Attempt(probe, blocked, None if blocked else f"the attempt succeeded ({last})")
