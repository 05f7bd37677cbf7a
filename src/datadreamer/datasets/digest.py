"""Content digests: SHA-256 over the cells of a column in one canonical layout.

A column's digest counts its type and every cell, and nothing of how the rows were batched, sliced, compressed or
stored. Rows are hashed in blocks of 65,536. Of each block and each nesting level three streams are hashed on their own:
validity (one byte a row), lengths (eight bytes a row, nulls count 0) and values (nulls are zeros, one kind of NaN,
little endian). So a digest can be computed while rows stream by, in pieces of any size, without holding a block.
`docs/design/datasets.md` has the layout byte by byte; `tests/golden/datasets.json` pins it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from .arrays import array as array_of
from .arrays import is_valid, list_lengths, unpacked

BLOCK_ROWS = 65_536
PREFIX = "ddc1:"


class ColumnDigest:
    """The digest of one column, fed with arrays in row order."""

    def __init__(self, type: pa.DataType) -> None:
        self.type = type
        self.rows = 0
        self._blocks = hashlib.sha256(b"datadreamer.column.1\0")
        self._block = _node(type)

    def update(self, array: pa.Array | pa.ChunkedArray) -> None:
        for chunk in array.chunks if isinstance(array, pa.ChunkedArray) else [array]:
            start = 0
            while start < len(chunk):
                room = BLOCK_ROWS - self.rows % BLOCK_ROWS
                piece = chunk.slice(start, room)
                self._block.update(piece)
                self.rows += len(piece)
                start += len(piece)
                if self.rows % BLOCK_ROWS == 0:
                    self._close_block()

    def _close_block(self) -> None:
        self._blocks.update(self._block.digest())
        self._block = _node(self.type)

    def digest(self) -> str:
        """`"ddc1:"` and 64 hex digits. More rows may follow."""
        whole = self._blocks.copy()
        if self.rows % BLOCK_ROWS:
            whole.update(self._block.digest())
        whole.update(_json([canonical_type(self.type), self.rows]))
        return PREFIX + whole.hexdigest()


def column_digest(array: pa.Array | pa.ChunkedArray) -> str:
    """The content digest of one column. Its name is not part of it."""
    hasher = ColumnDigest(array.type)
    hasher.update(array)
    return hasher.digest()


def dataset_digest(columns: Mapping[str, str], rows: int) -> str:
    """The content digest of a dataset, from the digests of its columns in order."""
    whole = hashlib.sha256(b"datadreamer.dataset.1\0")
    whole.update(_json([rows, [[name, digest] for name, digest in columns.items()]]))
    return PREFIX + whole.hexdigest()


def table_digest(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> tuple[str, dict[str, str]]:
    """The digest of a dataset and those of its columns, from batches in row order."""
    hashers = [ColumnDigest(field.type) for field in schema]
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        for hasher, array in zip(hashers, batch.columns, strict=True):
            hasher.update(array)
    columns = {name: hasher.digest() for name, hasher in zip(schema.names, hashers, strict=True)}
    return dataset_digest(columns, rows), columns


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def canonical_type(type: pa.DataType) -> Any:
    """A type as JSON, the same for layouts that hold the same cells (`string` and `large_string`)."""
    if isinstance(type, pa.BaseExtensionType):
        return canonical_type(type.storage_type)
    if pt.is_dictionary(type) or pt.is_run_end_encoded(type):
        return canonical_type(type.value_type)
    if pt.is_map(type):
        return ["list", ["struct", [["key", canonical_type(type.key_type)], ["value", canonical_type(type.item_type)]]]]
    if hasattr(type, "value_type"):
        return ["list", canonical_type(type.value_type)]
    if pt.is_struct(type):
        return ["struct", [[field.name, canonical_type(field.type)] for field in type]]
    if _is_text(type):
        return "string"
    if _is_binary(type):
        return "binary"
    return str(type)


def _is_text(type: pa.DataType) -> bool:
    return pt.is_string(type) or pt.is_large_string(type) or type.equals(pa.string_view())


def _is_binary(type: pa.DataType) -> bool:
    return pt.is_binary(type) or pt.is_large_binary(type) or type.equals(pa.binary_view())


# --- one node per nesting level ---------------------------------------------------------------------------------------


class _Node:
    """Validity of one level; subclasses add what is below it."""

    def __init__(self, type: pa.DataType) -> None:
        self.type = type
        self.validity = hashlib.sha256()
        self.streams: list[Any] = []
        self.children: list[_Node] = []

    def update(self, array: pa.Array) -> None:
        if array.null_count:
            mask = is_valid(array)
            self.validity.update(mask.view(np.uint8).data)
        else:
            mask = None
            self.validity.update(b"\1" * len(array))
        if len(array):  # without rows a buffer may be missing
            self.cells(array, mask)

    def cells(self, array: pa.Array, mask: np.ndarray | None) -> None:
        pass  # a column of nulls has nothing but its validity

    def digest(self) -> bytes:
        whole = hashlib.sha256(self.validity.digest())
        for stream in self.streams:
            whole.update(stream.digest())
        for child in self.children:
            whole.update(child.digest())
        return whole.digest()


class _Fixed(_Node):
    """Numbers, dates, decimals: a fixed number of bytes each."""

    def __init__(self, type: pa.DataType) -> None:
        super().__init__(type)
        self.values = hashlib.sha256()
        self.streams = [self.values]
        self.width = type.bit_width // 8

    def cells(self, array: pa.Array, mask: np.ndarray | None) -> None:
        buffer = array.buffers()[1]
        if buffer is None:
            self.values.update(bytes(len(array) * self.width))
            return
        start = array.offset * self.width
        raw = np.frombuffer(buffer, np.uint8)[start : start + len(array) * self.width].reshape(-1, self.width)
        if mask is not None:
            raw = np.where(mask[:, None], raw, np.uint8(0))
        if pt.is_floating(self.type):
            raw = _one_nan(raw, self.width)
        self.values.update(np.ascontiguousarray(raw).data)


def _one_nan(raw: np.ndarray, width: int) -> np.ndarray:
    numbers = np.ascontiguousarray(raw).reshape(-1).view(f"<f{width}")
    nan = np.isnan(numbers)
    return np.where(nan, numbers.dtype.type(np.nan), numbers) if nan.any() else numbers


class _Bool(_Node):
    def __init__(self, type: pa.DataType) -> None:
        super().__init__(type)
        self.values = hashlib.sha256()
        self.streams = [self.values]

    def cells(self, array: pa.Array, mask: np.ndarray | None) -> None:
        truths = unpacked(array.buffers()[1], array.offset, len(array))
        self.values.update((truths if mask is None else truths & mask).view(np.uint8).data)


class _Bytes(_Node):
    """Text and bytes: lengths, then the bytes of all cells."""

    def __init__(self, type: pa.DataType) -> None:
        super().__init__(type)
        self.lengths, self.values = hashlib.sha256(), hashlib.sha256()
        self.streams = [self.lengths, self.values]

    def cells(self, array: pa.Array, mask: np.ndarray | None) -> None:
        _, offset_buffer, data = array.buffers()
        wide = pt.is_large_string(array.type) or pt.is_large_binary(array.type)
        offsets = np.frombuffer(offset_buffer, np.int64 if wide else np.int32)
        offsets = offsets[array.offset : array.offset + len(array) + 1]
        lengths = np.diff(offsets).astype("<i8", copy=False)
        if mask is not None and lengths[~mask].any():  # bytes that no reader can see lie beneath a null
            filler = "" if pt.is_string(array.type) or pt.is_large_string(array.type) else b""
            self.cells(array.fill_null(filler), None)
            return
        self.lengths.update(np.ascontiguousarray(lengths).data)
        if data is not None:
            self.values.update(memoryview(data)[int(offsets[0]) : int(offsets[-1])])


class _List(_Node):
    def __init__(self, type: pa.DataType) -> None:
        super().__init__(type)
        self.lengths = hashlib.sha256()
        self.streams = [self.lengths]
        self.children = [_node(type.value_type)]

    def cells(self, array: pa.Array, mask: np.ndarray | None) -> None:
        self.lengths.update(list_lengths(array).astype("<i8", copy=False).data)
        if mask is not None and pt.is_fixed_size_list(array.type):
            array = array.filter(array_of(mask.tolist(), pa.bool_()))
        self.children[0].update(array.flatten())


class _Struct(_Node):
    def __init__(self, type: pa.DataType) -> None:
        super().__init__(type)
        self.children = [_node(field.type) for field in type]

    def cells(self, array: pa.Array, mask: np.ndarray | None) -> None:
        for child, cells in zip(self.children, array.flatten(), strict=True):  # flatten: null where the struct is null
            child.update(cells)


class _Plain(_Node):
    """A layout that only wraps another: dictionary, extension, view, map."""

    def __init__(self, type: pa.DataType) -> None:
        super().__init__(type)
        self.inner = _node(_inner_type(type))

    def update(self, array: pa.Array) -> None:
        self.inner.update(_unwrap(array))

    def digest(self) -> bytes:
        return self.inner.digest()


def _inner_type(type: pa.DataType) -> pa.DataType:
    if isinstance(type, pa.BaseExtensionType):
        return type.storage_type
    if pt.is_dictionary(type) or pt.is_run_end_encoded(type):
        return type.value_type
    if pt.is_map(type):
        return pa.list_(pa.struct([("key", type.key_type), ("value", type.item_type)]))
    return pa.string() if type.equals(pa.string_view()) else pa.binary()


def _unwrap(array: pa.Array) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        return array.storage
    if pt.is_dictionary(array.type):
        return array.dictionary_decode()
    if pt.is_run_end_encoded(array.type):
        import pyarrow.compute as pc

        return pc.run_end_decode(array)
    return array.cast(_inner_type(array.type))


def _node(type: pa.DataType) -> _Node:
    if (
        isinstance(type, pa.BaseExtensionType)
        or pt.is_dictionary(type)
        or pt.is_run_end_encoded(type)
        or pt.is_map(type)
        or type.equals(pa.string_view())
        or type.equals(pa.binary_view())
    ):
        return _Plain(type)
    if pt.is_null(type):
        return _Node(type)
    if pt.is_boolean(type):
        return _Bool(type)
    if pt.is_struct(type):
        return _Struct(type)
    if _is_text(type) or _is_binary(type):
        return _Bytes(type)
    if hasattr(type, "value_type"):
        return _List(type)
    return _Fixed(type)
