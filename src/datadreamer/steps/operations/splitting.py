"""`splits`: train, validation and test rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidArgumentError, StepError
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
        bounds = split_bounds(self.name, rows.num_rows, self.sizes)
        if self.stratify_by_column is None:
            start, end = bounds[self.split]
            return of_rows(self, rows.slice(start, end - start), self.source)
        return of_rows(self, rows.select(self._stratified(rows, bounds)), self.source)

    def _stratified(self, rows: Any, bounds: dict[str, tuple[int, int]]) -> list[int]:
        """Deal the rows of every value to the splits in proportion, then keep the order they had."""
        total = max(end for _, end in bounds.values())
        groups: dict[Any, list[int]] = {}
        for position, value in enumerate(rows.values(self.stratify_by_column)):
            groups.setdefault(repr(value), []).append(position)
        ranked = []
        for members in groups.values():
            ranked += [((place + 0.5) / len(members), position) for place, position in enumerate(members)]
        ranked.sort()
        start, end = bounds[self.split]
        assert total <= len(ranked)
        return sorted(position for _, position in ranked[start:end])


def split_bounds(who: str, rows: int, sizes: Sizes) -> dict[str, tuple[int, int]]:
    """Where each split begins and ends, in the order train, validation, test.

    Raises:
        StepError: the sizes are neither shares that sum to 1.0 nor numbers of rows that sum to all rows.
    """
    given = {name: size for name, size in sizes.items() if size is not None}
    counts = _counts(who, rows, given)
    bounds, start = {}, 0
    for name, count in counts.items():
        bounds[name] = (start, start + count)
        start += count
    return bounds


def _counts(who: str, rows: int, given: dict[str, Any]) -> dict[str, int]:
    shown = ", ".join(f"{name}_size={size}" for name, size in given.items())
    if any(isinstance(size, bool) or not isinstance(size, int | float) or size < 0 for size in given.values()):
        raise InvalidArgumentError(f"'{who}': sizes are shares or numbers of rows, 0 or more, not {shown}.")
    if all(isinstance(size, int) for size in given.values()) and sum(given.values()) == rows:
        return dict(given)
    if abs(sum(given.values()) - 1.0) < 1e-6:
        ends, reached, counts = 0.0, 0, {}
        for name, share in given.items():
            ends += share
            end = round(ends * rows)
            counts[name], reached = end - reached, end
        return counts
    raise StepError(
        f"'{who}': sizes must be shares that sum to 1.0 or numbers of rows that sum to {rows:,}, but {shown} "
        f"sum to {sum(given.values()):g}."
    )


def splits(
    step: Step, sizes: Sizes, stratify_by_column: str | None, name: str | None, options: dict[str, Any]
) -> dict[str, Step]:
    """A view for each split that was given a size; all rows as `train` when none was."""
    given = {key: size for key, size in sizes.items() if size is not None} or {"train": 1.0}
    made: dict[str, Step] = {}
    for split in given:
        own = operation_options(step, f"{split} split", f"{name} ({split} split)" if name else None, options)
        made[split] = SplitStep(
            **own, source=step, split=split, sizes=given, stratify_by_column=stratify_by_column, lazy=True
        )  # type: ignore[call-arg]
    return made
