"""What a finished dataset is: its columns, its parts and its content digests, as one small JSON-able value."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pyarrow as pa

from .digest import dataset_digest
from .types import type_name


class PartInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a dataset. `bytes` is its size on disk; `lineage_bytes` that of its lineage file, 0 without one.

    `crc` and `lineage_crc` are their CRC-32; None for what early versions wrote.
    """

    file: str
    rows: int
    bytes: int
    lineage: str | None = None
    lineage_bytes: int = 0
    crc: int | None = None
    lineage_crc: int | None = None


class ColumnInfo(msgspec.Struct, frozen=True):
    """A column: its name, its type in words (`list[float]`), and the content digest of its cells (not of its name)."""

    name: str
    type: str
    digest: str


class DatasetInfo(msgspec.Struct, frozen=True):
    """A dataset as its manifest has it. `schema` is the Arrow schema, serialised, in base64."""

    rows: int
    columns: list[ColumnInfo]
    digest: str
    schema: str
    parts: list[PartInfo]

    @classmethod
    def make(cls, schema: pa.Schema, digests: dict[str, str], rows: int, parts: list[PartInfo]) -> DatasetInfo:
        columns = [ColumnInfo(field.name, type_name(field.type), digests[field.name]) for field in schema]
        text = base64.b64encode(schema.serialize().to_pybytes()).decode()
        return cls(rows, columns, dataset_digest(digests, rows), text, parts)

    @property
    def arrow_schema(self) -> pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.schema)))

    @property
    def column_digests(self) -> dict[str, str]:
        return {column.name: column.digest for column in self.columns}

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, str and int, ready for a manifest."""
        return msgspec.to_builtins(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> DatasetInfo:
        return msgspec.convert(value, cls)
