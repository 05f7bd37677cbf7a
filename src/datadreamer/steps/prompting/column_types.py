"""The Arrow type of a column, from the JSON Schema of its values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from ...datasets.types import type_name, widen
from ...errors import InvalidTypeError

_SIMPLE = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "null": pa.null(),
}
_PYTHON = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def column_type(schema: Any, path: str = "") -> pa.DataType | None:
    """The type that a column of such values has; None where it follows from the values alone.

    An object without known properties, a list of anything and a recursive type have none before there are rows.

    Raises:
        InvalidTypeError: the values may be of two kinds that no column holds both of.
    """
    if not isinstance(schema, Mapping) or "$ref" in schema or "allOf" in schema:
        return None
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return _common((column_type(part, path) for part in schema[name]), path)
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return _common((_SIMPLE.get(_PYTHON.get(type(value), "")) for value in values), path)
    kind = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(kind, list):
        return _common((column_type({**schema, "type": one}, path) for one in kind), path)
    if kind == "object":
        return _struct(schema, path)
    if kind == "array":
        return _list(schema, path)
    found = _SIMPLE.get(str(kind))
    return _common((found, pa.null()), path) if schema.get("nullable") is True else found


def _struct(schema: Mapping[str, Any], path: str) -> pa.DataType | None:
    properties = schema.get("properties")
    if not properties or schema.get("additionalProperties", False) is not False or "patternProperties" in schema:
        return None
    fields = {name: column_type(part, f"{path}.{name}") for name, part in properties.items()}
    return None if None in fields.values() else pa.struct(list(fields.items()))


def _list(schema: Mapping[str, Any], path: str) -> pa.DataType | None:
    parts = [*schema.get("prefixItems", ())]
    if schema.get("items") is not False:
        parts.append(schema.get("items"))
    item = _common((column_type(part, f"{path}[]") for part in parts), f"{path}[]")
    return None if item is None else pa.list_(item)


def _common(types: Iterable[pa.DataType | None], path: str) -> pa.DataType | None:
    found: pa.DataType | None = pa.null()
    for other in types:
        if other is None:
            return None
        wider = widen(found, other)
        if wider is None:
            raise InvalidTypeError(
                f"{path.lstrip('.') or 'an answer'} may be {type_name(found)} or {type_name(other)}, and a column has "
                "one type"
            )
        found = wider
    return found
