"""A day's spending in memory, for budgets that share nothing with other servers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from server.budgets.ledger import NOTHING, Amount, Caps
from server.budgets.spend_store import Exchange


class MemorySpend:
    """Counts as `SpendStore` does."""

    def __init__(self) -> None:
        self._totals: dict[date, Amount] = defaultdict(lambda: NOTHING)

    def exchange(
        self, day: date, difference: Amount, asked: Sequence[Amount], caps: Caps
    ) -> Exchange:
        total, granted = (self._totals[day] + difference).clamped(), []
        for amount in asked:
            granted.append(caps.allow(total + amount))
            total += amount if granted[-1] else NOTHING
        self._totals[day] = total
        return Exchange(total, tuple(granted))
