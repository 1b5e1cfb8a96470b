"""Runs the probes in a sandbox, and says of each whether it held."""

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
    """What came of one probe. `held` is None where the tier doesn't claim to hold it."""

    probe: Probe
    held: bool | None
    note: str | None


OUTCOMES = {True: "held", False: "GOT THROUGH", None: "not held by this tier"}


def outcome(done: Attempt) -> str:
    """Return in words what came of a probe."""
    return OUTCOMES[done.held]


def attack(
    sandbox: Sandbox, task: Mapping[str, Any], probes: Iterable[Probe] = PROBES
) -> Iterator[Attempt]:
    """Try the probes one after another; `task` are the targets. Blocks for each."""
    layers = {layer.name: layer for layer in sandbox.report.layers}
    for probe in probes:
        layer = layers.get(probe.layer)
        if layer is None or not layer.active:
            yield Attempt(probe, None, layer.reason if layer else "no such layer here")
        else:
            yield attempt(sandbox, probe, task)


def attempt(sandbox: Sandbox, probe: Probe, task: Mapping[str, Any]) -> Attempt:
    """Try one probe. What neither held nor got through counts as not held, and says why."""
    limits = replace(PROBE_LIMITS, cpu_s=probe.cpu_s)
    try:
        shown = run_in_sandbox(probe.source, json.dumps(task), limits=limits, sandbox=sandbox)
    except MachineryError as error:
        return Attempt(probe, False, f"could not be tried: {error}")
    last = shown.strip().splitlines()[-1] if shown.strip() else "it printed nothing"
    # A limit that ends the run is what stops the probes that take too much.
    held = last == "held" or last.startswith(("limit: memory", "limit: cpu"))
    return Attempt(probe, held, None if held else f"got through ({last})")
