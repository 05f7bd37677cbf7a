"""When to stop because the validation metric no longer improves, read from the history alone.

Nothing is counted on the side, so a resumed training stops at the same evaluation as an unbroken one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Patience:
    """Stop after `evaluations` evaluations in a row without an improvement of more than `threshold`."""

    metric: str  # with its prefix, for example "eval_loss"
    greater_is_better: bool
    evaluations: int
    threshold: float = 0.0

    def exhausted(self, history: Iterable[dict[str, Any]]) -> bool:
        """Whether it is time to stop. The evaluation before the first step is not one of those counted."""
        best: float | None = None
        without = 0
        for entry in history:
            value = entry.get(self.metric)
            if value is None or not entry.get("step"):
                continue
            gain = None if best is None else (value - best if self.greater_is_better else best - value)
            without = 0 if gain is None or gain > self.threshold else without + 1
            best = value if gain is None or gain > 0 else best
        return without >= self.evaluations
