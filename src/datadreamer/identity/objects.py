"""Every value that is not plain, reduced to a tag and plainer values; or refused, with the way out."""

from __future__ import annotations

import dataclasses
import io
import os
import sys
import types
import typing
from collections.abc import Iterator
from enum import Enum
from functools import cached_property
from typing import Any

from . import foreign  # noqa: F401  (its registrations)
from .classes import is_pydantic, json_schema
from .code import MISSING, explicit_version, reduce_class, reduce_function
from .nodes import Instance, Labeled, Tagged
from .normal import normal_module
from .origin import class_name, class_origin, module_origin, origin, public_name
from .refusal import WAYS_OUT, Refusal
from .registry import registered
from .stdlib import KINDS

FINGERPRINT = "__datadreamer_fingerprint__"
HOLDERS: tuple[Any, ...] = (
    list,
    tuple,
    dict,
    set,
    frozenset,
    str,
    bytes,
    int,
    float,
)  # built-in bases of an object that carries a value
NAMED_CALLABLES = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodWrapperType,
)


def reduce(value: Any) -> Tagged:
    """What stands for a value that is not plain.

    Raises:
        Refusal: nothing reproducible stands for it.
    """
    kind = type(value)
    if kind is types.FunctionType:
        return reduce_function(value)
    if isinstance(value, type):
        return reduce_class(value)
    if hasattr(kind, FINGERPRINT):
        return Tagged("object", [_said_by(kind), getattr(value, FINGERPRINT)()])
    found = registered(kind)
    if found is not None:
        stands_for = found(value)
        return stands_for if isinstance(stands_for, Tagged) else Tagged("object", [class_name(kind), stands_for])
    known = KINDS.get(kind)
    if known is not None:
        name, parts = known
        return Tagged(name, parts(value))
    return _other(value, kind)


def _said_by(kind: type) -> Any:
    """The type of an object that says what stands for it: by name, because it speaks for its code too.

    A class of the user that inherits the method from a package counts by its code: the package cannot know it.
    """
    author = next(base for base in kind.__mro__ if FINGERPRINT in vars(base))
    inherited = class_origin(kind) == "project" and class_origin(author) != "project"
    return kind if inherited else class_name(kind)


def schema_only(cls: type) -> Tagged:
    """A class inside a request: what a model server is sent of it, and nothing of the code that reads its answer."""
    schema = json_schema(cls) if is_pydantic(cls) else None
    return Tagged("class", {"name": class_name(cls)} if schema is None else {"name": class_name(cls), "schema": schema})


def _other(value: Any, kind: type) -> Tagged:
    version = explicit_version(value)
    if version is not None:
        return Tagged("object", [class_name(kind), version])
    if isinstance(value, Enum):
        return Tagged("enum", {"class": kind, "name": value.name, "value": value.value})
    if isinstance(value, types.ModuleType):
        return _module(value)
    if isinstance(value, NAMED_CALLABLES):
        return _built_in(value)
    hint = _type_hint(value)
    if hint is not None:
        return hint
    if isinstance(value, os.PathLike):
        raise _path(value)
    name = _public_name(value, kind)
    if name is not None:
        return Tagged("name", name)
    state = _record(value, kind)
    if state is None and _is_users(kind):
        state = dict(_state(value, kind))
    if state is not None:
        body: dict[str, Any] = {"class": kind, "state": Labeled("attribute '{}'", state)}
        content = _content(value)
        if content is not MISSING:
            body["content"] = content
        return Instance("instance", body, value)
    raise _unknown(value, kind)


# --- objects with state -----------------------------------------------------------------------------------------------


def _record(value: Any, kind: type) -> dict[str, Any] | None:
    """The declared fields of a dataclass, pydantic model, msgspec Struct, attrs class or named tuple."""
    if dataclasses.is_dataclass(kind):
        names: Any = [field.name for field in dataclasses.fields(kind)]
    elif is_pydantic(kind):
        return {**value.__dict__, **(value.__pydantic_extra__ or {}), **(value.__pydantic_private__ or {})}
    elif hasattr(kind, "__struct_fields__"):
        names = kind.__struct_fields__
    elif hasattr(kind, "__attrs_attrs__"):
        names = [attribute.name for attribute in kind.__attrs_attrs__]
    elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return {}  # its content says it
    else:
        return None
    found = {name: getattr(value, name) for name in names if hasattr(value, name)}
    if _is_users(kind):
        found.update(_state(value, kind))
    return found


def _is_users(kind: type) -> bool:
    """Whether every class behind the value is the user's (or a built-in holder): then its state is all there is."""
    return class_origin(kind) == "project" and all(
        class_origin(base) == "project"
        or base in HOLDERS
        or base is object
        or base.__module__ in ("abc", "typing", "collections.abc")
        or issubclass(base, Enum | BaseException)
        for base in kind.__mro__
    )


def _state(value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    """Instance attributes, from `__dict__` and slots; not the results that a `cached_property` left there."""
    for name, item in getattr(value, "__dict__", {}).items():
        cached = isinstance(getattr(kind, name, None), cached_property)
        if name == "__wrapped__" or not (cached or _is_dunder(name)):
            yield name, item
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            item = getattr(value, name, MISSING)
            if item is not MISSING and not _is_dunder(name):
                yield name, item


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _content(value: Any) -> Any:
    """What a value holds as a list, dict, number or text that its class derives from."""
    if isinstance(value, BaseException):
        return list(value.args)
    for holder in HOLDERS:
        if isinstance(value, holder):
            return list(value) if holder is tuple else holder(value)
    return MISSING


# --- modules, built-ins, types ----------------------------------------------------------------------------------------


def _module(value: types.ModuleType) -> Tagged:
    """A module: by name, and one of the user by its code too."""
    if module_origin(value) != "project":
        return Tagged("module", {"name": value.__name__})
    from .nodes import CodeText
    from .source import parse, text_of

    file = str(getattr(value, "__file__", None))
    parsed = parse(text_of(file, vars(value)), file, 0)
    if parsed is None or not parsed.text:
        raise Refusal(f"module '{value.__name__}', which has no source.", "It cannot be read.", WAYS_OUT)
    return Tagged("module", {"name": value.__name__.rpartition(".")[2], "code": CodeText(normal_module(parsed.tree))})


def _built_in(value: Any) -> Tagged:
    """A function or method written in C, by name; a bound one with the object it belongs to."""
    owner = getattr(value, "__self__", None)
    qualname = value.__qualname__
    if owner is None or isinstance(owner, types.ModuleType):
        klass = getattr(value, "__objclass__", None)
        module = getattr(value, "__module__", None) or getattr(klass, "__module__", None) or "builtins"
        return Tagged("name", public_name(module, qualname))
    if isinstance(owner, type):
        return Tagged("name", f"{class_name(owner)}.{value.__name__}")
    return Tagged("method", {"function": value.__name__, "object": owner})


def _type_hint(value: Any) -> Tagged | None:
    """`list[str]`, `int | None`, `Literal["a"]`, a type variable, a new type."""
    generic = typing.get_origin(value)
    if generic is not None:
        return Tagged("hint", [_generic_name(generic), list(typing.get_args(value))])
    if isinstance(value, typing.TypeVar | typing.ParamSpec):
        return Tagged("hint", ["TypeVar", value.__name__])
    if isinstance(value, typing.NewType):
        return Tagged("hint", [value.__name__, value.__supertype__])
    if isinstance(value, typing.ForwardRef):
        return Tagged("hint", ["ForwardRef", value.__forward_arg__])
    if isinstance(value, typing._SpecialForm):
        return Tagged("name", str(value))
    return None


def _generic_name(generic: Any) -> Any:
    """What is subscripted: by name where Python versions make it of different kinds."""
    if generic is types.UnionType:
        return "typing.Union"
    if getattr(generic, "__module__", None) == "typing":
        return f"typing.{getattr(generic, '__name__', None) or getattr(generic, '_name', generic)}"
    return generic


def _public_name(value: Any, kind: type) -> str | None:
    """The name of an object that an installed package offers under it, such as a numpy ufunc."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    for module in (getattr(value, "__module__", None), kind.__module__.split(".")[0]):
        if not isinstance(name, str) or not isinstance(module, str) or origin(module) == "project":
            continue
        if getattr(sys.modules.get(module), name, MISSING) is value:
            return public_name(module, name)
    return None


# --- refusals ---------------------------------------------------------------------------------------------------------


def _path(value: Any) -> Refusal:
    return Refusal(
        f"the path {os.fspath(value)!r}.",
        "A path says where a file is, not what is in it, so changing the file would go unnoticed.",
        "Pass a FileRef with the digest of its content (steps that take files make one of their own file arguments), "
        "pass the content itself, or, where the name alone matters, str(path).",
    )


def _unknown(value: Any, kind: type) -> Refusal:
    what = f"an object of type {class_name(kind)}."
    if isinstance(value, io.IOBase):
        why = "An open file or stream changes as it is read."
    elif isinstance(value, Iterator):
        why = "An iterator is used up by being read; pass a list."
    else:
        why = "Nothing in it says what another machine would need to have the same."
    return Refusal(what, why)
