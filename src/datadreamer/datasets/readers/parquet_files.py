"""Parquet files, row group by row group.

Options:
    columns: names of the columns to read, all by default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import SourceError, nearest
from ..convert import cast, normalize, plain_type
from ..types import type_name, widen
from .files import reading

OPTIONS: dict[str, Any] = {"columns": None}
ALIASES: dict[str, str] = {}
BATCH_ROWS = 8_192


class ParquetReader:
    def __init__(self, files: Sequence[Path], options: Mapping[str, Any]) -> None:
        self._files = files
        wanted = options["columns"]
        self._wanted = [wanted] if isinstance(wanted, str) else wanted

    @cached_property
    def schema(self) -> pa.Schema:
        schemas = [self._schema_of(file) for file in self._files]
        types = {field.name: plain_type(field.type) for field in schemas[0]}
        for file, schema in zip(self._files[1:], schemas[1:], strict=True):
            if set(schema.names) != set(types):
                odd = sorted(set(schema.names) ^ set(types))[0]
                where = "has a column" if odd in schema.names else "lacks the column"
                raise SourceError(
                    f"{file} {where} {odd!r}, unlike {self._files[0]}. Use columns=[...] to read common ones."
                )
            for field in schema:
                wider = widen(types[field.name], plain_type(field.type))
                if wider is None:
                    raise SourceError(
                        f"{file}: column {field.name!r} holds {type_name(field.type)}, and "
                        f"{type_name(types[field.name])} in the files before it."
                    )
                types[field.name] = wider
        metadata = {key: value for key, value in (schemas[0].metadata or {}).items() if key == b"huggingface"}
        return pa.schema(list(types.items()), metadata=metadata or None)

    def _schema_of(self, file: Path) -> pa.Schema:
        with _open(file) as parquet:
            schema = parquet.schema_arrow
        if self._wanted is None:
            return schema
        for name in self._wanted:
            if name not in schema.names:
                raise SourceError(f"{file} has no column {name!r}. {nearest(name, schema.names)}")
        return pa.schema([schema.field(name) for name in self._wanted], metadata=schema.metadata)

    def batches(self) -> Iterator[pa.RecordBatch]:
        schema = self.schema
        for file in self._files:
            with reading(file), _open(file) as parquet:
                for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=schema.names):
                    arrays = [cast(normalize(batch.column(field.name)), field.type) for field in schema]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def reader(files: Sequence[Path], options: Mapping[str, Any]) -> ParquetReader:
    return ParquetReader(files, options)


def _open(file: Path) -> pq.ParquetFile:
    if not file.stat().st_size:
        raise SourceError(f"{file} is empty.")
    try:
        return pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{file} is not a Parquet file, or was cut off: {error}.") from None
