"""Replaces a call's reservation by its usage, or by at least the reservation if unknown."""

from __future__ import annotations

from datetime import date

from llm_agent_builder.metering.prices import highest_rates
from llm_agent_builder.metering.usage import Usage
from server.budgets.ledger import Amount, Reservation, nano_dollars
from server.gateway.call import Call


def settle(reservation: Reservation, call: Call, day: date, *, free: bool) -> None:
    """Settle a reservation with the usage of its call.

    A call that is known to have used no tokens only counts as one call. Unknown usage counts as the
    reservation, or as the reported usage if that is more.
    """
    seen, usage = call.seen, call.seen.usage
    if call.used_nothing:
        reservation.settle(Amount(calls=1))
    elif usage is None or call.error is not None or seen.error is not None:
        reported = seen.at_least  # incomplete if the stream broke off
        nano = 0 if free else _highest_cost(call, reported, day)
        reservation.settle(reservation.amount.at_least(Amount(nano, reported.tokens, 1)))
    else:
        nano = 0 if free else _paid(reservation, call, usage, day)
        reservation.settle(Amount(nano, usage.tokens, 1))


def _paid(reservation: Reservation, call: Call, usage: Usage, day: date) -> int:
    if call.cost_usd is not None:
        return nano_dollars(call.cost_usd)
    return max(reservation.amount.nano, _highest_cost(call, usage, day))


def _highest_cost(call: Call, usage: Usage, day: date) -> int:
    """Return the most that these tokens can have cost, in nano-dollars; 0: no known price."""
    rates = None
    if call.request_model is not None and usage.tokens:
        rates = highest_rates(call.provider, call.request_model, usage.input_tokens, day)
    if rates is None:
        return 0
    cost = rates.input * usage.input_tokens + rates.output * usage.output_tokens
    return nano_dollars(cost)
