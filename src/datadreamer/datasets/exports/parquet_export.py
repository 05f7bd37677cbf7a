"""Parquet with zstd, written row group by row group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import InvalidArgumentError
from ..rows import Rows
from .target import writing_file

GROUP_ROWS = 1 << 20
GROUP_BYTES = 32 << 20


def export_parquet(rows: Rows, path: str | Path, *, compression: str = "zstd") -> Path:
    """Write rows as Parquet; the schema keeps its metadata, so class labels and images stay what they are.

    Args:
        rows: what to write.
        path: the file; an earlier Parquet file there is replaced.
        compression: a codec of Parquet: `"zstd"`, `"snappy"`, `"gzip"`, `"none"`, ...

    Returns:
        The path written.
    """
    schema = rows.schema
    for field in schema:
        if _has_empty_struct(field.type):
            raise InvalidArgumentError(
                f"Column {field.name!r} holds only empty dicts, which Parquet cannot store. Remove it, or export JSON."
            )
    with (
        writing_file(path, "parquet") as temporary,
        pq.ParquetWriter(str(temporary), schema, compression=compression) as writer,
    ):
        for group in _groups(rows):
            writer.write_table(group, row_group_size=GROUP_ROWS)
    return Path(path)


def _groups(rows: Rows) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    count = size = 0
    for table in rows.tables(16_384):
        held.append(table)
        count, size = count + table.num_rows, size + table.nbytes
        if count >= GROUP_ROWS or size >= GROUP_BYTES:
            yield pa.concat_tables(held)
            held, count, size = [], 0, 0
    if held:
        yield pa.concat_tables(held)


def _has_empty_struct(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        return type_.num_fields == 0 or any(_has_empty_struct(field.type) for field in type_)
    return hasattr(type_, "value_type") and _has_empty_struct(type_.value_type)
