"""Does a value fit a field's annotation? Checks what can be checked cheaply, and lets through what cannot."""

from __future__ import annotations

import collections.abc
import re
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin

_MODULES = re.compile(r"(?:[A-Za-z_<][\w<>]*\.)+")


def fits(value: Any, annotation: Any) -> bool:
    """True when `value` may be passed where `annotation` stands. An int passes for a float, as in typing."""
    if annotation is Any or annotation is None or isinstance(annotation, str | typing.TypeVar):
        return annotation is not None or value is None
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(fits(value, choice) for choice in get_args(annotation))
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(annotation))
    if annotation is type(None):
        return value is None
    if origin is typing.Annotated:
        return fits(value, get_args(annotation)[0])
    if annotation is collections.abc.Callable or origin is collections.abc.Callable:
        return callable(value)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(origin or annotation, type):
        return _is_instance(value, origin or annotation) and _items_fit(value, origin, get_args(annotation))
    return True


def _is_instance(value: Any, kind: type) -> bool:
    try:
        return isinstance(value, kind)
    except TypeError:  # a Protocol without @runtime_checkable, and the like
        return True


def _items_fit(value: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if not arguments:
        return True
    if isinstance(value, list | set | frozenset):
        return all(fits(item, arguments[0]) for item in value)
    if isinstance(value, dict) and len(arguments) == 2:
        return all(fits(key, arguments[0]) and fits(item, arguments[1]) for key, item in value.items())
    return True


def describe(annotation: Any) -> str:
    """The annotation as a person would write it."""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return _MODULES.sub("", str(annotation)).replace("NoneType", "None")
