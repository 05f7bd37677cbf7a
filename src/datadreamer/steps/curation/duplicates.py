"""Giving the rows that are left when duplicates are dropped, and saying of which row each one is a duplicate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..rows import Chunk
from .near_duplicates import NONE
from .text_rows import WholeRows

if TYPE_CHECKING:
    from ...datasets import Rows as StoredRows

KEPT = NONE  # in the arrays below
_BATCH_ROWS = 8_192


class DuplicateStep(WholeRows):
    """A step that drops every row that is like an earlier one that it keeps.

    The lineage of a kept row names the rows that were dropped for it, too.
    """

    marks: ClassVar[Mapping[str, str]] = {"duplicate_of": "The number of the earlier row that it is like; else None."}

    def duplicate_of(self, rows: StoredRows) -> np.ndarray:
        """For every row the number of the kept row that it duplicates, or `KEPT`."""
        raise NotImplementedError

    def run(self) -> Iterator[Chunk]:
        import pyarrow as pa

        rows = self.stored()
        if not rows.column_names:  # lazy rows of which there are none
            return
        of = self.duplicate_of(rows)
        dropped = int((of != KEPT).sum())
        self.register_data_card("Duplicates", f"{dropped:,} of {rows.num_rows:,} rows are like an earlier one")
        if self.mark:
            yield from self.marked(rows, {"duplicate_of": pa.array(of, pa.int64(), mask=of == KEPT)})
            return
        self.write_dropped({"row": int(row), "duplicate_of": int(of[row])} for row in np.flatnonzero(of != KEPT))
        kept = np.flatnonzero(of == KEPT)
        parents = _members(of, kept)
        left = rows.select(kept)
        yield Chunk(left.slice(0, 0).table(), consumed=rows.num_rows, filtered=dropped)
        start = 0
        for batch in left.batches(_BATCH_ROWS):
            yield Chunk(batch, parents[start : start + batch.num_rows])
            start += batch.num_rows


def _members(of: np.ndarray, kept: np.ndarray) -> Any:
    """For every kept row its own number and those of its duplicates, as an Arrow list array."""
    import pyarrow as pa

    leader = np.where(of == KEPT, np.arange(len(of)), of)
    order = np.lexsort((np.arange(len(of)), leader))
    sizes = np.bincount(leader, minlength=len(of))[kept] if len(of) else np.empty(0, np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(order.astype(np.int64)))
