"""Money in whole numbers: sums of many small costs must not drift.

A picodollar is 1e-12 US dollars. Prices per million tokens with up to six decimals are whole picodollars per token.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

PICO = 10**12


def pico(dollars: float | Decimal) -> int:
    """US dollars as picodollars, rounded to the nearest."""
    return round(dollars * PICO)


def usd(picodollars: int) -> float:
    """Picodollars as US dollars: the nearest float."""
    return picodollars / PICO


def sum_usd(several: Iterable[float | None]) -> float | None:
    """The exact sum of the costs that are known, in US dollars; None when none is."""
    known = [pico(one) for one in several if one is not None]
    return usd(sum(known)) if known else None
