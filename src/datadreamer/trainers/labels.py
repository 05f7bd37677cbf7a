"""The labels of a classifier, found in its columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import InvalidArgumentError, InvalidTypeError
from .columns import arrays, check_type


def find_labels(who: str, columns: Iterable[Any]) -> tuple[list[str], bool]:
    """All labels that occur, sorted, and whether rows have several each.

    Numbers are sorted by value, texts by their characters; a model's configuration names both as text.

    Raises:
        InvalidTypeError: the columns mix lists and single labels, or texts and numbers.
        InvalidArgumentError: there are fewer than two labels.
    """
    values: set[Any] = set()
    nested: set[bool] = set()
    for column in columns:
        for chunk in arrays(column):
            check_type(f"{who}: column '{column.name}'", chunk.type, "label")
            nested.add(chunk.type.num_fields > 0)
            values.update((chunk.flatten() if chunk.type.num_fields else chunk).unique().to_pylist())
    values.discard(None)  # an empty cell is refused, with its row, when the rows are written
    kinds = {type(value).__name__ for value in values}
    if len(nested) > 1 or len(kinds) > 1:
        mix = " and ".join(sorted(kinds)) if len(kinds) > 1 else "lists and single labels"
        raise InvalidTypeError(f"{who}: the label columns mix {mix}. Make all labels of one kind.")
    labels = [str(value) for value in sorted(values)]
    if len(labels) < 2:
        found = f"only {labels[0]!r}" if labels else "none"
        raise InvalidArgumentError(f"{who}: a classifier needs at least two labels, and the columns have {found}.")
    return labels, True in nested
