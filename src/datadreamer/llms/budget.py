"""`Budget`: what a run may spend. Reserved before a request is sent, settled when its answer is there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ..errors import InvalidArgumentError, InvalidTypeError
from ..ledger.money import pico, usd

# One lock for all budgets: a request takes from several, from all or from none, and it is held for microseconds.
LOCK = threading.Condition()


@dataclass(slots=True)
class Amount:
    """So much of everything that is counted. `cost` is picodollars."""

    cost: int = 0
    tokens: int = 0
    requests: int = 0

    def add(self, other: Amount, sign: int = 1) -> None:
        self.cost += sign * other.cost
        self.tokens += sign * other.tokens
        self.requests += sign * other.requests


class Budget:
    """The most that one run of a script may spend on models; on a session, or on a step.

    Before a request is sent, the most that it can cost is reserved; afterwards what it used takes the place of that.
    Answers that are remembered cost nothing. When the next request might go beyond what is left, the run stops with
    `BudgetExceededError`: what was answered is kept, the step is marked partial, and running the script again with a
    larger budget goes on where it stopped.

    Args:
        usd: US dollars. Every model that is asked must have a known price, or be given one (`prices=`).
        tokens: of prompts and answers together.
        requests: every attempt counts.

    Raises:
        InvalidArgumentError: nothing is bounded, or a bound is negative.
    """

    def __init__(
        self,
        usd: float | Decimal | str | None = None,
        tokens: int | None = None,
        requests: int | None = None,
    ) -> None:
        if usd is None and tokens is None and requests is None:
            raise InvalidArgumentError("A budget bounds something: Budget(usd=5), Budget(tokens=…) or requests=….")
        self.usd = None if usd is None else _dollars(usd)
        self.tokens = _count("tokens", tokens)
        self.requests = _count("requests", requests)
        self.owner = "the budget"  # how errors call it: of the session, of a step
        self._cost = None if self.usd is None else pico(self.usd)
        self._spent = Amount()
        self._reserved = Amount()
        self._held = 0  # reservations that are not settled
        self._waiting: list[Callable[[], Any]] = []

    # --- what users look at -------------------------------------------------------------------------------------------

    @property
    def spent_usd(self) -> float:
        """US dollars that were spent; of a budget without `usd`, those of calls with a known price."""
        return usd(self._spent.cost)

    @property
    def spent_tokens(self) -> int:
        """Tokens that were spent."""
        return self._spent.tokens

    @property
    def spent_requests(self) -> int:
        """Requests that were sent."""
        return self._spent.requests

    def __repr__(self) -> str:
        given = {"usd": self.usd, "tokens": self.tokens, "requests": self.requests}
        shown = ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)
        return f"Budget({shown})"

    def __str__(self) -> str:
        parts = []
        if self.usd is not None:
            parts.append(f"${self.spent_usd:,.4f} of ${self.usd:,}")
        if self.tokens is not None:
            parts.append(f"{self.spent_tokens:,} of {self.tokens:,} tokens")
        if self.requests is not None:
            parts.append(f"{self.spent_requests:,} of {self.requests:,} requests")
        return ", ".join(parts)

    # --- for the engine; each with LOCK held --------------------------------------------------------------------------

    def short_of(self, amount: Amount) -> str | None:
        """What is not there for `amount` beside all that is spent and reserved, in words; None when it fits."""
        spent, held = self._spent, self._reserved
        if self._cost is not None and spent.cost + held.cost + amount.cost > self._cost:
            return f"up to ${usd(amount.cost):,.6f}"
        if self.tokens is not None and spent.tokens + held.tokens + amount.tokens > self.tokens:
            return f"up to {amount.tokens:,} tokens"
        if self.requests is not None and spent.requests + held.requests + amount.requests > self.requests:
            return f"{amount.requests:,} more requests" if amount.requests > 1 else "one more request"
        return None

    @property
    def idle(self) -> bool:
        """Whether nothing is reserved: what is left now is all that will ever be left."""
        return not self._held

    def reserve(self, amount: Amount) -> None:
        self._reserved.add(amount)
        self._held += 1

    def settle(self, reserved: Amount, used: Amount) -> list[Callable[[], Any]]:
        """Replace a reservation by what was used; gives those who wait for that, to be told without the lock."""
        self._reserved.add(reserved, -1)
        self._spent.add(used)
        self._held -= 1
        waiting, self._waiting = self._waiting, []
        return waiting

    def spend(self, used: Amount) -> None:
        """Count what was not reserved here: a batch that an earlier run submitted."""
        self._spent.add(used)

    def wait(self, wake: Callable[[], Any]) -> None:
        """Be told of the next settlement."""
        self._waiting.append(wake)


def _dollars(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise InvalidTypeError(f"Budget(usd=…) is a number of US dollars, not {value!r}.")
    try:
        dollars = Decimal(str(value))
    except InvalidOperation:
        dollars = Decimal("nan")
    if not dollars.is_finite() or dollars < 0:
        raise InvalidArgumentError(f"Budget(usd=…) is a number of US dollars, at least 0, not {value!r}.")
    return dollars


def _count(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        raise InvalidTypeError(f"Budget({name}=…) is a whole number, not {value!r}.")
    if value < 0:
        raise InvalidArgumentError(f"Budget({name}=…) is at least 0, not {value!r}.")
    return int(value)
