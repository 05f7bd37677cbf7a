"""Python values to typed Arrow columns, and columns from one type to a wider one.

Arrow's own inference is quick but lenient: it stores `True` as `1` in an int column and `b"a"` as `"a"` in a text one.
Here the kinds of value in a column are looked at first (one pass in C), so that what is stored is what was given.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from .arrays import array, list_lengths
from .types import IMAGE, is_list, type_name

MAX_FIELDS = 1_000


class CellError(Exception):
    """A value that cannot be stored beside the others: its index in the list, and why."""

    def __init__(self, index: int, value: Any, reason: str, expected: str | None = None) -> None:
        super().__init__(reason)
        self.index, self.value, self.reason, self.expected = index, value, reason, expected


def to_array(values: Sequence[Any]) -> pa.Array:
    """One typed Arrow array from Python values; None is a null wherever it stands.

    Raises:
        CellError: a value is of another kind than those before it, or of a kind that cannot be stored.
    """
    if isinstance(values, np.ndarray):
        values = _numpy_rows(values)
        if isinstance(values, pa.Array):
            return values
    types = set(map(type, values))
    types.discard(type(None))
    if not types:
        return pa.nulls(len(values))
    kinds = {kind_of(type_) for type_ in types}
    if "missing" in kinds or "scalar" in kinds:
        return to_array([_plain(value) for value in values])
    kind = _common_kind(kinds)
    if kind is None:
        raise _conflict(values)
    return _BUILDERS[kind](values, types)


_known_kinds: WeakKeyDictionary[type, str] = WeakKeyDictionary()


def kind_of(type_: type) -> str:
    """Which family of cells a Python type belongs to; `other` cannot be stored."""
    kind = _known_kinds.get(type_)
    if kind is None:
        kind = _known_kinds[type_] = _find_kind(type_)
    return kind


def _find_kind(type_: type) -> str:
    for kind, bases in _KINDS:
        if issubclass(type_, bases):
            return kind
    if type_.__name__ in ("NAType", "NaTType"):
        return "missing"
    if type_.__module__.startswith("PIL."):
        return "image"
    if issubclass(type_, Mapping):
        return "dict"
    if hasattr(type_, "__array__"):
        return "array"
    return "other"


# order matters: bool is an int, datetime is a date, np.float64 is a float
_KINDS: tuple[tuple[str, Any], ...] = (
    ("missing", type(None)),
    ("str", str),
    ("bool", (bool, np.bool_)),
    ("int", (int, np.integer)),
    ("float", (float, np.floating)),
    ("bytes", (bytes, bytearray, memoryview)),
    ("dict", dict),
    ("array", np.ndarray),
    ("list", (list, tuple)),
    ("datetime", datetime.datetime),
    ("date", datetime.date),
    ("time", datetime.time),
    ("timedelta", datetime.timedelta),
    ("decimal", decimal.Decimal),
    ("datetime64", (np.datetime64, np.timedelta64)),
    ("scalar", pa.Scalar),
)
_TOGETHER = {
    frozenset({"int", "float"}): "float",
    frozenset({"int", "decimal"}): "decimal",
    frozenset({"list", "array"}): "list",
}


def _common_kind(kinds: set[str]) -> str | None:
    return next(iter(kinds)) if len(kinds) == 1 else _TOGETHER.get(frozenset(kinds))


def _plain(value: Any) -> Any:
    if isinstance(value, pa.Scalar):
        return value.as_py()
    return None if value is not None and kind_of(type(value)) == "missing" else value


def _conflict(values: Sequence[Any]) -> CellError:
    """Which value is the first that does not go with those before it."""
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value is None:
            continue
        kind = kind_of(type(value))
        if kind == "other":
            return _not_storable(index, value)
        if _common_kind(seen | {kind}) is None:
            expected = _common_kind(seen) or "value"
            return CellError(index, value, f"{expected} and {kind} do not go together", _words(expected))
        seen.add(kind)
    raise AssertionError("no conflict")


def _words(kind: str) -> str:
    return {"array": "list"}.get(kind, kind)


def _not_storable(index: int, value: Any) -> CellError:
    if isinstance(value, (set, frozenset)):
        reason = "a set has no order, so it cannot be stored: return sorted(...)"
    else:
        reason = (
            "a cell holds a str, int, float, bool, bytes, date, datetime, Decimal, NumPy array, image, "
            "or a list or dict of those: return its parts, str(...) of it, or a dict"
        )
    return CellError(index, value, reason)


# --- one builder per kind ---------------------------------------------------------------------------------------------


def _strings(values: Sequence[Any], types: set[type]) -> pa.Array:
    try:
        return array(values, pa.string())
    except UnicodeEncodeError:
        index = next(i for i, value in enumerate(values) if value is not None and not _encodable(value))
        raise CellError(
            index,
            values[index],
            "the text has half of a surrogate pair, which is not valid Unicode. "
            'Clean it with text.encode("utf-8", "replace").decode()',
        ) from None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integers(values: Sequence[Any], types: set[type]) -> pa.Array:
    target = pa.int64()
    if len(types) == 1 and issubclass(only := next(iter(types)), np.integer):
        target = pa.from_numpy_dtype(np.dtype(only))
    try:
        return array(values, target)
    except (OverflowError, pa.ArrowInvalid):
        index = next(i for i, value in enumerate(values) if value is not None and not -(2**63) <= value < 2**63)
        raise CellError(
            index, values[index], "the number does not fit 64 bits: return it as str or as Decimal"
        ) from None


def _floats(values: Sequence[Any], types: set[type]) -> pa.Array:
    target = pa.float64()
    if len(types) == 1 and issubclass(only := next(iter(types)), np.floating):
        target = pa.from_numpy_dtype(np.dtype(only)) if np.dtype(only).itemsize <= 8 else target
    try:
        return array(values, target)
    except (pa.ArrowInvalid, OverflowError):
        index = next(i for i, v in enumerate(values) if kind_of(type(v)) == "int" and float(v) != v)
        raise CellError(
            index, values[index], "the number cannot be written as a float without changing it", "float"
        ) from None


def _bytes(values: Sequence[Any], types: set[type]) -> pa.Array:
    if types != {bytes}:
        values = [None if value is None else bytes(value) for value in values]
    return array(values, pa.binary())


def _datetimes(values: Sequence[Any], types: set[type]) -> pa.Array:
    aware = [value.tzinfo is not None for value in values if value is not None]
    if any(aware) != all(aware):
        index = next(i for i, v in enumerate(values) if v is not None and (v.tzinfo is not None) != aware[0])
        raise CellError(
            index,
            values[index],
            "some datetimes have a time zone and some have none",
            "datetime " + ("with" if aware[0] else "without") + " a time zone",
        )
    array = pa.array(values)
    if aware[0] and len({str(value.tzinfo) for value in values if value is not None}) > 1:
        return array.cast(pa.timestamp(array.type.unit, tz="UTC"))
    return array


def _decimals(values: Sequence[Any], types: set[type]) -> pa.Array:
    try:
        return pa.array([value if value is None else decimal.Decimal(value) for value in values])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        index = next((i for i, v in enumerate(values) if v is not None and not decimal.Decimal(v).is_finite()), 0)
        raise CellError(
            index, values[index], "a Decimal must be finite and have at most 76 digits: return a float or a str"
        ) from None


def _lists(values: Sequence[Any], types: set[type]) -> pa.Array:
    lengths = np.fromiter((0 if value is None else len(value) for value in values), np.int64, len(values))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    children = list(chain.from_iterable(value for value in values if value is not None))
    try:
        child = to_array(children)
    except CellError as error:
        index = int(np.searchsorted(offsets, error.index, side="right")) - 1
        raise CellError(index, error.value, f"in a list: {error.reason}", error.expected) from None
    return _list_array(offsets, child, _null_mask(values))


def _list_array(offsets: np.ndarray, child: pa.Array, mask: pa.Array | None) -> pa.Array:
    if offsets[-1] >= 2**31:
        return pa.LargeListArray.from_arrays(array(offsets.astype(np.int64)), child, mask=mask)
    return pa.ListArray.from_arrays(array(offsets.astype(np.int32)), child, mask=mask)


def _null_mask(values: Sequence[Any]) -> pa.Array | None:
    if None not in values:
        return None
    return array([value is None for value in values], pa.bool_())


def _arrays(values: Sequence[Any], types: set[type]) -> pa.Array:
    """Vectors of one dtype keep it, and are joined without a Python object per number."""
    arrays = [None if value is None else np.asarray(value) for value in values]
    given = [array for array in arrays if array is not None]
    dtypes, ranks = {array.dtype for array in given}, {array.ndim for array in given}
    if ranks == {0}:
        return to_array([None if array is None else array.item() for array in arrays])
    if ranks == {1} and len(dtypes) == 1 and given[0].dtype.kind in "iufb":
        lengths = [0 if array is None else len(array) for array in arrays]
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        mask = array([one is None for one in arrays], pa.bool_()) if len(given) < len(arrays) else None
        return _list_array(offsets, pa.array(np.concatenate(given)), mask)
    if 0 in ranks:
        index = next(i for i, array in enumerate(arrays) if array is not None and array.ndim == 0)
        raise CellError(index, values[index], "arrays of different rank do not go together", "list")
    return _lists([None if array is None else _rows_of(array) for array in arrays], types)


def _rows_of(array: np.ndarray) -> list[Any]:
    return list(array) if array.dtype.kind in "iufb" else array.tolist()


def _numpy_rows(values: np.ndarray) -> Any:
    """A whole column given as one NumPy array: numbers as they are, else its elements."""
    if values.ndim == 1 and values.dtype.kind in "iufb":
        return pa.array(values)
    if values.ndim == 2 and values.dtype.kind in "iufb":
        rows, width = values.shape
        offsets = np.arange(rows + 1, dtype=np.int64) * width
        return _list_array(offsets, pa.array(np.ascontiguousarray(values).reshape(-1)), None)
    return list(values) if values.ndim > 1 else values.tolist() if values.dtype.kind in "SUO" else list(values)


def _dicts(values: Sequence[Any], types: set[type]) -> pa.Array:
    names = list(dict.fromkeys(chain.from_iterable(value for value in values if value is not None)))
    _check_names(names, values)
    fields, arrays = [], []
    for name in names:
        try:
            cells = [value[name] for value in values]  # every dict has the same keys: by far the commonest case
        except (KeyError, TypeError):
            cells = [None if value is None else value.get(name) for value in values]
        try:
            arrays.append(to_array(cells))
        except CellError as error:
            raise CellError(error.index, error.value, f"in key {name!r}: {error.reason}", error.expected) from None
        fields.append(pa.field(name, arrays[-1].type))
    mask = _null_mask(values)
    if not fields:
        return pa.array([None if value is None else {} for value in values], pa.struct([]))
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=mask)


def _check_names(names: list[Any], values: Sequence[Any]) -> None:
    bad = next((name for name in names if not isinstance(name, str)), None)
    if bad is not None:
        index = next(i for i, value in enumerate(values) if value is not None and bad in value)
        raise CellError(index, values[index], f"a dict has the key {bad!r}, and keys are text: use str({bad!r})")
    if len(names) > MAX_FIELDS:
        seen: set[str] = set()
        for index, value in enumerate(values):
            seen.update(value or ())
            if len(seen) > MAX_FIELDS:
                raise CellError(
                    index,
                    value,
                    f"the dicts of this column have more than {MAX_FIELDS:,} different keys. "
                    "Return a list of {'key': ..., 'value': ...}, or json.dumps(...) of it",
                )


def _images(values: Sequence[Any], types: set[type]) -> pa.Array:
    return pa.array([None if value is None else _image_cell(value) for value in values], IMAGE)


def _image_cell(image: Any) -> dict[str, Any]:
    import io

    buffer = io.BytesIO()
    # a JPEG file that was opened is kept as JPEG, everything else is written without loss
    image.save(buffer, format=image.format if image.format in ("PNG", "WEBP", "GIF", "TIFF") else "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def _plain_array(values: Sequence[Any], types: set[type]) -> pa.Array:
    return pa.array(values)


def _numpy_times(values: Sequence[Any], types: set[type]) -> pa.Array:
    return to_array([None if value is None else _numpy_time(value) for value in values])


def _numpy_time(value: Any) -> Any:
    unit = np.datetime_data(value.dtype)[0]
    # NumPy shows nanoseconds as a bare int, and anything else as a date, datetime or timedelta
    return value.astype(f"{value.dtype.kind}8[us]").item() if unit in ("ns", "ps", "fs", "as") else value.item()


def _bools(values: Sequence[Any], types: set[type]) -> pa.Array:
    return array(values, pa.bool_())


def _other(values: Sequence[Any], types: set[type]) -> pa.Array:
    index = next(i for i, value in enumerate(values) if value is not None)
    raise _not_storable(index, values[index])


_BUILDERS: dict[str, Callable[[Sequence[Any], set[type]], pa.Array]] = {
    "str": _strings,
    "bool": _bools,
    "int": _integers,
    "float": _floats,
    "bytes": _bytes,
    "dict": _dicts,
    "array": _arrays,
    "list": _lists,
    "datetime": _datetimes,
    "date": _plain_array,
    "time": _plain_array,
    "timedelta": _plain_array,
    "decimal": _decimals,
    "datetime64": _numpy_times,
    "image": _images,
    "other": _other,
}


# --- from one type to a wider one -------------------------------------------------------------------------------------


def normalize(array: pa.Array) -> pa.Array:
    """An array from elsewhere without layouts that only compress: dictionaries and runs decoded, views made plain."""
    target = plain_type(array.type)
    if pt.is_dictionary(array.type):
        return normalize(array.dictionary_decode())
    return array if target.equals(array.type) else cast(array, target)


def plain_type(type: pa.DataType) -> pa.DataType:
    """The type a column of `type` is stored under."""
    if pt.is_dictionary(type):
        return plain_type(type.value_type)
    if type.equals(pa.string_view()):
        return pa.string()
    if type.equals(pa.binary_view()):
        return pa.binary()
    if pt.is_list(type):
        return pa.list_(plain_type(type.value_type))
    if pt.is_large_list(type):
        return pa.large_list(plain_type(type.value_type))
    if pt.is_map(type):
        return pa.list_(pa.struct([("key", plain_type(type.key_type)), ("value", plain_type(type.item_type))]))
    if pt.is_struct(type):
        return pa.struct([(field.name, plain_type(field.type)) for field in type])
    return type


def cast(array: pa.Array, target: pa.DataType) -> pa.Array:
    """`array` as the wider type `target`; structs gain missing fields as nulls.

    Raises:
        pa.ArrowInvalid: a cell has no exact counterpart, for example an int above 2**53 as a float.
    """
    if array.type.equals(target):
        return array
    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([cast(chunk, target) for chunk in array.chunks], type=target)
    if pt.is_null(array.type):
        return pa.nulls(len(array), target)
    if pt.is_dictionary(array.type):
        return cast(array.dictionary_decode(), target)
    if pt.is_struct(array.type) and pt.is_struct(target):
        return _cast_struct(array, target)
    if is_list(array.type) and is_list(target) and not pt.is_fixed_size_list(target):
        return _cast_list(array, target)
    return array.cast(target)


def _cast_struct(array: pa.Array, target: pa.DataType) -> pa.Array:
    children = dict(zip([field.name for field in array.type], array.flatten(), strict=True))
    cells = [
        cast(children[field.name], field.type) if field.name in children else pa.nulls(len(array), field.type)
        for field in target
    ]
    mask = array.is_null() if array.null_count else None
    if not cells:
        return array.cast(target)
    return pa.StructArray.from_arrays(cells, fields=list(target), mask=mask)


def _cast_list(array: pa.Array, target: pa.DataType) -> pa.Array:
    if pt.is_fixed_size_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    child = cast(array.flatten(), target.value_type)
    lengths = list_lengths(array)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    mask = array.is_null() if array.null_count else None
    made = _list_array(offsets, child, mask)
    return made if made.type.equals(target) else made.cast(target)


def cell_name(value: Any) -> str:
    """How a message shows a value: its type and its beginning, for example `str 'n/a'`."""
    text = repr(value)
    shown = text if len(text) <= 60 else text[:57] + "..."
    return "None" if value is None else f"{type(value).__name__} {shown}"


__all__ = ["CellError", "cast", "cell_name", "kind_of", "normalize", "plain_type", "to_array", "type_name"]
