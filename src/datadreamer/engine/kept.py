"""The rows of a finished result, when only its failed input rows are tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ..datasets import Rows


@dataclass(slots=True)
class KeptPiece:
    """Rows that stay as they are, with their lineage. They account for the input rows up to `position`."""

    table: pa.Table
    parents: np.ndarray
    calls: Sequence[Any] | None
    position: int
    filtered: int


class KeptRows:
    """Rows in the order of the input rows that they were made of.

    Args:
        rows: of the finished result of a step with `process()`, whose rows have one parent each, in order.
        lost: the input rows that failed.
    """

    def __init__(self, rows: Rows, lost: Sequence[int]) -> None:
        self.lost = sorted(lost)
        self._table = rows.table()
        lineage = rows.lineage()
        parents = None if lineage is None or "parents" not in lineage.column_names else lineage.column("parents")
        self._parents = np.arange(rows.num_rows) if parents is None else parents.to_numpy()
        self._calls = None if lineage is None or "calls" not in lineage.column_names else lineage.column("calls")

    def between(self, start: int, stop: int) -> KeptPiece:
        """The rows made of the input rows from `start` up to, and without, `stop`."""
        first, end = (int(np.searchsorted(self._parents, position)) for position in (start, stop))
        parents = self._parents[first:end]
        calls = None if self._calls is None else self._calls.slice(first, end - first).to_pylist()
        filtered = stop - start - len(np.unique(parents))
        return KeptPiece(self._table.slice(first, end - first), parents, calls, stop, filtered)
