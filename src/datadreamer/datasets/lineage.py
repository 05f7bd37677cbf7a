"""Where rows come from, beside the rows: positions of parents, and keys of the model calls that made them.

Nothing is stored for rows that stand one to one beside their input. Otherwise a part has a lineage file of its own with
as many rows: `parents` is an int64 (one parent each) or a list of int64, `calls` a list of 32-byte request keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .arrays import array
from .checksums import check_file
from .convert import cast
from .info import PartInfo
from .parts import read_stream

ONE_PARENT = pa.int64()
MANY_PARENTS = pa.list_(pa.int64())
CALLS = pa.list_(pa.binary(32))
_COMPACT_ROWS = 16_384


class _Growing:
    """One lineage column of the part being written, kept small: Python lists become Arrow chunks as they grow."""

    def __init__(self) -> None:
        self._chunks: list[pa.Array] = []
        self._values: list[Any] = []
        self.rows = 0

    def pad(self, rows: int) -> None:
        if rows > self.rows:
            self._values.extend([None] * (rows - self.rows))
            self.rows = rows

    def add(self, value: Any) -> None:
        self._values.append(value)
        self.rows += 1
        if len(self._values) >= _COMPACT_ROWS:
            self._compact()

    def extend(self, array: pa.Array) -> None:
        self._compact()
        self._chunks.append(array)
        self.rows += len(array)

    def _compact(self) -> None:
        if self._values:
            self._chunks.append(self._typed(self._values))
            self._values = []

    def _typed(self, values: list[Any]) -> pa.Array:
        raise NotImplementedError

    def column(self, rows: int) -> pa.ChunkedArray | None:
        if not self.rows:
            return None
        self.pad(rows)
        self._compact()
        return one_type(self._chunks)


class _Parents(_Growing):
    def _typed(self, values: list[Any]) -> pa.Array:
        if all(value is None or not isinstance(value, (list, tuple)) for value in values):
            return array(values, ONE_PARENT)
        return pa.array([v if v is None or isinstance(v, (list, tuple)) else [v] for v in values], MANY_PARENTS)


class _Calls(_Growing):
    def _typed(self, values: list[Any]) -> pa.Array:
        return _keys(values)


def _keys(values: Sequence[Sequence[bytes] | None]) -> pa.Array:
    """Lists of request keys as an Arrow array; one key a row, the common case, without a Python object per cell."""
    if any(keys is None or len(keys) != 1 for keys in values):
        return pa.array([keys if keys is None else list(keys) for keys in values], CALLS)
    joined = pa.py_buffer(b"".join(keys[0] for keys in values if keys))
    each = pa.Array.from_buffers(pa.binary(32), len(values), [None, joined])
    return pa.ListArray.from_arrays(array(np.arange(len(values) + 1, dtype=np.int32)), each).cast(CALLS)


class LineageBuffer:
    """Lineage of the rows of one part."""

    def __init__(self) -> None:
        self._parents, self._calls = _Parents(), _Calls()

    def add(self, at: int, parents: int | Sequence[int] | None, calls: Sequence[bytes] | None) -> None:
        """Lineage of the row at position `at` of the part."""
        if parents is not None:
            self._parents.pad(at)
            self._parents.add(parents if isinstance(parents, (int, list)) else _plain_parents(parents))
        if calls is not None:
            self._calls.pad(at)
            self._calls.add(list(calls))

    def extend(self, at: int, rows: int, parents: Any, calls: Sequence[Sequence[bytes]] | None) -> None:
        """Lineage of `rows` rows from position `at`: an int array, or a sequence of ints or of sequences of ints."""
        if parents is not None:
            self._parents.pad(at)
            self._parents.extend(_same_length(_parent_array(parents), rows, "parents"))
        if calls is not None:
            self._calls.pad(at)
            self._calls.extend(_same_length(_keys(calls), rows, "calls"))

    def table(self, rows: int) -> pa.Table | None:
        """The lineage of the part's `rows` rows, or None where there is nothing to say."""
        rows = max(rows, self._parents.rows, self._calls.rows)
        columns = {"parents": self._parents.column(rows), "calls": self._calls.column(rows)}
        given = {name: column for name, column in columns.items() if column is not None}
        return pa.table(given) if given else None

    def restore(self, table: pa.Table) -> None:
        """Start again with rows that belong to the next part."""
        for name, growing in (("parents", self._parents), ("calls", self._calls)):
            if name in table.column_names:
                growing.extend(table.column(name).combine_chunks())


def _plain_parents(parents: Any) -> Any:
    return int(parents) if hasattr(parents, "__index__") else [int(parent) for parent in parents]


def _parent_array(parents: Any) -> pa.Array:
    if isinstance(parents, pa.ChunkedArray):
        parents = parents.combine_chunks()
    if isinstance(parents, pa.Array):
        return parents.cast(ONE_PARENT) if pa.types.is_integer(parents.type) else parents.cast(MANY_PARENTS)
    if hasattr(parents, "dtype") and parents.dtype.kind in "iu":
        return array(parents.astype("int64", copy=False))
    return _Parents()._typed([p if p is None else _plain_parents(p) for p in parents])


def _same_length(array: pa.Array, rows: int, what: str) -> pa.Array:
    assert len(array) == rows, f"{what} has {len(array)} entries for {rows} rows"
    return array


def one_type(chunks: list[pa.Array]) -> pa.ChunkedArray:
    """Chunks of parents as one column: lists as soon as one row has several."""
    many = next((chunk.type for chunk in chunks if pa.types.is_list(chunk.type)), None)
    if many is None:
        return pa.chunked_array(chunks)
    return pa.chunked_array([chunk if chunk.type == many else _wrapped(chunk) for chunk in chunks], type=many)


def _wrapped(chunk: pa.Array) -> pa.Array:
    if pa.types.is_null(chunk.type):
        return cast(chunk, MANY_PARENTS)
    return pa.array([None if value is None else [value] for value in chunk.to_pylist()], MANY_PARENTS)


def read_lineage(folder: Path, parts: Sequence[PartInfo]) -> pa.Table | None:
    """The lineage of a whole dataset (`parents`, `calls`; null where a row stands beside its input), or None."""
    if not any(part.lineage for part in parts):
        return None
    for part in parts:
        if part.lineage is not None:
            check_file(folder / part.lineage, part.lineage_crc)
    tables = [read_stream(folder / part.lineage) if part.lineage else None for part in parts]
    columns: dict[str, pa.ChunkedArray] = {}
    for name, type_ in (("parents", ONE_PARENT), ("calls", CALLS)):
        if not any(table is not None and name in table.column_names for table in tables):
            continue
        chunks: list[pa.Array] = []
        for part, table in zip(parts, tables, strict=True):
            if table is not None and name in table.column_names:
                chunks.extend(table.column(name).chunks)
            else:
                chunks.append(pa.nulls(part.rows, type_))
        columns[name] = one_type(chunks)
    return pa.table(columns)
