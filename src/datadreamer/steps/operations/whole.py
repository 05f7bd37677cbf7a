"""What the operations share that look at all rows before they give one: lineage, and lazy sources held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...datasets import OutputDataset, OutputIterableDataset
from ...datasets import Rows as StoredRows
from ..rows import Chunk
from .base import Dataset, Operation, of_rows, stored_rows

_BATCH_ROWS = 8_192


class WholeStep(Operation):
    """An operation that computes its rows from all rows of the source, and knows which rows each one comes from."""

    def computed(self, rows: StoredRows) -> tuple[StoredRows, Any]:
        """The result, and for each of its rows the number of the source's row, or the numbers, as an array."""
        raise NotImplementedError

    def dropped(self, rows: StoredRows, parents: Any) -> int:
        """How many rows of the source are in no row of the result; 0 leaves it to the difference of the counts."""
        return 0

    def columns(self, names: list[str]) -> list[str] | None:
        """The names of the result's columns, where they can be told from those of the source."""
        return names

    def view(self) -> Dataset:
        source: Any = self.source
        if isinstance(source, OutputDataset):
            return of_rows(self, self._made(source.rows)[0], source)
        return OutputIterableDataset(self, self._streamed, column_names=self.columns(source.column_names))

    def _streamed(self) -> Iterator[dict[str, Any]]:
        return self._made(stored_rows(self.source))[0].iterate()

    def _made(self, rows: StoredRows) -> tuple[StoredRows, Any]:
        # lazy rows of which there are none have no columns either
        return self.computed(rows) if rows.column_names else (rows, np.empty(0, np.int64))

    def chunks(self) -> Iterator[Chunk]:
        rows = stored_rows(self.source)
        made, parents = self._made(rows)
        yield Chunk(made.slice(0, 0).table(), consumed=rows.num_rows, filtered=self.dropped(rows, parents))
        start = 0
        for batch in made.batches(_BATCH_ROWS):
            yield Chunk(batch, None if parents is None else parents[start : start + batch.num_rows])
            start += batch.num_rows
