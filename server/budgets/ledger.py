"""Ledgers: what was used and what is reserved under a cap on dollars, tokens or calls.

All of it happens in one event loop, without a pause between looking and taking, so calls side by
side can't cross a cap together. What several servers share is in `daily_budget.py`. Money is
counted in whole billionths of a dollar.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import lru_cache

NANO = 1_000_000_000
_MOST_SUM = 2**63 - 1
"""What a database's integers hold."""
_MOST_NANO, _MOST_TOKENS = 10**15, 10**12
"""Of one call: a million dollars, and more tokens than any model writes in a year."""


def nano_dollars(dollars: Decimal) -> int:
    """Return dollars in billionths, rounded up."""
    return math.ceil(dollars * NANO)


@lru_cache
def _whole_nano(dollars: float) -> int:
    return math.floor(Decimal(str(dollars)) * NANO)


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be used; None: no cap."""

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None

    @property
    def nano(self) -> int:
        """The dollars in billionths, rounded down."""
        return _whole_nano(self.usd or 0.0)

    @property
    def bounds_size(self) -> bool:
        """Whether it matters how large a call is."""
        return self.usd is not None or self.tokens is not None

    def __bool__(self) -> bool:
        return self.bounds_size or self.calls is not None

    def allow(self, sum_: Amount) -> bool:
        """Return whether a sum is within every cap."""
        return (
            (self.usd is None or sum_.nano <= self.nano)
            and (self.tokens is None or sum_.tokens <= self.tokens)
            and (self.calls is None or sum_.calls <= self.calls)
        )


@dataclass(frozen=True, slots=True)
class Amount:
    """What calls use. `nano` are billionths of a dollar."""

    nano: int = 0
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.nano + other.nano, self.tokens + other.tokens, self.calls + other.calls)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.nano - other.nano, self.tokens - other.tokens, self.calls - other.calls)

    def clamped(self) -> Amount:
        """Return a sum as a database can keep it: never negative, never beyond 64 bits."""
        counts = (self.nano, self.tokens, self.calls)
        return Amount(*(min(max(count, 0), _MOST_SUM) for count in counts))

    def for_one_call(self) -> Amount:
        """Return an amount that one call can have: a request may name any number of digits."""
        return Amount(min(self.nano, _MOST_NANO), min(self.tokens, _MOST_TOKENS), self.calls)

    def at_least(self, other: Amount) -> Amount:
        """Return the larger of each count."""
        return Amount(
            max(self.nano, other.nano), max(self.tokens, other.tokens), max(self.calls, other.calls)
        )


NOTHING = Amount()


def _in_dollars(dollars: float) -> str:
    """Return an amount as people write it: $5, $0.50, $0.00001."""
    digits = f"{dollars:,.9f}".rstrip("0").rstrip(".")
    whole, point, cents = digits.partition(".")
    return f"${whole}{point}{cents.ljust(2, '0') if point else ''}"


class BudgetError(Exception):
    """A call doesn't fit in a budget. `cap` names it, as in "run_usd"; `str()` is for people."""

    def __init__(self, cap: str, message: str) -> None:
        super().__init__(message)
        self.cap = cap


@dataclass(slots=True)
class Ledger:
    """What was used and is reserved under one set of caps. `scope` is "run" or "day"."""

    scope: str
    caps: Caps
    used: Amount = field(default_factory=Amount)
    reserved: Amount = field(default_factory=Amount)

    @property
    def taken(self) -> Amount:
        """Used and reserved together."""
        return self.used + self.reserved

    @property
    def room(self) -> dict[str, int]:
        """What is left, by the cap's kind: "usd" (in billionths), "tokens", "calls"."""
        taken, caps = self.taken, self.caps
        left: dict[str, int] = {}
        if caps.usd is not None:
            left["usd"] = caps.nano - taken.nano
        if caps.tokens is not None:
            left["tokens"] = caps.tokens - taken.tokens
        if caps.calls is not None:
            left["calls"] = caps.calls - taken.calls
        return left

    @property
    def used_share(self) -> float:
        """The taken part of the narrowest cap; 0 without one, above 1 where it was lowered."""
        taken = {"usd": self.taken.nano / NANO, **asdict(self.taken)}
        caps = {kind: value for kind, value in asdict(self.caps).items() if value is not None}
        return max((taken[kind] / cap if cap else 1.0 for kind, cap in caps.items()), default=0.0)

    def refusal(self, kind: str, why: str) -> BudgetError:
        """Return the error for a call that one of these caps keeps from going out."""
        return BudgetError(f"{self.scope}_{kind}", f"{self.words(kind)}: {why}")

    def too_large(self, kind: str, why: str) -> BudgetError:
        """Return the error for a call that is larger than what is left under one of these caps."""
        if self.room[kind] <= 0:
            way_out = self.way_out[0].upper() + self.way_out[1:]
            return self.refusal(kind, f"nothing is left of it. {way_out}")
        uses = "cost" if kind == "usd" else "use"
        said = f"this call may {uses} more than is left of the {self.words(kind)}: {why}"
        return BudgetError(f"{self.scope}_{kind}", said)

    @property
    def way_out(self) -> str:
        """What helps where nothing is left, to end a sentence with."""
        wait = ", or wait: it starts over at 00:00 UTC" if self.scope == "day" else ""
        return f"raise the budget{wait}"

    def words(self, kind: str) -> str:
        """Return one of the caps in words, such as "budget of $0.50 for this run"."""
        cap = getattr(self.caps, kind)
        amount = _in_dollars(cap) if kind == "usd" else f"{cap:,} {kind if cap != 1 else kind[:-1]}"
        return f"budget of {amount} for {'this run' if self.scope == 'run' else 'today'}"


@dataclass(slots=True)
class Reservation:
    """The worst case of one call, held in its ledgers until it is settled."""

    amount: Amount
    ledgers: tuple[Ledger, ...] = ()
    cut_at: int | None = None
    """Text bytes at which a stream is to be cut; None: its worst case fits."""
    cut_error: BudgetError | None = None
    _open: bool = True

    def settle(self, used: Amount | None) -> None:
        """Put what was used in its place; None: not known, so all that was reserved."""
        if not self._open:
            return
        self._open = False
        for ledger in self.ledgers:
            ledger.reserved -= self.amount
            ledger.used += self.amount if used is None else used
