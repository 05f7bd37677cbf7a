"""Column types: what a declaration means, what two types have in common, and how a person calls a type.

One rule everywhere: a type may only widen where no cell changes its meaning (null to anything, int to float, a struct
to a struct with more fields). Text never becomes a number, a number never becomes text, a bool is never an int.
"""

from __future__ import annotations

import datetime
import decimal
import types as pytypes
import typing
from typing import Any, Literal, Union

import pyarrow as pa
import pyarrow.types as pt

from ..errors import InvalidTypeError, nearest

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

_PYTHON = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bytes: pa.binary(),
    datetime.datetime: pa.timestamp("us"),
    datetime.date: pa.date32(),
    datetime.time: pa.time64("us"),
    datetime.timedelta: pa.duration("us"),
    decimal.Decimal: pa.decimal128(38, 9),
    type(None): pa.null(),
}
_WORDS: dict[str, Any] = {
    "str": str, "string": str, "text": str, "int": int, "float": float, "double": float, "bool": bool, "bytes": bytes,
    "datetime": datetime.datetime, "date": datetime.date, "time": datetime.time, "timedelta": datetime.timedelta,
    "Decimal": decimal.Decimal, "list": list, "dict": dict, "any": Any, "Any": Any, "object": Any, "None": type(None),
}  # fmt: skip


def parse_type(declared: Any) -> pa.DataType | None:
    """The Arrow type of a declaration, or None where it leaves the type open (`Any`, a bare `list` or `dict`).

    Args:
        declared: a Python type (`float`, `list[str]`, `str | None`, `Literal["a", "b"]`, a `TypedDict`), its name as
            text (`"float"`, `"list[str]"`), an Arrow type or its name (`"int32"`), or a NumPy scalar type.

    Raises:
        InvalidTypeError: the declaration names nothing that a column can hold.
    """
    if isinstance(declared, pa.DataType):
        return declared
    if isinstance(declared, str):
        return _parse_text(declared.strip())
    if declared in (Any, None, list, tuple, dict, object):
        return None
    if isinstance(declared, type) and declared in _PYTHON:
        return _PYTHON[declared]
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is typing.Annotated:
        return parse_type(arguments[0])
    if origin in (Union, pytypes.UnionType):
        return _union([argument for argument in arguments if argument is not type(None)])
    if origin is Literal:
        return _union(list({type(value) for value in arguments}))
    if origin is list or (origin is tuple and arguments[1:] == (Ellipsis,)):
        item = parse_type(arguments[0])
        return None if item is None else pa.list_(item)
    if origin in (dict, tuple):
        return None
    if typing.is_typeddict(declared):
        fields = {name: parse_type(hint) for name, hint in typing.get_type_hints(declared).items()}
        return None if None in fields.values() else pa.struct(list(fields.items()))
    return _other(declared)


def _union(members: list[Any]) -> pa.DataType | None:
    types = [parse_type(member) for member in members]
    if not types or None in types:
        return None
    result = types[0]
    for other in types[1:]:
        result = widen(result, other)
        if result is None:
            return None
    return result


def _parse_text(text: str) -> pa.DataType | None:
    if text.endswith("| None"):
        return _parse_text(text.removesuffix("| None").strip())
    if text.startswith(("list[", "List[")) and text.endswith("]"):
        item = _parse_text(text[5:-1].strip())
        return None if item is None else pa.list_(item)
    if text.startswith(("dict[", "Dict[")):
        return None
    if text in _WORDS:
        return parse_type(_WORDS[text])
    try:
        return pa.type_for_alias(text)
    except ValueError:
        raise InvalidTypeError(f"A column cannot be declared {text!r}. {nearest(text, _WORDS)}") from None


def _other(declared: Any) -> pa.DataType | None:
    if isinstance(declared, type):
        for known, arrow in _PYTHON.items():
            if known is not type(None) and issubclass(declared, known):
                return arrow
        if issubclass(declared, (list, tuple, dict)):
            return None
    try:
        return pa.from_numpy_dtype(declared)
    except Exception:
        name = getattr(declared, "__name__", repr(declared))
        raise InvalidTypeError(
            f"A column cannot be declared {name}: a cell is a str, int, float, bool, bytes, date, datetime, Decimal, "
            "or a list or dict of those. Use Any to leave its type open."
        ) from None


def widen(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The narrowest type that holds every cell of both, or None where they have none in common."""
    if a.equals(b) or pt.is_null(b):
        return a
    if pt.is_null(a):
        return b
    for rule in (_widen_numbers, _widen_bytes, _widen_nested, _widen_times):
        found = rule(a, b)
        if found is not None:
            return found
    return None


def _widen_numbers(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    if pt.is_decimal(a) or pt.is_decimal(b):
        return _widen_decimals(a, b)
    if pt.is_integer(a) and pt.is_integer(b):
        if pt.is_signed_integer(a) == pt.is_signed_integer(b):
            return a if a.bit_width >= b.bit_width else b
        unsigned = b if pt.is_signed_integer(a) else a
        return None if unsigned.bit_width == 64 else pa.int64()
    if pt.is_floating(a) and pt.is_floating(b):
        return a if a.bit_width >= b.bit_width else b
    if (pt.is_integer(a) and pt.is_floating(b)) or (pt.is_floating(a) and pt.is_integer(b)):
        return pa.float64()
    return None


def _widen_decimals(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    if not (pt.is_decimal(a) and pt.is_decimal(b)):
        number, other = (a, b) if pt.is_decimal(a) else (b, a)
        return _widen_decimals(number, pa.decimal128(19, 0)) if pt.is_integer(other) else None
    scale = max(a.scale, b.scale)
    digits = max(a.precision - a.scale, b.precision - b.scale) + scale
    if digits > 76:
        return None
    wide = digits > 38 or pt.is_decimal256(a) or pt.is_decimal256(b)
    return pa.decimal256(digits, scale) if wide else pa.decimal128(digits, scale)


def _widen_bytes(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    if _is_text(a) and _is_text(b):
        return pa.large_string()
    if _is_bytes(a) and _is_bytes(b):
        return pa.large_binary() if pt.is_large_binary(a) or pt.is_large_binary(b) else pa.binary()
    return None


def _widen_nested(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    if is_list(a) and is_list(b):
        item = widen(a.value_type, b.value_type)
        if item is None:
            return None
        return pa.large_list(item) if pt.is_large_list(a) or pt.is_large_list(b) else pa.list_(item)
    if pt.is_struct(a) and pt.is_struct(b):
        fields = {field.name: field.type for field in a}
        for field in b:
            found = widen(fields.get(field.name, pa.null()), field.type)
            if found is None:
                return None
            fields[field.name] = found
        return pa.struct(list(fields.items()))
    return None


def _widen_times(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    units = ("s", "ms", "us", "ns")
    if pt.is_timestamp(a) and pt.is_timestamp(b) and (a.tz is None) == (b.tz is None):
        zone = a.tz if a.tz == b.tz else "UTC"  # the instants stay; only what they are shown in changes
        return pa.timestamp(max(a.unit, b.unit, key=units.index), tz=zone)
    if pt.is_duration(a) and pt.is_duration(b):
        return pa.duration(max(a.unit, b.unit, key=units.index))
    return None


def fit(declared: pa.DataType, found: pa.DataType) -> pa.DataType | None:
    """The type under which a `found` column is stored when it was declared, or None where it does not fit."""
    common = widen(declared, found)
    if common is None or not _same_family(declared, common):
        return None
    return common if _keeps_parameters(declared) else declared


def _same_family(a: pa.DataType, b: pa.DataType) -> bool:
    if is_list(a) and is_list(b):
        return _same_family(a.value_type, b.value_type)
    if pt.is_struct(a) and pt.is_struct(b):
        names = {field.name for field in a}
        return names == {field.name for field in b} and all(_same_family(f.type, b.field(f.name).type) for f in a)
    return pt.is_null(a) or type_name(a) == type_name(b)


def _keeps_parameters(declared: pa.DataType) -> bool:
    # digits of a decimal and the zone of a time are not part of a declaration such as `Decimal` or `datetime`
    return pt.is_decimal(declared) or pt.is_timestamp(declared) or pt.is_null(declared)


def is_list(type: pa.DataType) -> bool:
    return pt.is_list(type) or pt.is_large_list(type) or pt.is_fixed_size_list(type)


def _is_text(type: pa.DataType) -> bool:
    return pt.is_string(type) or pt.is_large_string(type)


def _is_bytes(type: pa.DataType) -> bool:
    return pt.is_binary(type) or pt.is_large_binary(type) or pt.is_fixed_size_binary(type)


def type_name(type: pa.DataType) -> str:
    """The Python word for a type, as messages use it: `int`, `list[float]`, `dict`."""
    if is_list(type):
        return f"list[{type_name(type.value_type)}]"
    if type.equals(IMAGE):
        return "image"
    for test, name in _NAMES:
        if test(type):
            return name
    return str(type)


_NAMES: tuple[tuple[Any, str], ...] = (
    (pt.is_null, "None"),
    (pt.is_boolean, "bool"),
    (pt.is_integer, "int"),
    (pt.is_floating, "float"),
    (_is_text, "str"),
    (_is_bytes, "bytes"),
    (pt.is_struct, "dict"),
    (pt.is_timestamp, "datetime"),
    (pt.is_date, "date"),
    (pt.is_time, "time"),
    (pt.is_duration, "timedelta"),
    (pt.is_decimal, "Decimal"),
)
