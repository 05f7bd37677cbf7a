"""`Rows`: an ordered selection of rows and columns, on disk or in memory, read lazily. Views of it copy nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import InvalidArgumentError, InvalidTypeError, nearest
from . import features
from .columns import Column, ConcatColumn, Ranges, Source, StoredColumn
from .digest import PREFIX, ColumnDigest, dataset_digest
from .types import type_name, widen

if TYPE_CHECKING:
    from .info import DatasetInfo

BATCH_ROWS = 8_192
BATCH_BYTES = 4 << 20

Memo = Callable[[str, str, Callable[[], str]], str]


class Rows:
    """Rows and columns. Immutable; every view is another `Rows` over the same stored cells, in the same order."""

    __slots__ = ("_columns", "_decoders", "_digests", "_metadata", "folder", "info", "num_rows")

    def __init__(
        self,
        columns: dict[str, Column],
        num_rows: int,
        metadata: Mapping[bytes, bytes] | None = None,
        info: DatasetInfo | None = None,
        folder: Path | None = None,
    ) -> None:
        self._columns, self.num_rows, self._metadata = columns, num_rows, metadata
        self.info, self.folder = info, folder
        self._digests: dict[str, str] = {}
        self._decoders: dict[str, Callable[[Any], Any]] | None = None

    @classmethod
    def from_table(cls, table: pa.Table) -> Rows:
        """Rows of an Arrow table in memory."""
        return cls._of(Source(table.schema, table.num_rows, lambda: table))

    @classmethod
    def from_hf(cls, dataset: Any) -> Rows:
        """Rows of a Hugging Face `Dataset`, with its selection of rows and its features."""
        schema = dataset.features.arrow_schema
        table = dataset.data.table.select(dataset.column_names).cast(schema)
        rows = cls.from_table(table.replace_schema_metadata(schema.metadata))
        if dataset._indices is not None:
            rows = rows.select(dataset._indices.column(0).to_numpy())
        return rows

    @classmethod
    def from_list(cls, rows: Sequence[Mapping[str, Any]]) -> Rows:
        """Rows from Python dicts."""
        from .growing import GrowingSchema

        growing = GrowingSchema("", None, "the list")
        if rows:
            growing.name_columns(rows[0], 0)
        for number, row in enumerate(rows):
            if len(row) != len(growing.types) or any(name not in row for name in growing.types):
                raise growing.wrong_names(row, number)
        return cls.from_columns({name: [row[name] for row in rows] for name in growing.names})

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[Any]]) -> Rows:
        """Rows from equally long lists of Python values."""
        from .growing import GrowingSchema

        growing = GrowingSchema("", None, "the list")
        growing.name_columns(columns, 0)
        return cls.from_table(pa.table({name: growing.convert(name, cells, 0) for name, cells in columns.items()}))

    @classmethod
    def _of(cls, source: Source, info: DatasetInfo | None = None, folder: Path | None = None) -> Rows:
        columns: dict[str, Column] = {name: StoredColumn(source, name) for name in source.schema.names}
        return cls(columns, source.rows, source.schema.metadata, info, folder)

    # --- shape --------------------------------------------------------------------------------------------------------

    @property
    def column_names(self) -> list[str]:
        return list(self._columns)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, column.type) for name, column in self._columns.items()], metadata=self._metadata)

    def __len__(self) -> int:
        return self.num_rows

    def column(self, name: str) -> Column:
        """The lazy column of that name."""
        return self._columns[self._known(name)]

    # --- views --------------------------------------------------------------------------------------------------------

    def select_columns(self, names: str | Sequence[str]) -> Rows:
        wanted = [names] if isinstance(names, str) else list(names)
        return self._project({self._known(name): name for name in wanted})

    def remove_columns(self, names: str | Sequence[str]) -> Rows:
        gone = {self._known(name) for name in ([names] if isinstance(names, str) else names)}
        return self._project({name: name for name in self._columns if name not in gone})

    def rename_columns(self, names: Mapping[str, str]) -> Rows:
        for name in names:
            self._known(name)
        renamed = {name: names.get(name, name) for name in self._columns}
        twice = next((new for new in renamed.values() if list(renamed.values()).count(new) > 1), None)
        if twice is not None:
            raise InvalidArgumentError(f"After renaming, two columns would be called {twice!r}.")
        return self._project(renamed)

    def _project(self, names: dict[str, str]) -> Rows:
        columns = {new: self._columns[old] for old, new in names.items()}
        metadata = self._metadata and features.project(self._metadata, names)
        made = Rows(columns, self.num_rows, metadata)
        made._digests = {new: self._digests[old] for old, new in names.items() if old in self._digests}
        return made

    def _known(self, name: str) -> str:
        if name not in self._columns:
            raise InvalidArgumentError(f"There is no column {name!r}. {nearest(str(name), self._columns)}")
        return name

    def slice(self, start: int, length: int | None = None) -> Rows:
        """`length` rows from `start` on; what lies beyond the end is left out."""
        if start < 0 or (length is not None and length < 0):
            raise InvalidArgumentError(f"slice(start={start}, length={length}): neither may be negative.")
        start = min(start, self.num_rows)
        length = self.num_rows - start if length is None else min(length, self.num_rows - start)
        columns = {name: column.slice(start, length) for name, column in self._columns.items()}
        return Rows(columns, length, self._metadata)

    def take(self, n: int) -> Rows:
        return self.slice(0, n)

    def skip(self, n: int) -> Rows:
        return self.slice(n)

    def shard(self, num_shards: int, index: int, contiguous: bool = False) -> Rows:
        """One of `num_shards` disjoint shards: every `num_shards`-th row, or a contiguous stretch."""
        if num_shards < 1 or not 0 <= index < num_shards:
            raise InvalidArgumentError(
                f"shard(num_shards={num_shards}, index={index}): index counts from 0 to num_shards - 1."
            )
        if not contiguous:
            return self.select(np.arange(index, self.num_rows, num_shards))
        size, longer = divmod(self.num_rows, num_shards)
        start = index * size + min(index, longer)
        return self.slice(start, size + (index < longer))

    def select(self, indices: Iterable[int]) -> Rows:
        """The rows at `indices`, in that order; negative ones count from the end, repeats are allowed."""
        if isinstance(indices, range) and indices.step == 1 and 0 <= indices.start <= indices.stop <= self.num_rows:
            return self.slice(indices.start, len(indices))
        at = _row_numbers(indices, self.num_rows)
        shared: dict[int, np.ndarray] = {}  # columns gathered by the same array share the new one too
        columns: dict[str, Column] = {}
        for name, column in self._columns.items():
            made = column.gather(at)
            own = getattr(made, "indices", None)
            if own is not None and own is not at:
                made.indices = shared.setdefault(id(column.indices), own)  # type: ignore[attr-defined]
            columns[name] = made
        return Rows(columns, len(at), self._metadata)

    def selection(self) -> tuple[Source, dict[str, str], range | np.ndarray] | None:
        """The one source these rows are a selection of, its column to ours, and which rows; None when there is none."""
        found = [column.selection() for column in self._columns.values()]
        if not found or found[0] is None:
            return None
        source, at = found[0][0].source, found[0][1]
        names: dict[str, str] = {}
        for name, below in zip(self._columns, found, strict=True):
            if (
                below is None
                or below[0].source is not source
                or below[0].name in names
                or not same_selection(below[1], at)
            ):
                return None
            names[below[0].name] = name
        return source, names, at

    # --- cells --------------------------------------------------------------------------------------------------------

    def batches(self, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """All rows, at most `batch_rows` at a time."""
        for table in self.tables(batch_rows):
            yield from table.combine_chunks().to_batches()

    def tables(self, batch_rows: int = BATCH_ROWS, first: int | None = None, exact: bool = False) -> Iterator[pa.Table]:
        """All rows as tables of at most `batch_rows` rows; no copy where the view is in one piece.

        Args:
            batch_rows: rows of a table; fewer where rows are so large that a table would exceed `BATCH_BYTES`.
            first: rows of the first table; each has twice as many as the one before, up to `batch_rows`.
            exact: `batch_rows` it is, however large the rows are.
        """
        schema, columns = self.schema, list(self._columns.values())
        ranges = Ranges(columns)
        for start, stop in self._spans(columns, batch_rows, first, exact):
            yield pa.Table.from_arrays(ranges.read(start, stop), schema=schema)

    def _spans(
        self, columns: Sequence[Column], batch_rows: int, first: int | None = None, exact: bool = False
    ) -> Iterator[tuple[int, int]]:
        """Where the batches of some columns begin and end."""
        if not self.num_rows or not columns:
            return
        if not exact:
            weight = sum(column.row_bytes for column in columns)
            batch_rows = max(1, min(batch_rows, int(BATCH_BYTES / max(weight, 1e-9))))
        start, size = 0, min(first or batch_rows, batch_rows)
        while start < self.num_rows:
            stop = min(start + size, self.num_rows)
            yield start, stop
            start, size = stop, min(size * 2, batch_rows)

    def table(self) -> pa.Table:
        """All rows as an Arrow table; no copy where the view is in one piece."""
        return self._read(self.schema, 0, self.num_rows)

    def _read(self, schema: pa.Schema, start: int, stop: int) -> pa.Table:
        if not self._columns:
            return pa.table({})
        return pa.Table.from_arrays([column.read(start, stop) for column in self._columns.values()], schema=schema)

    def gather(self, indices: Iterable[int]) -> pa.Table:
        """The rows at `indices` as a table in memory."""
        at = _row_numbers(indices, self.num_rows)
        return pa.Table.from_arrays([column.take(at) for column in self._columns.values()], schema=self.schema)

    def row(self, index: int) -> dict[str, Any]:
        """One row; a negative index counts from the end."""
        at = row_number(index, self.num_rows)
        cells = {name: column.read(at, at + 1)[0].as_py() for name, column in self._columns.items()}
        for name, decode in self.decoders.items():
            cells[name] = decode(cells[name])
        return cells

    def values(self, name: str, batch_rows: int = BATCH_ROWS) -> Iterator[Any]:
        """The cells of one column as Python values."""
        column, decode = self._columns[self._known(name)], self.decoders.get(name)
        ranges = Ranges([column])
        for start, stop in self._spans([column], batch_rows):
            cells = ranges.read(start, stop)[0].to_pylist()
            yield from cells if decode is None else map(decode, cells)

    def iterate(self, batch_rows: int = BATCH_ROWS, decode: bool = True) -> Iterator[dict[str, Any]]:
        """The rows as dicts of Python values; with `decode=False` images stay the bytes that are stored."""
        names = self.column_names
        for batch in self.batches(batch_rows):
            for cells in zip(*self.to_lists(batch, decode), strict=True):
                yield dict(zip(names, cells, strict=True))

    def to_lists(self, data: pa.RecordBatch | pa.Table, decode: bool = True) -> list[list[Any]]:
        """The columns of `data`, which has this schema, as Python lists; images are decoded."""
        lists = [column.to_pylist() for column in data.columns]
        for name, decoder in self.decoders.items() if decode else ():
            at = data.schema.names.index(name)
            lists[at] = [decoder(cell) for cell in lists[at]]
        return lists

    @property
    def decoders(self) -> dict[str, Callable[[Any], Any]]:
        if self._decoders is None:
            self._decoders = features.decoders(self.schema) if self._metadata else {}
        return self._decoders

    # --- identity -----------------------------------------------------------------------------------------------------

    def column_digest(self, name: str, memo: Memo | None = None) -> str:
        """The content digest of a column: from the manifest for whole columns, else computed once.

        Args:
            name: the column.
            memo: `memo(kind, key, compute)` may remember digests of views by `key` across processes.
        """
        if name not in self._digests:
            column = self._columns[self._known(name)]
            self._digests[name] = column.known_digest() or self._compute(column, memo)
        return self._digests[name]

    def _compute(self, column: Column, memo: Memo | None) -> str:
        def compute() -> str:
            hasher, ranges = ColumnDigest(column.type), Ranges([column])
            for start, stop in self._spans([column], BATCH_ROWS):
                hasher.update(ranges.read(start, stop)[0])
            return hasher.digest()

        identity = column.identity() if memo is not None else None
        if memo is None or identity is None:
            return compute()
        return memo("column digest", hashlib.sha256(identity.encode()).hexdigest(), compute)

    def digest(self, memo: Memo | None = None) -> str:
        """The content digest of these rows, `"ddc1:..."`: names, types, order and every cell."""
        digests = {name: self.column_digest(name, memo) for name in self._columns}
        return dataset_digest(digests, self.num_rows)

    def lineage(self) -> pa.Table | None:
        """`parents` and `calls` of a stored dataset's rows, or None where every row stands beside its input row.

        Only for rows opened with `open_dataset`, not for views of them.
        """
        if self.info is None or self.folder is None:
            return None
        from .lineage import read_lineage

        return read_lineage(self.folder, self.info.parts)


def open_dataset(folder: str | Path, info: DatasetInfo) -> Rows:
    """The rows of a finished dataset, memory-mapped at first use. A part's checksum is compared when it is first read.

    Raises:
        DamagedFileError: a part is missing or has another size than the manifest says; and, when rows of it are read,
            that it is not what was written.
    """
    from .checksums import PartChecks
    from .mapped import MappedFile
    from .parts import check_part, read_stream

    folder = Path(folder)
    for part in info.parts:
        check_part(folder, part)
    schema = info.arrow_schema

    maps: list[MappedFile] = []

    def load() -> pa.Table:
        tables = [read_stream(folder / part.file, maps).replace_schema_metadata(None) for part in info.parts]
        return pa.concat_tables(tables) if tables else schema.empty_table()

    files = [folder / part.file for part in info.parts]
    checks = PartChecks(folder, info.parts)
    return Rows._of(Source(schema, info.rows, load, info.column_digests, files, maps, checks), info, folder)


def concat_rows(parts: Sequence[Rows]) -> Rows:
    """Rows one after the other. Columns are matched by name, in the order of the first; types may widen.

    Raises:
        InvalidArgumentError: a column is missing somewhere, or has types that do not go together.
    """
    if not parts:
        raise InvalidArgumentError("There is nothing to concatenate: give at least one dataset.")
    first = parts[0]
    columns: dict[str, Column] = {}
    for name in first.column_names:
        columns[name] = ConcatColumn([_matching(part, number, first, name) for number, part in enumerate(parts)],
                                     _common_type(parts, name))  # fmt: skip
    for number, part in enumerate(parts):
        extra = [name for name in part.column_names if name not in columns]
        if extra:
            raise InvalidArgumentError(
                f"Dataset {number + 1} of {len(parts)} has a column {extra[0]!r} that the first has not. "
                "Select or rename columns so that all have the same."
            )
    _check_features(parts)
    return Rows(columns, sum(part.num_rows for part in parts), first._metadata)


def _check_features(parts: Sequence[Rows]) -> None:
    """Class labels with other names are other labels, though the numbers look alike."""
    seen: dict[str, Any] = {}
    for number, part in enumerate(parts):
        for name, feature in features.features_json(part._metadata).items():
            if seen.setdefault(name, feature) != feature:
                raise InvalidArgumentError(
                    f"Column {name!r} of dataset {number + 1} has other features ({feature}) than before "
                    f"({seen[name]}). Convert one of them first, for example labels to their names."
                )


def _matching(part: Rows, number: int, first: Rows, name: str) -> Column:
    if name not in part._columns:
        raise InvalidArgumentError(
            f"Dataset {number + 1} has no column {name!r}, and the first has. "
            f"{nearest(name, part._columns)} Select or rename columns so that all have the same."
        )
    return part._columns[name]


def _common_type(parts: Sequence[Rows], name: str) -> pa.DataType:
    common = pa.null()
    for number, part in enumerate(parts):
        if name not in part._columns:
            continue
        found = part._columns[name].type
        wider = widen(common, found)
        if wider is None:
            raise InvalidArgumentError(
                f"Column {name!r} holds {type_name(common)} at first and {type_name(found)} in dataset {number + 1}. "
                "Convert one of them, or rename it."
            )
        common = wider
    return common


def zip_rows(parts: Sequence[Rows]) -> Rows:
    """Columns side by side.

    Raises:
        InvalidArgumentError: lengths differ, or two datasets have a column of the same name.
    """
    if not parts:
        raise InvalidArgumentError("There is nothing to zip: give at least one dataset.")
    columns: dict[str, Column] = {}
    for number, part in enumerate(parts):
        if part.num_rows != parts[0].num_rows:
            raise InvalidArgumentError(
                f"Dataset {number + 1} has {part.num_rows:,} rows and the first has {parts[0].num_rows:,}: "
                "columns side by side need the same number of rows."
            )
        for name, column in part._columns.items():
            if name in columns:
                raise InvalidArgumentError(f"Two of the datasets have a column {name!r}: rename one of them.")
            columns[name] = column
    metadata = features.merge((part._metadata, part.column_names) for part in parts)
    return Rows(columns, parts[0].num_rows, metadata)


def same_selection(a: range | np.ndarray, b: range | np.ndarray) -> bool:
    return a is b or (isinstance(a, range) and isinstance(b, range) and a == b)


def row_number(index: int, rows: int) -> int:
    """A row index with negative ones counted from the end; IndexError outside."""
    at = index + rows if index < 0 else index
    if not 0 <= at < rows:
        raise IndexError(f"Row {index} is out of range: there are {rows:,} rows.")
    return at


def _row_numbers(indices: Iterable[int], rows: int) -> np.ndarray:
    if isinstance(indices, (pa.Array, pa.ChunkedArray)):
        indices = indices.to_numpy(zero_copy_only=False) if isinstance(indices, pa.Array) else indices.to_numpy()
    at = np.asarray(indices if isinstance(indices, np.ndarray) else list(indices))
    if not len(at):
        return np.empty(0, np.int64)
    if at.ndim != 1 or at.dtype.kind not in "iu":
        raise InvalidTypeError(f"Rows are selected by whole numbers, not by {at.dtype} values.")
    at = at.astype(np.int64)
    low, high = int(at.min()), int(at.max())
    if low < -rows or high >= rows:
        raise IndexError(f"Row {low if low < -rows else high} is out of range: there are {rows:,} rows.")
    return np.where(at < 0, at + rows, at) if low < 0 else at


__all__ = ["PREFIX", "Memo", "Rows", "concat_rows", "open_dataset", "row_number", "zip_rows"]
