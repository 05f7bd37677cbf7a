"""Tokens to dollars, in whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..ledger import Usage
from ..ledger.money import usd


@dataclass(frozen=True, slots=True)
class Rate:
    """Picodollars per token: of the prompt, of its tokens that were cached, of the answer. `cached` None: not known."""

    input: int
    cached: int | None
    output: int

    def cost(self, usage: Usage) -> int | None:
        """Picodollars of a call; None when a price that it needs is not known."""
        if not usage.cached_tokens:
            return usage.input_tokens * self.input + usage.output_tokens * self.output
        if self.cached is None:
            return None
        fresh = usage.input_tokens - usage.cached_tokens
        return fresh * self.input + usage.cached_tokens * self.cached + usage.output_tokens * self.output

    def most(self, input_tokens: int, output_tokens: int) -> int:
        """The most picodollars that so many tokens cost, whatever comes from a cache."""
        return input_tokens * max(self.input, self.cached or 0) + output_tokens * self.output


@dataclass(frozen=True, slots=True)
class Prices:
    """What a model's tokens cost. None: not known. `long_from`: prompts of more tokens have the `long` rates."""

    standard: Rate | None = None
    batch: Rate | None = None
    long: Rate | None = None
    long_batch: Rate | None = None
    long_from: int | None = None

    @classmethod
    def of(cls, per_million: Mapping[str, Decimal | None], long_from: int | None = None) -> Prices:
        """From US dollars per million tokens, by `input`, `cached`, `output`, `batch_input`, … `long_batch_output`."""
        kinds = {kind: _rate(per_million, prefix) for kind, prefix in _PREFIXES.items()}
        return cls(**kinds, long_from=long_from)

    def rate(self, input_tokens: int, batch: bool = False) -> Rate | None:
        """The rate for a prompt of this length; None when it is not known."""
        if self.long_from is not None and input_tokens > self.long_from:
            return self.long_batch if batch else self.long
        return self.batch if batch else self.standard

    def cost(self, usage: Usage, batch: bool = False) -> float | None:
        """US dollars of a call; None when a price is not known, or the service did not say the tokens."""
        if not usage.input_tokens and not usage.output_tokens:
            return None
        rate = self.rate(usage.input_tokens, batch)
        cost = None if rate is None else rate.cost(usage)
        return None if cost is None else usd(cost)

    def most(self, input_tokens: int, output_tokens: int, batch: bool = False) -> int | None:
        """The most picodollars of a call with at most so many tokens; None when a price is not known."""
        rates = [self.batch if batch else self.standard]
        if self.long_from is not None and input_tokens > self.long_from:
            rates.append(self.long_batch if batch else self.long)
        bounds = [rate.most(input_tokens, output_tokens) for rate in rates if rate is not None]
        return max(bounds) if len(bounds) == len(rates) else None


_PREFIXES = {"standard": "", "batch": "batch_", "long": "long_", "long_batch": "long_batch_"}
UNPRICED = Prices()


def _rate(per_million: Mapping[str, Decimal | None], prefix: str) -> Rate | None:
    given, answer = per_million.get(f"{prefix}input"), per_million.get(f"{prefix}output")
    if given is None or answer is None:
        return None
    cached = per_million.get(f"{prefix}cached")
    return Rate(_per_token(given), None if cached is None else _per_token(cached), _per_token(answer))


def _per_token(price: Decimal) -> int:
    return round(price * 10**6)  # a millionth of a dollar is a million picodollars
