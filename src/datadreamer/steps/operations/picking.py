"""`unique` and `sample`: some of the rows, in the order they have."""

from __future__ import annotations

from typing import Any

from ...datasets import Rows as StoredRows
from ...datasets import sample_indices, unique_indices
from ...errors import InvalidArgumentError
from .whole import WholeStep


class UniqueStep(WholeStep):
    """The first row of each that are equal.

    Args:
        column_names: the columns that are compared; None for all.
    """

    column_names: list[str] | None = None

    def check(self) -> None:
        if self.column_names is not None and not self.column_names:
            raise InvalidArgumentError(
                f"Step '{self.name}': column_names is empty. Leave it out to compare all columns."
            )
        self.known_columns(self.column_names or [])
        super().check()

    def computed(self, rows: StoredRows) -> tuple[StoredRows, Any]:
        chosen = unique_indices(rows, self.column_names)
        return rows.select(chosen), chosen


class SampleStep(WholeStep):
    """Some rows drawn at random without repeats, the same ones for the same seed everywhere (NumPy's PCG64).

    Args:
        n: how many rows.
        fraction: which share of the rows, 0 to 1; either this or `n`.
        seed: any integer 0 or above; None is the fixed seed 0, so that a rerun draws the same rows.
    """

    n: int | None = None
    fraction: float | None = None
    seed: int | None = None

    def check(self) -> None:
        if (self.n is None) == (self.fraction is None):
            raise InvalidArgumentError(f"Step '{self.name}': give either n (rows) or fraction (a share of the rows).")
        if self.n is not None and self.n < 0:
            raise InvalidArgumentError(f"Step '{self.name}': n must be 0 or more, not {self.n}.")
        if self.fraction is not None and not 0 <= self.fraction <= 1:
            raise InvalidArgumentError(f"Step '{self.name}': fraction must be between 0 and 1, not {self.fraction}.")
        if self.seed is not None and self.seed < 0:
            raise InvalidArgumentError(f"Step '{self.name}': seed must be 0 or more, not {self.seed}.")
        super().check()

    def computed(self, rows: StoredRows) -> tuple[StoredRows, Any]:
        if self.n is not None and self.n > rows.num_rows:
            raise InvalidArgumentError(
                f"Step '{self.name}': {self.n:,} rows cannot be drawn from {rows.num_rows:,} without repeats."
            )
        size = self.n if self.n is not None else float(self.fraction or 0)
        chosen = sample_indices(rows.num_rows, size, self.seed or 0)
        return rows.select(chosen), chosen
