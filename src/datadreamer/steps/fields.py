"""What a step is declared with: columns it reads, settings, runtime fields, columns it gives."""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, get_args, get_origin, overload

T_co = TypeVar("T_co", covariant=True)

Role = Literal["input", "rows", "setting", "runtime", "output"]


class Column(Protocol[T_co]):
    """A column of another step's result, as an input of this one. `T` is the type of one value.

    In a class body `document: Column[str]` declares an input; a caller passes `papers["abstract"]`, and `process()`
    receives one value of it at a time.
    """

    @property
    def column_names(self) -> list[str]: ...

    def __iter__(self) -> Iterator[T_co]: ...


class Rows(Protocol):
    """A whole result of another step (all its columns), as an input of this one."""

    @property
    def column_names(self) -> list[str]: ...

    @property
    def num_rows(self) -> int | None: ...


class _Missing:
    def __repr__(self) -> str:
        return "(required)"

    def __bool__(self) -> bool:
        return False


MISSING: Any = _Missing()


@dataclass(slots=True)
class Field:
    """One declared field. As a class attribute it is also how a finished step gives its column: `step.summary`."""

    role: Role
    name: str = ""
    default: Any = MISSING
    default_factory: Callable[[], Any] | None = None
    annotation: Any = None
    help: str | None = None
    default_help: str | None = None

    @property
    def required(self) -> bool:
        return self.default is MISSING and self.default_factory is None

    def make_default(self) -> Any:
        if self.default_factory is not None:
            return self.default_factory()
        return _own_copy(self.default)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Field: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Any: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        if self.role == "output":
            return instance.output[instance.output_name_mapping[self.name]]
        raise AttributeError(f"{owner.__name__}.{self.name} has no value yet")


def _own_copy(value: Any) -> Any:
    """A mutable default belongs to one step only; what it holds besides containers is shared."""
    if isinstance(value, dict):
        return type(value)({key: _own_copy(item) for key, item in value.items()})
    if isinstance(value, list):
        return type(value)(map(_own_copy, value))
    return type(value)(value) if isinstance(value, set) else value


def setting(
    *, default: Any = MISSING, default_factory: Callable[[], Any] | None = None, help: str | None = None
) -> Any:
    """A field that counts in the fingerprint; the same as a plain annotated field, with room for a help text."""
    return Field("setting", default=default, default_factory=default_factory, help=help)


def runtime(
    *, default: Any = MISSING, default_factory: Callable[[], Any] | None = None, help: str | None = None
) -> Any:
    """A field that never counts in the fingerprint: concurrency, batch sizes, verbosity."""
    return Field("runtime", default=default, default_factory=default_factory, help=help)


def positional(*, default: Any = MISSING, kw_only: Literal[False] = False, help: str | None = None) -> Any:
    """A runtime field that may be given without its name."""
    return Field("runtime", default=default, help=help)


def output(*, help: str | None = None, init: Literal[False] = False) -> Any:
    """A column of the result. Its annotation is the type that every row is checked against."""
    return Field("output", help=help)


_COLUMN = re.compile(r"(?:^|[\[|,]\s*)(?:[\w.]+\.)?(Column|Rows)\b")


def resolve_annotation(annotation: Any, cls: type) -> Any:
    """The type behind a string annotation, or the string itself where its names cannot be seen from here."""
    if not isinstance(annotation, str):
        return annotation
    module = sys.modules.get(cls.__module__)
    names = {**vars(typing), "Column": Column, "Rows": Rows, **(vars(module) if module else {})}
    try:
        found = eval(annotation, names, dict(vars(cls)))  # an annotation is the author's own code, already imported
    except Exception:
        return annotation
    return resolve_annotation(found, cls) if isinstance(found, str) and found != annotation else found


def input_role(annotation: Any) -> Role | None:
    """`"input"` for `Column[...]`, `"rows"` for `Rows`, also when optional; None for anything else."""
    if isinstance(annotation, str):
        found = _COLUMN.search(annotation)
        return None if not found else ("input" if found.group(1) == "Column" else "rows")
    for candidate in (annotation, *get_args(annotation)):
        bare = get_origin(candidate) or candidate
        if bare is Column:
            return "input"
        if bare is Rows:
            return "rows"
    return None
