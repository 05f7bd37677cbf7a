"""What was retrieved for the rows of a column, beside the values of the column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import ModelError
from ..tasks.retrieve import Retrieve


def by_position(column: Any, retrieved: Retrieve) -> Iterator[tuple[Any, Any]]:
    """For every value, in order: the value, and its results; an error where the retriever lost it, None where it is
    None."""
    rows = retrieved.output.rows
    results = rows.values("results")
    parents = iter(parent_positions(rows))
    upcoming = next(parents, None)
    for position, value in enumerate(column):
        if upcoming == position:
            yield value, next(results)
            upcoming = next(parents, None)
        elif value is None:
            yield value, None
        else:
            yield value, ModelError(f"Nothing could be retrieved for this row: see the losses of '{retrieved.name}'.")


def parent_positions(rows: Any) -> Iterator[int]:
    """The input row of every row."""
    table = rows.lineage()
    if table is None:  # every row stands beside its input row
        return iter(range(rows.num_rows))
    return (position for batch in table.to_batches() for position in batch.column("parents").to_pylist())
