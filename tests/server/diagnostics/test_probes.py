"""The probes of `doctor --attack`: blocked on every tier, but not without their layers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from server.diagnostics.probes.run_probes import attack, attempt
from server.diagnostics.probes.table import PROBES, Probe
from server.diagnostics.probes.targets import VARIABLE, targets
from server.sandbox import Sandbox

OMITTED_LAYERS = sorted({probe.undone for probe in PROBES if probe.undone is not None})


@pytest.fixture
def task() -> Iterator[dict[str, object]]:
    with targets() as found:
        yield found


@pytest.fixture(scope="module")
def probed(tier: str) -> Iterator[Sandbox]:
    """Return a sandbox like that of `doctor --attack`."""
    sandbox = Sandbox.probe(force=tier, preload=())
    yield sandbox
    sandbox.close()


def test_probes_are_twenty_at_least_and_one_a_reported_layer(probed: Sandbox) -> None:
    assert len(PROBES) >= 20
    assert {layer.name for layer in probed.report.layers} == {probe.layer for probe in PROBES}


def test_every_probe_of_an_active_layer_is_blocked(
    probed: Sandbox, task: dict[str, object]
) -> None:
    found = list(attack(probed, task))
    assert [f"{one.probe.what}: {one.note}" for one in found if one.blocked is False] == []
    active = {layer.name for layer in probed.report.layers if layer.active}
    assert {one.probe.layer for one in found if one.blocked} == active
    assert all(one.note for one in found if one.blocked is None)


@pytest.mark.matrix(keep=3)
@pytest.mark.parametrize("without", OMITTED_LAYERS, ids=lambda layers: "+".join(layers) or "cell")
def test_each_probe_succeeds_without_its_layer(
    without: tuple[str, ...], task: dict[str, object]
) -> None:
    """The tier landlock is `strong` without a cell; the test leaves out further layers."""
    weak = Sandbox.probe(force="landlock", without=without, preload=())
    assert weak.report.available, weak.report.reason
    tried = [probe for probe in PROBES if probe.undone == without and may_succeed(probe)]
    blocked = [probe.what for probe in tried if attempt(weak, probe, task).blocked]
    weak.close()
    assert blocked == []


@pytest.mark.parametrize(
    "probe", [probe for probe in PROBES if probe.undone is None], ids=lambda probe: probe.layer
)
def test_probe_of_an_unconditional_layer_succeeds_without_a_sandbox(
    probe: Probe, task: dict[str, object]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", probe.source, "--task", json.dumps(task)],
        env={VARIABLE: "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("succeeded\n")


def may_succeed(probe: Probe) -> bool:
    return os.geteuid() == 0 or not probe.as_root
