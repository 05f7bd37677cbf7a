"""A column read by a model, with its values kept at hand until the model's answers for them are there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..rows import Chunk, Loss


class Passing:
    """Iterates a column. What its first reader has taken is kept, and given by `take`."""

    def __init__(self, column: Any) -> None:
        self._column = column
        self._kept: deque[Any] = deque()
        self._read = False

    def __iter__(self) -> Iterator[Any]:
        if self._read:  # read again, to measure texts
            return iter(self._column)
        self._read = True
        return self._keeping()

    def _keeping(self) -> Iterator[Any]:
        for value in self._column:
            self._kept.append(value)
            yield value

    def take(self, values: int) -> list[Any]:
        """The next values that were read."""
        return [self._kept.popleft() for _ in range(values)]


class StoredPassing(Passing):
    """The same for a column that may be read again: its length is known."""

    def __len__(self) -> int:
        return len(self._column)


def passing(column: Any) -> Passing:
    """`column` for a model; a lazy column is read only once, for its rows are made anew each time."""
    return StoredPassing(column) if hasattr(type(column), "__len__") else Passing(column)


def rows_and_losses(first: int, columns: dict[str, Any], failures: dict[int, Any]) -> Iterator[Chunk | Loss]:
    """Consecutive rows as columns, without those that failed, which are losses.

    Args:
        first: the position of the first row in the input.
        columns: lists, or Arrow arrays.
        failures: `llms.types.Failure` by position within these rows.
    """
    for place, failure in sorted(failures.items()):
        yield Loss(first + place, failure.reason, failure.message, failure.attempts)
    count = len(next(iter(columns.values())))
    kept = np.setdiff1d(np.arange(count), np.fromiter(failures, np.int64, len(failures)))
    if failures:
        columns = {name: _selected(values, kept) for name, values in columns.items()}
    if len(kept):
        yield Chunk(columns, parents=kept + first)  # type: ignore[arg-type]  # an integer array is quickest


def _selected(values: Any, kept: np.ndarray) -> Any:
    if isinstance(values, list):
        return [values[place] for place in kept]
    import pyarrow as pa

    return values.take(pa.array(kept))
