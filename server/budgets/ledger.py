"""Ledgers: the used and reserved amounts under caps on dollars, tokens or calls.

Every check and its reservation happen in one step of the event loop, so concurrent calls can't
exceed a cap together. `daily_budget.py` shares a ledger among servers. Money is counted in whole
billionths of a dollar.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import lru_cache

NANO = 1_000_000_000
_MAX_SUM = 2**63 - 1
"""The largest integer that the databases can store."""
_MAX_NANO, _MAX_TOKENS = 10**15, 10**12
"""Limits on one call: a million dollars, and more tokens than any model writes in a year."""


def nano_dollars(dollars: Decimal) -> int:
    """Return dollars in billionths, rounded up."""
    return math.ceil(dollars * NANO)


@lru_cache
def _whole_nano(dollars: float) -> int:
    return math.floor(Decimal(str(dollars)) * NANO)


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits on usage; None: no limit."""

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None

    @property
    def nano(self) -> int:
        """The dollars in billionths, rounded down."""
        return _whole_nano(self.usd or 0.0)

    @property
    def limits_size(self) -> bool:
        """Whether the size of a call counts."""
        return self.usd is not None or self.tokens is not None

    def __bool__(self) -> bool:
        return self.limits_size or self.calls is not None

    def allow(self, sum_: Amount) -> bool:
        """Return whether a sum is within every cap."""
        return (
            (self.usd is None or sum_.nano <= self.nano)
            and (self.tokens is None or sum_.tokens <= self.tokens)
            and (self.calls is None or sum_.calls <= self.calls)
        )


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of usage. `nano` counts billionths of a dollar."""

    nano: int = 0
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.nano + other.nano, self.tokens + other.tokens, self.calls + other.calls)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.nano - other.nano, self.tokens - other.tokens, self.calls - other.calls)

    def clamped(self) -> Amount:
        """Return the amount with each count limited to the range from 0 to the largest integer."""
        counts = (self.nano, self.tokens, self.calls)
        return Amount(*(min(max(count, 0), _MAX_SUM) for count in counts))

    def for_one_call(self) -> Amount:
        """Return the amount limited to what one call can use: a request may ask for any number."""
        return Amount(min(self.nano, _MAX_NANO), min(self.tokens, _MAX_TOKENS), self.calls)

    def at_least(self, other: Amount) -> Amount:
        """Return the larger of each count."""
        return Amount(
            max(self.nano, other.nano), max(self.tokens, other.tokens), max(self.calls, other.calls)
        )


NOTHING = Amount()


def _in_dollars(dollars: float) -> str:
    """Return dollars as text: $5, $0.50, $0.00001."""
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
    """The used and reserved amounts under one set of caps. `scope` is "run" or "day"."""

    scope: str
    caps: Caps
    used: Amount = field(default_factory=Amount)
    reserved: Amount = field(default_factory=Amount)

    @property
    def taken(self) -> Amount:
        """Used and reserved together."""
        return self.used + self.reserved

    @property
    def remaining(self) -> dict[str, int]:
        """The remaining amounts by kind of cap: "usd" (in billionths), "tokens", "calls"."""
        taken, caps = self.taken, self.caps
        found: dict[str, int] = {}
        if caps.usd is not None:
            found["usd"] = caps.nano - taken.nano
        if caps.tokens is not None:
            found["tokens"] = caps.tokens - taken.tokens
        if caps.calls is not None:
            found["calls"] = caps.calls - taken.calls
        return found

    @property
    def used_share(self) -> float:
        """The used and reserved share of the tightest cap: 0 without caps, above 1 if lowered."""
        taken = {"usd": self.taken.nano / NANO, **asdict(self.taken)}
        caps = {kind: value for kind, value in asdict(self.caps).items() if value is not None}
        return max((taken[kind] / cap if cap else 1.0 for kind, cap in caps.items()), default=0.0)

    def refusal(self, kind: str, why: str) -> BudgetError:
        """Return the error for a call that one of these caps refuses."""
        return BudgetError(f"{self.scope}_{kind}", f"{self.describe(kind)}: {why}")

    def too_large(self, kind: str, why: str) -> BudgetError:
        """Return the error for a call that is larger than what is left under one of these caps."""
        if self.remaining[kind] <= 0:
            remedy = self.remedy[0].upper() + self.remedy[1:]
            return self.refusal(kind, f"it is used up. {remedy}")
        uses = "cost" if kind == "usd" else "use"
        message = f"this call may {uses} more than is left of the {self.describe(kind)}: {why}"
        return BudgetError(f"{self.scope}_{kind}", message)

    @property
    def remedy(self) -> str:
        """How to continue when the budget is used up, as the end of a sentence."""
        wait = ", or wait: it starts over at 00:00 UTC" if self.scope == "day" else ""
        return f"raise the budget{wait}"

    def describe(self, kind: str) -> str:
        """Return one of the caps in words, such as "budget of $0.50 for this run"."""
        cap = getattr(self.caps, kind)
        amount = _in_dollars(cap) if kind == "usd" else f"{cap:,} {kind if cap != 1 else kind[:-1]}"
        return f"budget of {amount} for {'this run' if self.scope == 'run' else 'today'}"


@dataclass(slots=True)
class Reservation:
    """The worst case of one call, reserved in its ledgers until the call is settled."""

    amount: Amount
    ledgers: tuple[Ledger, ...] = ()
    cut_at: int | None = None
    """Text bytes after which the stream must be cut; None: its worst case fits."""
    cut_error: BudgetError | None = None
    _open: bool = True

    def settle(self, used: Amount | None) -> None:
        """Replace the reservation by the used amount; None (unknown) counts all of it as used."""
        if not self._open:
            return
        self._open = False
        for ledger in self.ledgers:
            ledger.reserved -= self.amount
            ledger.used += self.amount if used is None else used
