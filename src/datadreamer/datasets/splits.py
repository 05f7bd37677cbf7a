"""Train, validation and test rows: contiguous, or with every label in proportion."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from .operations import group_codes
from .rows import Rows

Size = int | float | None


def split_indices(
    rows: Rows,
    train_size: Size = None,
    validation_size: Size = None,
    test_size: Size = None,
    stratify_by_column: str | None = None,
) -> dict[str, np.ndarray]:
    """Which rows belong to which split; rows keep their order inside each.

    Args:
        rows: what to split.
        train_size: a fraction (float) or a number of rows (int); so are the other two. Fractions sum to 1.0, counts to
            the number of rows.
        validation_size: see `train_size`.
        test_size: see `train_size`.
        stratify_by_column: give every split the same share of each value of this column. Without it the splits are
            contiguous: the first rows are for training.

    Raises:
        InvalidArgumentError: sizes that do not add up, a split that would be empty, or a label too rare to be in each.
    """
    given = {"train": train_size, "validation": validation_size, "test": test_size}
    sizes = _counts({name: size for name, size in given.items() if size is not None}, rows.num_rows)
    if stratify_by_column is None:
        bounds = np.cumsum([0, *sizes.values()])
        return {name: np.arange(bounds[i], bounds[i + 1]) for i, name in enumerate(sizes)}
    return _stratified(rows, sizes, stratify_by_column)


def _counts(sizes: dict[str, Any], num_rows: int) -> dict[str, int]:
    if not sizes:
        raise InvalidArgumentError("Give at least one of train_size, validation_size and test_size.")
    shown = ", ".join(f"{name}_size={size}" for name, size in sizes.items())
    if any(isinstance(size, bool) or size < 0 for size in sizes.values()):
        raise InvalidArgumentError(f"Sizes of splits are fractions or numbers of rows, not {shown}.")
    kinds = {isinstance(size, float) for size in sizes.values()}
    if len(kinds) == 2:
        raise InvalidArgumentError(f"Give either fractions or numbers of rows, not both: {shown}.")
    total = sum(sizes.values())
    if True in kinds:
        if abs(total - 1.0) > 1e-6:
            raise InvalidArgumentError(f"Fractions of splits sum to 1.0, and these to {total:g}: {shown}.")
        counts = _largest_remainder(sizes, num_rows)
    elif total != num_rows:
        raise InvalidArgumentError(f"Numbers of rows sum to {total:,}, and there are {num_rows:,} rows: {shown}.")
    else:
        counts = dict(sizes)
    empty = next((name for name, size in sizes.items() if size and not counts[name]), None)
    if empty is not None:
        raise InvalidArgumentError(f"With {num_rows} rows the split {empty!r} would be empty: {shown}.")
    return counts


def _largest_remainder(fractions: dict[str, float], num_rows: int) -> dict[str, int]:
    exact = {name: round(fraction * num_rows, 9) for name, fraction in fractions.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: num_rows - sum(counts.values())]:
        counts[name] += 1
    return counts


def _stratified(rows: Rows, sizes: dict[str, int], column: str) -> dict[str, np.ndarray]:
    """Rows ordered by label, dealt out to the splits evenly: each label's share is right to within one row."""
    labels = group_codes(rows, rows.select_columns(column).column_names[0])
    wanted = sum(1 for size in sizes.values() if size)
    _, firsts, counts = np.unique(labels, return_index=True, return_counts=True)
    if (rare := counts < wanted).any():
        at = int(firsts[rare][0])
        value = rows.row(at)[column]
        raise InvalidArgumentError(
            f"Column {column!r} has the value {value!r} in only {int(counts[rare][0])} row(s), too few for {wanted} "
            "splits. Merge rare labels, or split without stratify_by_column."
        )
    deal = np.concatenate([np.full(size, number) for number, size in enumerate(sizes.values())])
    moment = np.concatenate([(np.arange(size) + 0.5) / max(size, 1) for size in sizes.values()])
    sequence = deal[np.argsort(moment, kind="stable")]
    owner = np.empty(rows.num_rows, np.int64)
    owner[np.argsort(labels, kind="stable")] = sequence
    return {name: np.flatnonzero(owner == number) for number, name in enumerate(sizes)}
