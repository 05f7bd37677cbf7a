"""`Source`: files, how to read them, and the rows they hold, which may be read again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from ...errors import InvalidArgumentError, SourceError, nearest
from .files import resolve_files
from .options import canonical, settle


class Reader(Protocol):
    """How one kind of file becomes batches of one schema."""

    schema: pa.Schema

    def batches(self) -> Iterator[pa.RecordBatch]: ...


class Source:
    """Rows in files.

    Attributes:
        kind: `"csv"`, `"json"`, `"text"` or `"parquet"`.
        files: the files, in order.
        options: every option with its value, JSON-able: what counts in a fingerprint beside the files' digests.
    """

    def __init__(self, kind: str, files: Sequence[Path], options: Mapping[str, Any], reader: Reader) -> None:
        self.kind, self.files, self.options = kind, list(files), canonical(options)
        self._reader = reader

    @property
    def schema(self) -> pa.Schema:
        """Columns and types, from all rows of all files (which are read once for it)."""
        return self._reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, a few thousand at a time, all batches with the same schema.

        Raises:
            SourceError: a file cannot be parsed, or there is not one row; names file and line.
        """
        rows = 0
        for batch in self._reader.batches():
            rows += batch.num_rows
            if batch.num_rows:
                yield batch
        if not rows:
            raise SourceError(f"{_names(self.files)} {'has' if len(self.files) == 1 else 'have'} no rows.")


def open_source(
    kind: str,
    data_folder: str | Path | None = None,
    data_files: str | Path | Sequence[str | Path] | None = None,
    downloads: Path | None = None,
    **options: Any,
) -> Source:
    """Rows from files.

    Args:
        kind: `"csv"`, `"json"`, `"text"` or `"parquet"`.
        data_folder: see `resolve_files`.
        data_files: see `resolve_files`.
        downloads: see `resolve_files`.
        options: see the reader of that kind (`csv_files`, `json_files`, `text_files`, `parquet_files`).

    Raises:
        SourceError: a file is missing.
        InvalidArgumentError: an option is unknown or has a value that cannot be used.
    """
    module = _reader_module(kind)
    settled = settle(kind, module.OPTIONS, module.ALIASES, options)
    files = resolve_files(kind, data_folder, data_files, downloads)
    return Source(kind, files, settled, module.reader(files, settled))


def _reader_module(kind: str) -> Any:
    from . import csv_files, json_files, parquet_files, text_files

    modules = {"csv": csv_files, "json": json_files, "text": text_files, "parquet": parquet_files}
    if kind not in modules:
        raise InvalidArgumentError(f"There is no source kind {kind!r}. {nearest(kind, modules)}")
    return modules[kind]


def _names(files: Sequence[Path]) -> str:
    shown = ", ".join(str(file) for file in files[:3])
    return shown + (f" and {len(files) - 3} more" if len(files) > 3 else "")
