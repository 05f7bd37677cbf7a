"""Kinds of values and what stands for them: one registration beside a class makes its objects identifiable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import InvalidTypeError

Reduction = Callable[[Any], Any]
Kind = TypeVar("Kind", bound=Reduction)

REGISTERED: dict[type, Reduction] = {}
NAMED: dict[str, Reduction] = {}  # "module.QualifiedName": for types of packages that are not imported here


def register(kind: type) -> Callable[[Kind], Kind]:
    """Say what stands for the values of a type (and of its subclasses) wherever they are identified.

        @register(Tokenizer)
        def _(tokenizer):
            return {"vocabulary": tokenizer.vocabulary, "lowercase": tokenizer.lowercase}

    The function takes a value and returns plain values, or values that are identifiable themselves. They are encoded
    together with the qualified name of the value's type.

    Raises:
        InvalidTypeError: `kind` is not a class.
    """
    if not isinstance(kind, type):
        raise InvalidTypeError(f"@register takes a class, not {kind!r}. Write @register(MyType) above the function.")

    def remember(reduction: Kind) -> Kind:
        REGISTERED[kind] = reduction
        return reduction

    return remember


def named(*names: str) -> Callable[[Kind], Kind]:
    """The same for types by module and qualified name, whose package need not be imported."""

    def remember(reduction: Kind) -> Kind:
        for name in names:
            NAMED[name] = reduction
        return reduction

    return remember


def registered(kind: type) -> Reduction | None:
    """The registration for a type or its nearest base."""
    for base in kind.__mro__:
        found = REGISTERED.get(base) or NAMED.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None:
            return found
    return None
