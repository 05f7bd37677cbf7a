"""Arrow arrays from Python lists and NumPy arrays, without waking pandas.

`pyarrow.array()` asks for every list whether it is a pandas object, and imports pandas to find out: a third of a second
of CPU, which a program that never uses pandas should not pay. Text, bytes and numbers are therefore laid out here; all
else, and everything once pandas is loaded anyway, goes to `pyarrow.array()`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

_MOST_BYTES = 2**31 - 1
Buffers = list[pa.Buffer | None]


def array(values: Any, type: pa.DataType | None = None) -> pa.Array:
    """The same as `pyarrow.array(values, type)`, raising the same errors."""
    if "pandas" not in sys.modules:
        made = _numbers(values) if isinstance(values, np.ndarray) else _laid_out(values, type)
        if made is not None:
            return made
    return pa.array(values, type)


def unpacked(bits: pa.Buffer, offset: int, length: int) -> np.ndarray:
    """Bits of an Arrow bitmap as bools."""
    found = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little", count=offset + length)
    return found[offset:].view(bool)


def is_valid(array: pa.Array) -> np.ndarray:
    """Which cells are not null, as bools."""
    if pa.types.is_null(array.type):
        return np.zeros(len(array), bool)
    bits = array.buffers()[0]
    return np.ones(len(array), bool) if bits is None else unpacked(bits, array.offset, len(array))


def list_lengths(array: pa.Array) -> np.ndarray:
    """The length of every list of a list column, 0 for null, as int64."""
    if pa.types.is_fixed_size_list(array.type):
        lengths = np.full(len(array), array.type.list_size, np.int64)
    else:
        width = np.int64 if pa.types.is_large_list(array.type) else np.int32
        offsets = np.frombuffer(array.buffers()[1], width) if len(array) else np.zeros(1, width)
        lengths = np.diff(offsets[array.offset : array.offset + len(array) + 1]).astype(np.int64)
    if array.null_count:
        lengths[~is_valid(array)] = 0
    return lengths


def _numbers(values: np.ndarray) -> pa.Array | None:
    if values.ndim != 1 or values.dtype.kind not in "iuf" or not values.dtype.isnative:
        return None
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, data])


def _laid_out(values: Sequence[Any], type: pa.DataType | None) -> pa.Array | None:
    layout = _LAYOUTS.get(str(type))
    if layout is None or not isinstance(values, (list, tuple)):
        return None
    try:
        buffers = layout(values)
    except (TypeError, ValueError, OverflowError):  # Arrow's own error says it better
        return None
    return None if buffers is None else pa.Array.from_buffers(type, len(values), buffers)


def _validity(values: Sequence[Any]) -> pa.Buffer | None:
    if None not in values:
        return None
    present = np.fromiter((value is not None for value in values), bool, len(values))
    return pa.py_buffer(np.packbits(present, bitorder="little"))


def _text(values: Sequence[Any]) -> Buffers | None:
    return _joined(values, [b"" if value is None else value.encode() for value in values])


def _binary(values: Sequence[Any]) -> Buffers | None:
    cells = [b"" if value is None else value for value in values]
    return _joined(values, cells) if set(map(_type, cells)) <= {bytes} else None


def _joined(values: Sequence[Any], cells: list[bytes]) -> Buffers | None:
    ends = np.cumsum(np.fromiter(map(len, cells), np.int64, len(cells)))
    if len(ends) and ends[-1] > _MOST_BYTES:
        return None
    offsets = np.zeros(len(cells) + 1, np.int32)
    offsets[1:] = ends
    return [_validity(values), pa.py_buffer(offsets), pa.py_buffer(b"".join(cells))]


def _fixed(dtype: Any, kinds: set[Any]) -> Callable[[Sequence[Any]], Buffers | None]:
    def lay_out(values: Sequence[Any]) -> Buffers | None:
        found = set(map(_type, values))
        if not found <= kinds:
            return None
        validity = _validity(values)
        cells = values if validity is None else [0 if value is None else value for value in values]
        numbers = np.array(cells, dtype)
        if dtype is np.float64 and int in found and any(_type(cell) is int and abs(cell) >= 2**53 for cell in cells):
            return None  # an int that a float may not hold exactly: Arrow checks
        return [validity, pa.py_buffer(numbers)]

    return lay_out


def _bools(values: Sequence[Any]) -> Buffers | None:
    if not set(map(_type, values)) <= {bool, type(None)}:
        return None
    truths = np.fromiter((bool(value) for value in values), bool, len(values))
    return [_validity(values), pa.py_buffer(np.packbits(truths, bitorder="little"))]


_type = type
_NONE = type(None)
_LAYOUTS: dict[str, Callable[[Sequence[Any]], Buffers | None]] = {
    "string": _text,
    "binary": _binary,
    "int64": _fixed(np.int64, {int, _NONE}),
    "double": _fixed(np.float64, {int, float, _NONE}),
    "bool": _bools,
}
