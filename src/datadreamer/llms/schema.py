"""The shape an answer must have, as JSON Schema: from a pydantic model, a dataclass, a Struct or a plain schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import InvalidTypeError


def response_format(value: Any) -> dict[str, Any]:
    """`value` in canonical form.

    Args:
        value: a pydantic model class, a dataclass, a TypedDict, a `msgspec.Struct` class; a JSON Schema (a dict); or
            the form that OpenAI documents, `{"type": "json_object"}` or `{"type": "json_schema", "json_schema": ...}`;
            where a model decodes by them, `{"type": "regex", "pattern": ...}`, `{"type": "choices", "choices": ...}`.

    Returns:
        `{"type": "json_object"}`, `{"type": "json_schema", "name": ..., "schema": {...}}`, or the last two as they are.
    """
    if isinstance(value, Mapping):
        return _from_mapping(value)
    if isinstance(value, type) and hasattr(value, "model_json_schema"):  # pydantic
        return _named(value.__name__, value.model_json_schema())
    if isinstance(value, type) and (dataclasses.is_dataclass(value) or _described(value)):
        return _named(value.__name__, _inlined(msgspec.json.schema(value)))
    raise InvalidTypeError(
        "'response_format' takes a pydantic model class, a dataclass, a Struct class or a JSON Schema, "
        f"not {value!r:.80}"
    )


def _from_mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    inner = value.get("json_schema")
    if value.get("type") == "json_schema" and isinstance(inner, Mapping):
        return _named(str(inner.get("name", "answer")), dict(inner.get("schema", {})))
    if value.get("type") == "json_schema" and "schema" in value:
        return _named(str(value.get("name", "answer")), dict(value["schema"]))
    if value.get("type") in ("json_object", "text"):
        return {"type": value["type"]}
    if value.get("type") == "regex" and "pattern" in value:
        return {"type": "regex", "pattern": str(value["pattern"])}
    if value.get("type") == "choices" and "choices" in value:
        return {"type": "choices", "choices": [str(choice) for choice in value["choices"]]}
    return _named(str(value.get("title", "answer")), dict(value))


def _named(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "name": safe_name(name), "schema": schema}


def safe_name(name: str) -> str:
    """A name that services take for a schema: letters, digits, "_" and "-", at most 64 of them."""
    safe = "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in name)[:64]
    return safe or "answer"


def _described(value: type) -> bool:
    return issubclass(value, msgspec.Struct) or hasattr(value, "__total__")  # a TypedDict has __total__


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Services want an object at the top, where msgspec writes a reference to a definition."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    definitions = dict(schema["$defs"])
    top = dict(definitions.pop(reference.rsplit("/", 1)[1]))
    if definitions:
        top["$defs"] = definitions
    return top
