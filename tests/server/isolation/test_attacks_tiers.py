"""Which tiers the conformance suite runs on."""

from __future__ import annotations

import os

import pytest

from server.isolation.tiers.detection import ACCEPTED
from tests.support.attacking import offered_tiers


@pytest.mark.skipif(not os.environ.get("CI"), reason="only CI's machines must offer every tier")
def test_machine_of_the_checks_offers_every_tier() -> None:
    assert offered_tiers() == ACCEPTED
