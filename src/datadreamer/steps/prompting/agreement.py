"""How far judges agree, from how often each pattern of their judgements occurs.

A pattern has one judgement per judge, in the order of the judges, None where a judge gave none. Every measure is None
where it is not defined: nobody judged the same rows, or only one judgement ever occurs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any

Patterns = Mapping[tuple[Hashable, ...], int]

CITATIONS = (
    """@article{cohen1960coefficient,
  title={A coefficient of agreement for nominal scales},
  author={Cohen, Jacob},
  journal={Educational and Psychological Measurement},
  volume={20},
  number={1},
  pages={37--46},
  year={1960}
}""",
    """@article{fleiss1971measuring,
  title={Measuring nominal scale agreement among many raters},
  author={Fleiss, Joseph L.},
  journal={Psychological Bulletin},
  volume={76},
  number={5},
  pages={378--382},
  year={1971}
}""",
    """@book{krippendorff2004content,
  title={Content Analysis: An Introduction to Its Methodology},
  author={Krippendorff, Klaus},
  edition={2},
  publisher={Sage},
  year={2004}
}""",
)


def observed_agreement(patterns: Patterns) -> float | None:
    """The share of pairs of judges that agree, over the rows that at least two judged; each row counts alike."""
    rows = total = 0.0
    for pattern, count in patterns.items():
        given = [judgement for judgement in pattern if judgement is not None]
        if len(given) > 1:
            rows += count
            total += count * _agreeing_pairs(Counter(given)) / (len(given) * (len(given) - 1))
    return total / rows if rows else None


def cohen_kappa(patterns: Patterns, one: int, other: int) -> float | None:
    """Agreement of two judges beyond what their own frequencies make likely, over rows that both judged.

    Source: Cohen 1960.
    """
    pairs = Counter[tuple[Hashable, Hashable]]()
    for pattern, count in patterns.items():
        if pattern[one] is not None and pattern[other] is not None:
            pairs[pattern[one], pattern[other]] += count
    rows = sum(pairs.values())
    if not rows:
        return None
    sides = [Counter[Hashable](), Counter[Hashable]()]
    for pair, count in pairs.items():
        for side, judgement in zip(sides, pair, strict=True):
            side[judgement] += count
    agreed = sum(count for (first, second), count in pairs.items() if first == second) / rows
    chance = sum(count * sides[1][judgement] for judgement, count in sides[0].items()) / rows**2
    return _beyond_chance(agreed, chance)


def fleiss_kappa(patterns: Patterns) -> float | None:
    """Agreement of all judges beyond what the frequencies over all of them make likely, over rows that all judged.

    Source: Fleiss 1971.
    """
    complete = {pattern: count for pattern, count in patterns.items() if None not in pattern}
    rows = sum(complete.values())
    judges = len(next(iter(patterns), ()))
    if not rows or judges < 2:
        return None
    agreed = observed_agreement(complete)
    shares = Counter[Hashable]()
    for pattern, count in complete.items():
        for judgement in pattern:
            shares[judgement] += count
    assert agreed is not None
    return _beyond_chance(agreed, sum((count / (rows * judges)) ** 2 for count in shares.values()))


def krippendorff_alpha(patterns: Patterns) -> float | None:
    """Agreement beyond chance for nominal judgements with gaps, over rows that at least two judged.

    Source: Krippendorff 2004, chapter 11.
    """
    shares = Counter[Hashable]()
    disagreed = 0.0
    for pattern, count in patterns.items():
        given = Counter(judgement for judgement in pattern if judgement is not None)
        many = given.total()
        if many > 1:
            disagreed += count * (many * (many - 1) - _agreeing_pairs(given)) / (many - 1)
            for judgement, times in given.items():
                shares[judgement] += count * times
    total = shares.total()
    expected = total * (total - 1) - _agreeing_pairs(shares)
    return None if not expected else 1 - (total - 1) * disagreed / expected


def _agreeing_pairs(given: Mapping[Hashable, int]) -> int:
    """Ordered pairs of equal judgements."""
    return sum(count * (count - 1) for count in given.values())


def _beyond_chance(agreed: float, chance: float) -> float | None:
    return None if chance >= 1 else (agreed - chance) / (1 - chance)


def summary(patterns: Patterns, judges: Sequence[str]) -> dict[str, Any]:
    """All of it, for a card: shares and coefficients to four digits."""
    pairs = combinations(range(len(judges)), 2)
    return {
        "judges": list(judges),
        "rows": sum(patterns.values()),
        "observed agreement": _rounded(observed_agreement(patterns)),
        "Cohen's kappa": {f"{judges[a]}, {judges[b]}": _rounded(cohen_kappa(patterns, a, b)) for a, b in pairs},
        "Fleiss' kappa": _rounded(fleiss_kappa(patterns)),
        "Krippendorff's alpha": _rounded(krippendorff_alpha(patterns)),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
