"""The sum of one run's model calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_COUNTS = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}


@dataclass(slots=True)
class UsageTotals:
    """Adds up calls as they end."""

    calls: int = 0
    refused_calls: int = 0
    """Of these, calls that the gateway refused, by a budget or for what they ask."""
    unmetered_calls: int = 0
    """Calls that were answered, or may have been, and of whose tokens nothing is known."""
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))
    _cost: float = 0.0
    _priced: int = 0
    _unpriced: int = 0

    def add(self, call: Mapping[str, Any]) -> None:
        """Take one finished call in, as its event tells of it."""
        if call["gen_ai.operation.name"] != "chat":
            return
        self.calls += 1
        self.refused_calls += call.get("refused", False)
        status = call["http.response.status_code"]
        # One that was given up may have been carried out, and paid for.
        unknown = call.get("unpriced", False) or (status is not None and status < 300)
        if call["gen_ai.usage.input_tokens"] is None:
            self.unmetered_calls += unknown
        else:
            for name, attribute in _COUNTS.items():
                self._counts[name] += call[attribute] or 0
        if call["cost_usd"] is not None:
            self._priced += 1
            self._cost += call["cost_usd"]
        elif unknown and call["backend"] == "provider":
            self._unpriced += 1

    def usage(self) -> dict[str, int] | None:
        """Return the counts, or None where no call was made."""
        if not self.calls:
            return None
        calls = {"calls": self.calls, "refused_calls": self.refused_calls}
        return {**self._counts, **calls, "unmetered_calls": self.unmetered_calls}

    def cost_usd(self) -> float | None:
        """Return US dollars; None where nothing was paid for, or the price of a call is unknown."""
        return round(self._cost, 9) if self._priced and not self._unpriced else None
