"""What a type accepts beyond its JSON Schema: the code of its validators, for identities."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

_GROUPS = ("validators", "field_validators", "root_validators", "model_validators")


def validators(kind: Any) -> list[Any]:
    """The functions that decide whether a value of `kind` is accepted, in the order of the type's parts."""
    return list(_walk(kind, set()))


def _walk(kind: Any, seen: set[int]) -> Iterator[Any]:
    if id(kind) in seen:
        return
    seen.add(id(kind))
    for marker in getattr(kind, "__metadata__", ()):  # of Annotated
        yield from _of_marker(marker)
    for part in typing.get_args(kind):
        yield from _walk(part, seen)
    if isinstance(kind, type):
        yield from _of_class(kind, seen)


def _of_class(kind: type, seen: set[int]) -> Iterator[Any]:
    decorators = getattr(kind, "__pydantic_decorators__", None)
    for group in _GROUPS:
        for name in sorted(getattr(decorators, group, None) or {}):
            yield _plain(getattr(decorators, group)[name].func)
    fields = getattr(kind, "__pydantic_fields__", None) or {}
    for field in fields.values():
        yield from _walk(field.annotation, seen)
        for marker in field.metadata:
            yield from _of_marker(marker)
    if fields:
        return
    if not any(hasattr(kind, mark) for mark in ("__dataclass_fields__", "__struct_fields__", "__total__")):
        return
    after = getattr(kind, "__post_init__", None)
    if after is not None:
        yield after
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except Exception:  # names that cannot be seen from here: the schema has been made of them, and counts
        return
    for hint in hints.values():
        yield from _walk(hint, seen)


def _of_marker(marker: Any) -> Iterator[Any]:
    function = getattr(marker, "func", None)
    if callable(function):
        yield _plain(function)


def _plain(function: Any) -> Any:
    """The function itself, not the method that is bound to the class whose identity is asked for."""
    wrapped = getattr(function, "wrapped", function)  # pydantic's proxy around a decorated function
    return getattr(wrapped, "__func__", wrapped)
