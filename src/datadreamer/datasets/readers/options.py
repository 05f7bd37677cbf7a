"""Options of a source: known names, defaults, and a canonical form that can count in a fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidArgumentError, nearest


def settle(kind: str, known: Mapping[str, Any], aliases: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a reader, the given ones over the defaults.

    Raises:
        InvalidArgumentError: a name is unknown, or given twice under two names.
    """
    options = dict(known)
    seen: dict[str, str] = {}
    for name, value in given.items():
        real = aliases.get(name, name)
        if real not in known:
            raise InvalidArgumentError(f"A {kind} source has no option {name!r}. {nearest(name, [*known, *aliases])}")
        if real in seen:
            raise InvalidArgumentError(f"{seen[real]!r} and {name!r} are the same option of a {kind} source.")
        seen[real] = name
        options[real] = value
    return options


def canonical(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON-able values: types by their text, tuples as lists."""
    return {name: _plain(_types(value) if name == "column_types" else value) for name, value in sorted(options.items())}


def _types(declared: Mapping[str, Any] | None) -> dict[str, str]:
    from ..types import parse_type

    return {name: str(parse_type(type_)) for name, type_ in (declared or {}).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
