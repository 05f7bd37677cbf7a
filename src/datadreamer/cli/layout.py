"""Plain text for a terminal: tables, and values as a person says them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence

from ..cards.markdown import one_line

MINIMUM = 24  # characters that a cut column keeps
UNBOUNDED = 1 << 30


def width() -> int:
    """Characters of a line; without bound where nobody looks at a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else UNBOUNDED


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: Iterable[int] = (),
    expendable: Iterable[str] = (),
) -> str:
    """Columns with two spaces between them; the last one is cut where a line would not fit the terminal.

    Args:
        numbers: positions of the columns that are aligned to the right.
        expendable: headers of the columns that are left out, in this order, until a line fits.

    Returns:
        The lines; columns in which every cell is empty are left out, and "" stands for no rows.
    """
    lines = [[*headers], *([one_line(cell, UNBOUNDED) for cell in row] for row in rows)]
    if len(lines) == 1:
        return ""
    used = [place for place in range(len(headers)) if any(line[place] for line in lines[1:])]
    for header in expendable:
        if sum(2 + max(len(line[place]) for line in lines) for place in used) - 2 > width():
            used = [place for place in used if headers[place] != header]
    lines = [[line[place] for place in used] for line in lines]
    right = [place in set(numbers) for place in used]
    widths = [max(len(line[place]) for line in lines) for place in range(len(used))]
    widths[-1] = min(widths[-1], max(MINIMUM, width() - sum(widths[:-1]) - 2 * (len(widths) - 1)))
    return "\n".join(
        "  ".join(_cell(*cell) for cell in zip(line, widths, right, strict=True)).rstrip() for line in lines
    )


def _cell(text: str, size: int, right: bool) -> str:
    shown = one_line(text, max(size, 1))
    return shown.rjust(size) if right else shown.ljust(size)


def size(count: int) -> str:
    """`812 B`, `3.4 kB`, `10 MB`: powers of 1000."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"


def figures(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> list[tuple[str, str, str]]:
    """Name, value before and value after the training, of what was measured on held-out rows; "" where nothing was."""
    names = list(dict.fromkeys([*before, *after]))
    held_out = [name for name in names if name.startswith("eval_")] or names
    return [
        (name.removeprefix("eval_"), _figure(before.get(name)), _figure(after.get(name)))
        for name in held_out
        if name != "eval_joint"  # by which the best model is chosen; the others say what it is
    ]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
