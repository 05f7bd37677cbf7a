"""`splits`: train, validation and test rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...datasets import split_indices
from ..step import Step
from .base import Dataset, Operation, of_rows, operation_options, stored_rows

Sizes = Mapping[str, float | int | None]


class SplitStep(Operation):
    """One of the splits of a result.

    Args:
        split: which one.
        sizes: split to number of rows or share, for all of them.
        stratify_by_column: give every split the same mix of this column's values.
    """

    split: str
    sizes: dict[str, Any]
    stratify_by_column: str | None = None

    def check(self) -> None:
        if self.stratify_by_column is not None:
            self.known_columns([self.stratify_by_column])
        super().check()

    def view(self) -> Dataset:
        rows = stored_rows(self.source)
        sizes = {f"{name}_size": size for name, size in self.sizes.items()}
        chosen = split_indices(rows, **sizes, stratify_by_column=self.stratify_by_column)[self.split]
        if self.stratify_by_column is None and len(chosen):  # contiguous: a slice needs no index
            return of_rows(self, rows.slice(int(chosen[0]), len(chosen)), self.source)
        return of_rows(self, rows.select(chosen), self.source)


def splits(
    step: Step, sizes: Sizes, stratify_by_column: str | None, name: str | None, options: dict[str, Any]
) -> dict[str, Step]:
    """A view for each split that was given a size; all rows as `train` when none was."""
    given = {key: size for key, size in sizes.items() if size is not None} or {"train": 1.0}
    made: dict[str, Step] = {}
    for split in given:
        own = operation_options(step, f"{split} split", f"{name} ({split} split)" if name else None, options)
        made[split] = SplitStep(
            **own, source=step.output, split=split, sizes=given, stratify_by_column=stratify_by_column, lazy=True
        )
    return made
