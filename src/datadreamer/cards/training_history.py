"""The course of a training: a line of small bars and a short table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .markdown import code, number, section, table

BARS = "▁▂▃▄▅▆▇█"
_POSITIONS = ("step", "epoch")


def history_section(history: Sequence[dict[str, Any]], rows: int = 12, width: int = 40) -> str:
    """Sparklines of the losses and a table of at most `rows` entries, spread over the whole training."""
    if not history:
        return ""
    seen = dict.fromkeys([*_POSITIONS, *(key for entry in history for key in entry)])
    names = [name for name in seen if any(_finite(entry.get(name)) for entry in history)]
    lines = []
    for name in names:
        values = [entry[name] for entry in history if _finite(entry.get(name))]
        if name.endswith("loss") and len(values) > 1:
            first, last = number(float(values[0])), number(float(values[-1]))
            lines.append(f"* {code(name)} {sparkline(_spread(values, width))} from {first} to {last}")
    shown = [[_cell(entry.get(name)) for name in names] for entry in _spread(history, rows)]
    return section("Course of the training", "\n".join(lines), table([code(name) for name in names], shown))


def sparkline(values: Sequence[float]) -> str:
    """One bar for each value, the lowest `▁`, the highest `█`."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in values)


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` items at even distances, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(index * (len(items) - 1) / (count - 1))] for index in range(count)]


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _cell(value: Any) -> str:
    return number(value) if _finite(value) else ""
