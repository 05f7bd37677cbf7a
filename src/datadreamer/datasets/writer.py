"""Rows to typed parts on disk, in bounded memory, resumable after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from ..errors import StepOutputError
from .convert import cast, cell_name, normalize
from .growing import GrowingSchema
from .info import DatasetInfo
from .mapped import return_memory
from .part_stack import PartStack
from .rows import Rows, open_dataset

BUFFER_BYTES = 8 << 20  # Python rows and small batches held before they go to the file
BUFFER_ROWS = 8_192
PART_BYTES = 256 << 20
FIRST_CUT = 2.0  # seconds
CUT_GROWTH = 1.5  # each part may take this much longer than the one before: parts stay logarithmic in time
_FIRST_CHUNK = 32
_BATCH_ROWS = 65_536


class DatasetWriter:
    """Writes a dataset into `folder` as Arrow IPC stream parts.

    Args:
        folder: where the parts go; made if missing.
        step: the step's name, for messages.
        declared: column to type (`{"score": float}` or `{"score": "float"}`). Declared columns are the only ones.
        resume: keep the parts of an earlier try up to its last `mark`; otherwise they are removed.
        returned_by: who gave the rows, for messages.
        part_bytes: a part is cut when it has this many bytes.
        clean: called with every batch before it is written and hashed; gives a batch of the same schema and length.
        before_part: called before a part becomes durable: what is said elsewhere about its rows must be durable first.

    Attributes:
        rows: rows appended so far, those of an earlier try included.
        position: input rows accounted for at the last `mark`, 0 before the first.

    Raises:
        StepOutputTypeError: a cell does not fit its column.
        StepOutputError: a row is not a dict, or has other columns than those before it.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        step: str = "",
        declared: Mapping[str, Any] | None = None,
        resume: bool = False,
        returned_by: str = "process()",
        part_bytes: int = PART_BYTES,
        clock: Callable[[], float] = time.monotonic,
        clean: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
        before_part: Callable[[], None] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._step, self._part_bytes, self._clock = step, part_bytes, clock
        self._buffer_bytes = min(BUFFER_BYTES, part_bytes)
        self._growing = GrowingSchema(step, declared, returned_by)
        self._hooks = (clean, before_part)
        self._parts = PartStack(self.folder, resume, clean, before_part)
        self._take: Callable[[Any], Any] | None = itemgetter(*self._growing.names) if self._growing.types else None
        self._width = len(self._growing.types)
        self._go_on()
        self.rows = self._parts.closed_rows
        self._buffer: list[Any] = []  # one tuple of cells a row (the bare cell when there is one column)
        self._chunk = _FIRST_CHUNK
        self._pending: list[list[pa.Array]] = []  # small columns that still join into one batch
        self._pending_rows = self._pending_bytes = 0
        self._pause = FIRST_CUT
        self._next_cut = clock() + self._pause

    def _go_on(self) -> None:
        """Take over names and types of an earlier try, or start anew where it had other columns."""
        schemas = self._parts.schemas()
        if not schemas:
            return
        if self._take is None:
            self._settle_names(schemas[0].names, 0)
            self._growing.metadata = schemas[0].metadata
        elif set(schemas[0].names) != set(self._growing.types):
            self._parts = PartStack(self.folder, False, *self._hooks)
            return
        for schema in schemas:
            for field in schema:
                self._growing.adopt(field.name, pa.nulls(0, field.type), 0)

    @property
    def position(self) -> int:
        return self._parts.position

    def parents_so_far(self) -> int:
        """How many different input rows the rows of closed parts were made of; each row has one parent or none."""
        return self._parts.parents()

    # --- rows in ------------------------------------------------------------------------------------------------------

    def append(
        self, row: Mapping[str, Any], parents: int | Sequence[int] | None = None, calls: Sequence[bytes] | None = None
    ) -> None:
        """One row.

        Args:
            row: column name to value.
            parents: positions of the input rows it was made of; None when it stands beside its input row.
            calls: the request keys (32 bytes each) of the model calls that made it.
        """
        if self._take is None:
            self._name_columns(row)
        try:
            cells = self._take(row)  # type: ignore[misc]
        except (KeyError, TypeError):
            raise self._bad_row(row) from None
        if len(row) != self._width:
            raise self._bad_row(row)
        if parents is not None or calls is not None:
            self._parts.lineage.add(self.rows - self._parts.closed_rows, parents, calls)
        self._buffer.append(cells)
        self.rows += 1
        if len(self._buffer) >= self._chunk:
            self._drain()

    def append_columns(
        self,
        columns: Mapping[str, Any] | pa.RecordBatch | pa.Table,
        parents: Any = None,
        calls: Sequence[Sequence[bytes]] | None = None,
        metadata: Mapping[bytes, bytes] | None = None,
    ) -> None:
        """Many rows by column: a dict of equally long lists or arrays, or Arrow data, which is not touched by Python.

        Args:
            columns: the rows.
            parents: one int, or one sequence of ints, for each row; a NumPy or Arrow integer array is quickest.
            calls: the request keys of each row.
            metadata: schema metadata (features such as class labels) of columns in a dict; the first rows' counts.
        """
        self._drain()
        if isinstance(columns, (pa.RecordBatch, pa.Table)):
            rows = columns.num_rows
            self._check_names(columns.schema.names)
            if self._growing.metadata is None and not self.rows:
                self._growing.metadata = columns.schema.metadata
        else:
            rows = self._common_length(columns)
            self._check_names(list(columns))
            if metadata and self._growing.metadata is None and not self.rows:
                self._growing.metadata = dict(metadata)
        if not rows:
            self._adopt_empty(columns)
            return
        self._parts.lineage.extend(self.rows - self._parts.closed_rows, rows, parents, calls)
        if isinstance(columns, pa.RecordBatch):
            columns = pa.Table.from_batches([columns])
        if isinstance(columns, pa.Table):
            for batch in columns.to_batches(max_chunksize=_BATCH_ROWS):
                self._append_arrays({name: batch.column(name) for name in batch.schema.names}, batch.num_rows)
        else:
            self._append_arrays(columns, rows)

    def _append_arrays(self, columns: Mapping[str, Any], rows: int) -> None:
        arrays = [self._column(name, columns[name], self.rows) for name in self._growing.names]
        self.rows += rows
        self._push(arrays, rows)
        self._cut_if_large()

    def _adopt_empty(self, columns: Any) -> None:
        if isinstance(columns, (pa.RecordBatch, pa.Table)):
            for field in columns.schema:
                self._growing.adopt(field.name, normalize(pa.nulls(0, field.type)), self.rows)

    def _column(self, name: str, values: Any, first: int) -> pa.Array:
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        if isinstance(values, pa.Array):
            return self._growing.adopt(name, normalize(values), first)
        return self._growing.convert(name, values, first)

    def _name_columns(self, row: Any) -> None:
        if not isinstance(row, Mapping):
            raise self._bad_row(row)
        self._settle_names(list(row), self.rows)

    def _settle_names(self, names: list[Any], row: int) -> None:
        self._growing.name_columns(names, row)
        self._width = len(names)
        self._take = itemgetter(*names) if names else lambda row: ()

    def _check_names(self, names: list[Any]) -> None:
        if self._take is None:
            self._settle_names(names, self.rows)
        elif set(names) != set(self._growing.types) or len(names) != self._width:
            raise self._growing.wrong_names(names, self.rows)

    def _common_length(self, columns: Mapping[str, Any]) -> int:
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
            where = f" of step {self._step!r}" if self._step else ""
            raise StepOutputError(f"Columns{where} differ in length: {listed}. Each row needs a value in every column.")
        return next(iter(lengths.values()), 0)

    def _bad_row(self, row: Any) -> StepOutputError:
        if isinstance(row, Mapping):
            return self._growing.wrong_names(row, self.rows)
        where = f" of step {self._step!r}" if self._step else ""
        return StepOutputError(
            f"Row {self.rows}{where} is {cell_name(row)}, and a row is a dict from column name to value."
        )

    # --- Python rows -> Arrow columns -> batches ----------------------------------------------------------------------

    def _drain(self) -> None:
        """Type the buffered rows; the next chunk is sized by what these took."""
        if not self._buffer:
            return
        cells, self._buffer = self._buffer, []
        columns = [cells] if self._width == 1 else list(zip(*cells, strict=True))
        first = self.rows - len(cells)
        arrays = [self._growing.convert(n, c, first) for n, c in zip(self._growing.names, columns, strict=True)]
        size = self._push(arrays, len(cells))
        self._chunk = max(1, min(BUFFER_ROWS, self._chunk * 4, self._buffer_bytes * len(cells) // (size + 1)))
        self._cut_if_large()

    def _push(self, arrays: list[pa.Array], rows: int) -> int:
        size = sum(array.nbytes for array in arrays)
        self._pending.append(arrays)
        self._pending_rows += rows
        self._pending_bytes += size
        if self._pending_rows >= BUFFER_ROWS or self._pending_bytes >= self._buffer_bytes:
            self._write_pending()
        return size

    def _write_pending(self) -> None:
        """Join the small batches into one and put it into the open part."""
        if not self._pending_rows:
            return
        schema = self._growing.schema
        arrays = []
        for index, field in enumerate(schema):
            chunks = [cast(columns[index], field.type) for columns in self._pending]
            arrays.append(chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks))
        rows = self._pending_rows
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
        self._parts.write(pa.RecordBatch.from_arrays(arrays, schema=schema) if arrays else _no_columns(rows))

    # --- parts --------------------------------------------------------------------------------------------------------

    def mark(self, position: int) -> None:
        """The rows so far account for the first `position` input rows: where a later try may go on.

        Every now and then (first after two seconds, then ever more rarely) this also cuts a part.
        """
        self._parts.mark(position, self.rows)
        if self._clock() >= self._next_cut:
            self.flush()

    def flush(self) -> None:
        """Make all rows so far durable: a part is closed, synced and renamed into place."""
        self._drain()
        self._write_pending()
        self._parts.close()
        self._pause *= CUT_GROWTH
        self._next_cut = self._clock() + self._pause

    def _cut_if_large(self) -> None:
        if self._pending_bytes + self._parts.open_bytes >= self._part_bytes:
            self._write_pending()
            self._parts.close()
            return_memory()

    def finish(self) -> DatasetInfo:
        """Close the last part, give all parts one schema, and return what the manifest says about them."""
        self._drain()
        self._write_pending()
        schema = self._final_schema()
        parts, digests = self._parts.finish(schema)
        return_memory()
        return DatasetInfo.make(schema, digests, self.rows, parts)

    def _final_schema(self) -> pa.Schema:
        schema = self._growing.schema
        if not self._growing.images:
            return schema
        from .features import with_images

        return with_images(schema, self._growing.images)

    def dataset(self, info: DatasetInfo) -> Rows:
        """The rows that were written, opened."""
        return open_dataset(self.folder, info)

    def abandon(self) -> None:
        """Leave without finishing: whole parts stay for a later try, the open one goes."""
        self._parts.abandon()

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()


def _no_columns(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
