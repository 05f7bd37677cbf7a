"""References in a JSON Schema put in their places: what most services, and most readers, understand best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .schema_check import resolve

_DEFINITIONS = ("$defs", "definitions")


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` without references. A recursive schema keeps those that lead back, and the definitions they name."""
    kept: set[str] = set()
    found = _inlined(schema, schema, (), kept)
    for reference in sorted(kept):
        found = _with_definition(found, reference, schema, kept)
    return found


def _inlined(schema: Any, root: Mapping[str, Any], inside: tuple[str, ...], kept: set[str]) -> Any:
    if isinstance(schema, list):
        return [_inlined(part, root, inside, kept) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _in_place(schema, reference, root, inside, kept)
    return {
        name: part if name in ("enum", "const", "default", "examples") else _inlined(part, root, inside, kept)
        for name, part in schema.items()
        if name not in _DEFINITIONS
    }


def _in_place(
    schema: Mapping[str, Any], reference: str, root: Mapping[str, Any], inside: tuple[str, ...], kept: set[str]
) -> Any:
    target = resolve(root, reference)
    beside = {name: part for name, part in schema.items() if name != "$ref" and name not in _DEFINITIONS}
    if reference in inside or _leads_back(target, reference, root, set()):
        kept.add(reference)
        return {"$ref": reference}
    found = _inlined(target, root, (*inside, reference), kept)
    return {**found, **_inlined(beside, root, inside, kept)} if isinstance(found, dict) else found


def _leads_back(schema: Any, reference: str, root: Mapping[str, Any], seen: set[str]) -> bool:
    if isinstance(schema, list):
        return any(_leads_back(part, reference, root, seen) for part in schema)
    if not isinstance(schema, Mapping):
        return False
    other = schema.get("$ref")
    if other == reference:
        return True
    if isinstance(other, str) and other not in seen:
        seen.add(other)
        if _leads_back(resolve(root, other), reference, root, seen):
            return True
    return any(_leads_back(part, reference, root, seen) for name, part in schema.items() if name not in _DEFINITIONS)


def _with_definition(found: dict[str, Any], reference: str, root: Mapping[str, Any], kept: set[str]) -> dict[str, Any]:
    """`found` with the definition that a kept reference names. A schema that is one reference is its target."""
    if reference == "#":
        return found
    name = reference.rpartition("/")[2]
    group = "definitions" if reference.startswith("#/definitions/") else "$defs"
    target = resolve(root, reference)
    definition = {
        key: part if key in ("enum", "const", "default", "examples") else _inlined(part, root, (reference,), kept)
        for key, part in target.items()
    }
    if set(found) == {"$ref"} or found.get("$ref") == reference:
        found = dict(definition)
    return {**found, group: {**found.get(group, {}), name: definition}}
