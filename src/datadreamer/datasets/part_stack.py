"""The parts of a dataset being written: closed ones, the open one, what they account for, and their digest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import structs

from . import checksums
from .convert import cast
from .digest import ColumnDigest, table_digest
from .info import PartInfo
from .lineage import LineageBuffer, read_lineage
from .parts import (
    PartFile,
    PartRecord,
    read_records,
    read_stream,
    remove_parts,
    stream_batches,
    write_record,
    write_stream,
)


class PartStack:
    """Parts in row order. Batches come in, files come out.

    Attributes:
        closed_rows: rows in closed parts.
        position: input rows accounted for at the last `mark`.
        lineage: of the rows after `closed_rows`.
    """

    def __init__(
        self,
        folder: Path,
        resume: bool,
        clean: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
        before_part: Callable[[], None] | None = None,
    ) -> None:
        self.folder, self._clean, self._before_part = folder, clean, before_part
        self._records = _marked(read_records(folder)) if resume else []
        remove_parts(folder, keep=len(self._records))
        self.closed_rows = sum(record.part.rows for record in self._records)
        self.position = (self._records[-1].position or 0) if self._records else 0
        self.lineage = LineageBuffer()
        self._marked_rows = self.closed_rows
        self._file: PartFile | None = None
        self._hashers: dict[str, ColumnDigest] | None = None if self._records else {}

    def schemas(self) -> list[pa.Schema]:
        """The schemas of the closed parts; they differ where a type widened."""
        return [read_stream(self.folder / record.part.file).schema for record in self._records]

    def parents(self) -> int:
        """How many different input rows the rows of closed parts came from."""
        lineage = read_lineage(self.folder, [record.part for record in self._records])
        if lineage is None or "parents" not in lineage.column_names:
            return self.closed_rows
        column = lineage.column("parents").drop_null()
        if pa.types.is_list(column.type):
            column = pc.list_flatten(column)
        return len(pc.unique(column))

    @property
    def open_bytes(self) -> int:
        return self._file.bytes if self._file is not None else 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Put a batch into the open part; one of another schema begins a new part."""
        if self._clean is not None:
            batch = self._clean(batch)
        if self._file is not None and not self._file.schema.equals(batch.schema):
            self.close()
        if self._file is None:
            self._file = PartFile(self.folder, len(self._records), batch.schema)
        self._file.write(batch)
        self._hash(batch)

    def _hash(self, batch: pa.RecordBatch) -> None:
        if self._hashers is None:
            return
        for field, array in zip(batch.schema, batch.columns, strict=True):
            hasher = self._hashers.setdefault(field.name, ColumnDigest(field.type))
            if not hasher.type.equals(field.type):
                self._hashers = None  # a type widened after rows were hashed: finish() hashes the parts again
                return
            hasher.update(array)

    def mark(self, position: int, rows: int) -> None:
        """The first `rows` rows account for the first `position` input rows."""
        self.position, self._marked_rows = position, rows

    def close(self) -> None:
        """Make the open part durable. Without one, make durable that input rows were read that gave no rows."""
        if self._before_part is not None:
            self._before_part()
        if self._file is not None:
            self._close_file(self._file)
        elif self._records and self._marked_rows == self.closed_rows:
            self._records[-1] = PartRecord(self._records[-1].part, self.position)
            write_record(self.folder, self._records[-1])

    def _close_file(self, file: PartFile) -> None:
        self.closed_rows += file.rows
        lineage, rest = self.lineage.table(file.rows), None
        if lineage is not None and lineage.num_rows > file.rows:
            lineage, rest = lineage.slice(0, file.rows), lineage.slice(file.rows)
        position = self.position if self._marked_rows == self.closed_rows else None
        self._records.append(file.commit(lineage, position))
        self._file = None
        self.lineage = LineageBuffer()
        if rest is not None:
            self.lineage.restore(rest)

    def abandon(self) -> None:
        """Remove the open part."""
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def finish(self, schema: pa.Schema) -> tuple[list[PartInfo], dict[str, str]]:
        """The parts, all with `schema`, and the digests of the columns."""
        self.close()
        self._records = [self._unify(record, schema) for record in self._records]
        return [record.part for record in self._records], self._digests(schema)

    def _unify(self, record: PartRecord, schema: pa.Schema) -> PartRecord:
        """Rewrite a part that was written before a type widened."""
        part = record.part
        path = self.folder / part.file
        if read_stream(path).schema.equals(schema):
            return record
        batches = (
            pa.RecordBatch.from_arrays([cast(batch.column(field.name), field.type) for field in schema], schema=schema)
            for batch in stream_batches(path)
        )
        write_stream(path, schema, batches)
        part = structs.replace(part, bytes=path.stat().st_size, crc=checksums.written(path))
        record = PartRecord(part, record.position)
        write_record(self.folder, record)
        return record

    def _digests(self, schema: pa.Schema) -> dict[str, str]:
        if self._hashers is not None and set(self._hashers) == set(schema.names):
            return {name: self._hashers[name].digest() for name in schema.names}
        files = [self.folder / record.part.file for record in self._records]
        batches = (batch for file in files for batch in stream_batches(file))
        return table_digest(batches, schema)[1]


def _marked(records: list[PartRecord]) -> list[PartRecord]:
    """Parts up to the last that ends at a mark; what comes after belongs to no known input row."""
    while records and records[-1].position is None:
        records.pop()
    return records
