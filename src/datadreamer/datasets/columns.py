"""Lazy columns: where the cells of a column are, without touching one before it is asked for.

A view is made of these. Slices, selections and concatenations point into stored columns; only `gather` of scattered
rows copies, and then just the rows that are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from . import mapped
from .arrays import array
from .checksums import PartChecks
from .convert import cast

WINDOW_BYTES = 16 << 20
PIECE_ROWS = 65_536


class Source:
    """Stored columns with a common length; `load` opens them at first use."""

    def __init__(
        self,
        schema: pa.Schema,
        rows: int,
        load: Callable[[], pa.Table],
        digests: dict[str, str] | None = None,
        files: Sequence[Path] = (),
        maps: list[mapped.MappedFile] | None = None,
        checks: PartChecks | None = None,
    ) -> None:
        self.schema, self.rows, self.digests, self.files = schema, rows, digests or {}, list(files)
        self.maps = maps if maps is not None else []  # kept as long as the cells, so that their pages can be given back
        self.checks = checks  # told before rows are read
        self._load: Callable[[], pa.Table] | None = load
        self._table: pa.Table | None = None

    @property
    def table(self) -> pa.Table:
        if self._table is None:
            assert self._load is not None
            self._table, self._load = self._load(), None
        return self._table


class Column:
    """A column: `type`, `length`, and how to read ranges and scattered rows of it."""

    type: pa.DataType
    length: int
    scattered = False  # whether a range of it lies in many places: cheap to read in large ranges, dear in small ones

    @property
    def row_bytes(self) -> float:
        """About how many bytes a cell has."""
        raise NotImplementedError

    def read(self, start: int, stop: int) -> pa.ChunkedArray:
        """Rows `start` to `stop`, without copying where they lie in one piece."""
        raise NotImplementedError

    def take(self, indices: np.ndarray) -> pa.Array:
        """The rows at `indices` (int64, all within range), in that order."""
        raise NotImplementedError

    def slice(self, start: int, length: int) -> Column:
        return self if start == 0 and length == self.length else SliceColumn(self, start, length)

    def gather(self, indices: np.ndarray) -> Column:
        return GatherColumn(self, indices)

    def identity(self) -> str | None:
        """A text that names these cells without reading them, if there is one: what a digest can be remembered by."""
        return None

    def known_digest(self) -> str | None:
        return None

    def selection(self) -> tuple[StoredColumn, range | np.ndarray] | None:
        """The stored column this is a selection of, and which rows of it; None where it is more than that."""
        return None


class StoredColumn(Column):
    def __init__(self, source: Source, name: str) -> None:
        self.source, self.name = source, name
        self.type = source.schema.field(name).type
        self.length = source.rows
        self._offsets: np.ndarray | None = None
        self._row_bytes: float | None = None

    @property
    def _data(self) -> pa.ChunkedArray:
        return self.source.table.column(self.name)

    @property
    def row_bytes(self) -> float:
        if self._row_bytes is None:
            self._row_bytes = self._data.nbytes / self.length if self.length else 0.0
        return self._row_bytes

    def read(self, start: int, stop: int) -> pa.ChunkedArray:
        data = self._data
        if self.source.checks is not None:
            self.source.checks.before_range(start, stop)
        return data.slice(start, stop - start)

    def take(self, indices: np.ndarray) -> pa.Array:
        data = self._data
        if self.source.checks is not None:
            self.source.checks.before_rows(indices)
        if self._offsets is None:
            self._offsets = np.cumsum([0] + [len(chunk) for chunk in data.chunks])
        return _take_chunks(data.chunks, self._offsets, indices, self.type)

    def identity(self) -> str | None:
        return self.known_digest()

    def known_digest(self) -> str | None:
        return self.source.digests.get(self.name)

    def selection(self) -> tuple[StoredColumn, range | np.ndarray] | None:
        return self, range(self.length)


class SliceColumn(Column):
    def __init__(self, base: Column, start: int, length: int) -> None:
        self.base, self.start, self.length, self.type = base, start, length, base.type
        self.scattered = base.scattered

    @property
    def row_bytes(self) -> float:
        return self.base.row_bytes

    def read(self, start: int, stop: int) -> pa.ChunkedArray:
        return self.base.read(self.start + start, self.start + stop)

    def take(self, indices: np.ndarray) -> pa.Array:
        return self.base.take(indices + self.start)

    def slice(self, start: int, length: int) -> Column:
        return self.base.slice(self.start + start, length)

    def identity(self) -> str | None:
        inner = self.base.identity()
        return inner and f"slice({inner},{self.start},{self.length})"

    def selection(self) -> tuple[StoredColumn, range | np.ndarray] | None:
        below = self.base.selection()
        return below and (below[0], below[1][self.start : self.start + self.length])


class GatherColumn(Column):
    """Rows of another column in an order of their own."""

    scattered = True

    def __init__(self, base: Column, indices: np.ndarray) -> None:
        self.base, self.indices, self.length, self.type = base, indices, len(indices), base.type

    @property
    def row_bytes(self) -> float:
        return self.base.row_bytes

    def read(self, start: int, stop: int) -> pa.ChunkedArray:
        starts = range(start, stop, PIECE_ROWS)
        pieces = [self.base.take(self.indices[at : min(at + PIECE_ROWS, stop)]) for at in starts]
        return pa.chunked_array(pieces, type=self.type)

    def take(self, indices: np.ndarray) -> pa.Array:
        return self.base.take(self.indices[indices])

    def slice(self, start: int, length: int) -> Column:
        return GatherColumn(self.base, self.indices[start : start + length])

    def gather(self, indices: np.ndarray) -> Column:
        return GatherColumn(self.base, self.indices[indices])

    def identity(self) -> str | None:
        import hashlib

        inner = self.base.identity()
        return inner and f"take({inner},{hashlib.sha256(self.indices.astype('<i8').data).hexdigest()})"

    def selection(self) -> tuple[StoredColumn, range | np.ndarray] | None:
        below = self.base.selection()
        if below is None or not isinstance(below[1], range):
            return None
        return below[0], self.indices if below[1].start == 0 else self.indices + below[1].start


class ConcatColumn(Column):
    """Columns one after the other, as one common type."""

    def __init__(self, columns: Sequence[Column], type: pa.DataType) -> None:
        self.columns, self.type = list(columns), type
        self._offsets = np.cumsum([0] + [column.length for column in columns])
        self.length = int(self._offsets[-1])
        self.scattered = any(column.scattered for column in columns)

    @property
    def row_bytes(self) -> float:
        return sum(column.row_bytes * column.length for column in self.columns) / max(1, self.length)

    def read(self, start: int, stop: int) -> pa.ChunkedArray:
        chunks: list[pa.Array] = []
        for column, offset in zip(self.columns, self._offsets, strict=False):
            first, last = max(start - int(offset), 0), min(stop - int(offset), column.length)
            if first < last:
                chunks.extend(cast(column.read(first, last), self.type).chunks)
        return pa.chunked_array(chunks, type=self.type)

    def take(self, indices: np.ndarray) -> pa.Array:
        return _take_parts(
            lambda number, at: cast(self.columns[number].take(at), self.type), self._offsets, indices, self.type
        )

    def identity(self) -> str | None:
        inner = [column.identity() for column in self.columns]
        return None if None in inner else f"concat({','.join(inner)},{self.type})"  # type: ignore[arg-type]


class Ranges:
    """Reads growing ranges of several columns from their beginning to their end, in bounded memory.

    Scattered columns are read in windows of many rows: in one pass over their file, instead of one for each batch.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        weight = sum(column.row_bytes for column in columns if column.scattered)
        rows = max(1, int(WINDOW_BYTES / max(weight, 1e-9)))
        self._readers = [_Window(column, rows).read if column.scattered else column.read for column in columns]

    def read(self, start: int, stop: int) -> list[pa.ChunkedArray]:
        """Rows `start` to `stop` of every column; `start` never goes back."""
        found = [read(start, stop) for read in self._readers]
        mapped.settle(sum(cells.nbytes for cells in found))
        return found


class _Window:
    """The rows of a scattered column around those that are asked for: few at first, then more and more."""

    def __init__(self, column: Column, most_rows: int) -> None:
        self._column, self._most = column, most_rows
        self._start = self._stop = 0
        self._held: pa.ChunkedArray | None = None

    def read(self, start: int, stop: int) -> pa.ChunkedArray:
        if self._held is None or stop > self._stop or start < self._start:
            self._held = None  # before the next is read: only one is in memory
            ahead = min(self._most, 4 * (self._stop - self._start))
            self._start, self._stop = start, min(max(stop, start + ahead), self._column.length)
            self._held = self._column.read(self._start, self._stop)
        return self._held.slice(start - self._start, stop - start)


def _take_chunks(chunks: Sequence[pa.Array], offsets: np.ndarray, indices: np.ndarray, type: pa.DataType) -> pa.Array:
    if len(chunks) == 1:
        return chunks[0].take(array(indices))
    return _take_parts(lambda number, at: chunks[number].take(array(at)), offsets, indices, type)


def _take_parts(
    take: Callable[[int, np.ndarray], pa.Array], offsets: np.ndarray, indices: np.ndarray, type: pa.DataType
) -> pa.Array:
    """Take from each piece what lies in it, then put the rows in order: text over 2 GiB never has to be joined."""
    if not len(indices):
        return pa.nulls(0, type)
    numbers = np.searchsorted(offsets, indices, side="right") - 1
    order = np.argsort(numbers, kind="stable")
    present, starts = np.unique(numbers[order], return_index=True)
    bounds = [*starts.tolist(), len(indices)]
    pieces = []
    for position, number in enumerate(present.tolist()):
        rows = order[bounds[position] : bounds[position + 1]]
        pieces.append(take(number, indices[rows] - offsets[number]))
        mapped.settle(pieces[-1].nbytes)
    if len(pieces) == 1:
        return pieces[0]
    joined = pa.concat_arrays(pieces)
    pieces.clear()
    back = np.empty(len(indices), np.int64)
    back[order] = np.arange(len(indices))
    return joined.take(array(back))
