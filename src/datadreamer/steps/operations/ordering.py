"""Operations that change the order of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...datasets import OutputDataset, OutputIterableDataset, shuffle_indices, sort_indices
from ...errors import InvalidArgumentError
from ..fields import runtime
from .base import Dataset, Operation, of_rows, stored_rows


class ShuffleStep(Operation):
    """The rows in a random order, the same one for the same seed everywhere (NumPy's PCG64).

    Args:
        seed: any integer 0 or above; None is the fixed seed 0, so that a rerun gives the same order.
        buffer_size: for rows that are computed as they are read: how many are mixed at a time.
    """

    seed: int | None = None
    buffer_size: int = 1000

    def check(self) -> None:
        if self.seed is not None and self.seed < 0:
            raise InvalidArgumentError(f"Step '{self.name}': seed must be 0 or more, not {self.seed}.")
        if self.buffer_size < 1:
            raise InvalidArgumentError(f"Step '{self.name}': buffer_size must be 1 or more, not {self.buffer_size}.")
        super().check()

    def view(self) -> Dataset:
        source: Any = self.source
        if isinstance(source, OutputDataset) or not self.lazy:
            rows = stored_rows(source)
            return of_rows(self, rows.select(shuffle_indices(rows.num_rows, self.seed or 0)), source)
        return OutputIterableDataset(
            self, self._mixed, total_num_rows=source.num_rows, column_names=lambda: source.column_names
        )

    def _mixed(self) -> Iterator[dict[str, Any]]:
        random = np.random.Generator(np.random.PCG64(self.seed or 0))
        buffer: list[dict[str, Any]] = []
        for row in self.source:  # type: ignore[attr-defined]
            if len(buffer) < self.buffer_size:
                buffer.append(row)
                continue
            at = int(random.integers(len(buffer)))
            yield buffer[at]
            buffer[at] = row
        for at in random.permutation(len(buffer)):
            yield buffer[at]


class SortStep(Operation):
    """The rows ordered by columns; always stored.

    Args:
        by: column names; the first decides, the others where it is equal.
        descending: from high to low; one value for all columns, or one for each.
        null_placement: `"at_end"` or `"at_start"`.
    """

    by: list[str]
    descending: Any = False  # bool or a list of them
    null_placement: str = "at_end"
    lazy: bool = runtime(default=False)

    def check(self) -> None:
        self.known_columns(self.by)
        super().check()

    def view(self) -> Dataset:
        rows = stored_rows(self.source)
        if rows.column_names:  # lazy rows of which there are none have no columns either
            rows = rows.select(sort_indices(rows, self.by, self.descending, self.null_placement))
        return of_rows(self, rows, self.source)
