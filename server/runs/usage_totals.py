"""The sum of one run's model calls."""

from __future__ import annotations

from dataclasses import dataclass

from llm_agent_builder.metering.usage import Usage
from server.gateway.model_call import ModelCall
from server.storage.records import RunUsage


@dataclass(slots=True)
class UsageTotals:
    """Adds up calls as they end."""

    calls: int = 0
    refused_calls: int = 0
    """Of these, calls that the gateway refused, because of a budget or their content."""
    unmetered_calls: int = 0
    """Of these, calls that a model may have answered and whose tokens are not known."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    _cost: float = 0.0
    _priced: int = 0
    _unpriced: int = 0

    def add(self, call: ModelCall) -> None:
        """Add one finished call."""
        if call.operation != "chat":
            return
        self.calls += 1
        self.refused_calls += call.refused
        # A call that was abandoned may still have been executed and charged.
        may_have_used = call.unpriced or (call.status is not None and call.status < 300)
        if call.usage is None:
            self.unmetered_calls += may_have_used
        else:
            self._add_tokens(call.usage)
        if call.cost_usd is not None:
            self._priced += 1
            self._cost += call.cost_usd
        elif may_have_used and call.backend == "provider":
            self._unpriced += 1

    def _add_tokens(self, usage: Usage) -> None:
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cached_tokens += usage.cached_tokens
        self.cache_write_tokens += usage.cache_write_tokens
        self.reasoning_tokens += usage.reasoning_tokens

    def usage(self) -> RunUsage | None:
        """Return the counts, or None if no call was made."""
        if not self.calls:
            return None
        return RunUsage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_tokens=self.cached_tokens,
            cache_write_tokens=self.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens,
            calls=self.calls,
            refused_calls=self.refused_calls,
            unmetered_calls=self.unmetered_calls,
        )

    def cost_usd(self) -> float | None:
        """Return US dollars; None if nothing was paid for, or the price of a call is unknown."""
        return round(self._cost, 9) if self._priced and not self._unpriced else None
