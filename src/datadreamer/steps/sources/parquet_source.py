"""`ParquetDataSource`: rows from Parquet files."""

from __future__ import annotations

from typing import ClassVar

from .file_source import FileSource


class ParquetDataSource(FileSource):
    """Rows from Parquet files, with the column types that they have; `columns=[...]` reads only some of them."""

    kind: ClassVar[str] = "parquet"
