"""The declaration of a step class, and binding what a caller passes to it.

There is one declaration behind all spellings: typed fields in the class body, `register_input/arg/output` in `setup()`,
and the `inputs={}`, `args={}`, `outputs={}` dictionaries are three ways to write and to fill the same table.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, ClassVar, get_origin

from ..errors import InvalidArgumentError, InvalidTypeError, nearest
from .fields import Field, input_role, resolve_annotation
from .typecheck import describe, fits


@dataclass(slots=True)
class Declaration:
    """Fields by name, in the order they were declared. A column may be read and given under one name: two tables."""

    fields: dict[str, Field] = field(default_factory=dict)  # inputs, settings, runtime fields
    outputs: dict[str, Field] = field(default_factory=dict)
    any_args: bool = False  # `register_arg("**kwargs")`: further settings are welcome, whatever their names

    def of_role(self, *roles: str) -> dict[str, Field]:
        return {name: item for name, item in self.fields.items() if item.role in roles}

    @property
    def inputs(self) -> dict[str, Field]:
        return self.of_role("input", "rows")

    @property
    def settings(self) -> dict[str, Field]:
        return self.of_role("setting")

    def without(self, names: set[str]) -> Declaration:
        """A copy that lacks these fields."""
        kept = {name: item for name, item in self.fields.items() if name not in names}
        return Declaration(kept, dict(self.outputs), self.any_args)

    def add(self, item: Field) -> None:
        (self.outputs if item.role == "output" else self.fields)[item.name] = item


def declaration_of(cls: type, root: type) -> Declaration:
    """Read the annotated fields of `cls` and its bases down from `root`; cached on each class."""
    cached = cls.__dict__.get("_declaration_cache")
    if cached is not None:
        return cached
    declared = Declaration()
    for base in reversed(cls.__mro__):
        if issubclass(base, root):
            _read_class(base, declared)
    cls._declaration_cache = declared  # type: ignore[attr-defined]
    return declared


def _read_class(cls: type, declared: Declaration) -> None:
    annotations = inspect.get_annotations(cls)
    for name, value in vars(cls).items():
        if name in declared.fields and name not in annotations and not _is_code(value):
            declared.add(_with_default(declared.fields[name], value))
    for name, raw in annotations.items():
        annotation = resolve_annotation(raw, cls)
        if name.startswith("_") or is_class_variable(annotation):
            continue
        given = cls.__dict__.get(name)
        item = given if isinstance(given, Field) else Field("setting", name)
        if not isinstance(given, Field) and name in cls.__dict__:
            item.default = given
        item.name, item.annotation = name, annotation
        if item.role == "setting":
            item.role = input_role(annotation) or "setting"
        declared.add(item)


def _is_code(value: Any) -> bool:
    return inspect.isroutine(value) or isinstance(value, property | staticmethod | classmethod)


def _with_default(inherited: Field, value: Any) -> Field:
    """An inherited field to which a subclass gives a value of its own, without repeating its type."""
    if isinstance(value, Field):
        return replace(value, name=inherited.name, annotation=inherited.annotation)
    return replace(inherited, default=value, default_factory=None)


def is_class_variable(annotation: Any) -> bool:
    """Whether an annotation, resolved or a string, says `ClassVar`."""
    if isinstance(annotation, str):
        return "ClassVar" in annotation
    return annotation is ClassVar or get_origin(annotation) is ClassVar


def bind(
    declared: Declaration,
    who: str,
    inputs: Mapping[str, Any],
    args: Mapping[str, Any],
    keywords: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Match what the caller gave against the declaration.

    Returns the inputs and the settings (with defaults filled in), in the order of the declaration.

    Raises:
        InvalidArgumentError: a name is unknown (the nearest known one is named), given twice, or missing.
        InvalidTypeError: a column is expected and something else was given, or a setting has the wrong type.
    """
    given_inputs, given_args = dict(inputs), dict(args)
    for name, value in keywords.items():
        target = given_inputs if name in declared.inputs else given_args
        if name in target:
            raise InvalidArgumentError(f"{who} got '{name}' twice: as a keyword and in a dictionary. Give it once.")
        target[name] = value
    return _bind_inputs(declared, who, given_inputs), _bind_args(declared, who, given_args)


def _bind_inputs(declared: Declaration, who: str, given: dict[str, Any]) -> dict[str, Any]:
    _refuse_unknown(who, "input", given, declared.inputs)
    bound = {}
    for name, item in declared.inputs.items():
        value = given.get(name)
        if value is None and item.required:
            raise InvalidArgumentError(f"{who} needs the input '{name}'. {_how_to_give(item)}")
        if value is not None:
            bound[name] = _checked_input(who, item, value)
    return bound


def _how_to_give(item: Field) -> str:
    if item.role == "rows":
        return f"Pass the result of another step, for example: {item.name}=step"
    return f'Pass a column of another step, for example: {item.name}=step["column"]'


def _checked_input(who: str, item: Field, value: Any) -> Any:
    if item.role == "rows":
        value = value.output if hasattr(type(value), "output") else value  # a step stands for its result
    kind = _kind(value)
    if kind is None or (item.role == "input" and kind != "column"):
        found = f"{type(value).__name__} {value!r}"[:120]
        raise InvalidTypeError(f"{who}: the input '{item.name}' must be a column, not {found}. {_how_to_give(item)}")
    return value


def _kind(value: Any) -> str | None:
    """`"column"` or `"rows"` for what steps give, None for anything else."""
    if not hasattr(type(value), "column_names"):  # of the type: for lazy rows, the value would make a row to see
        return None
    from ..datasets import OutputDataset, OutputDatasetColumn, OutputIterableDataset, OutputIterableDatasetColumn

    if isinstance(value, OutputDatasetColumn | OutputIterableDatasetColumn):
        return "column"
    return "rows" if isinstance(value, OutputDataset | OutputIterableDataset) else None


def _bind_args(declared: Declaration, who: str, given: dict[str, Any]) -> dict[str, Any]:
    known = declared.of_role("setting", "runtime")
    if not declared.any_args:
        _refuse_unknown(who, "argument", given, known)
    bound = {}
    for name, item in known.items():
        if name not in given:
            if item.required:
                hint = f" ({item.help})" if item.help else ""
                raise InvalidArgumentError(f"{who} needs the argument '{name}'{hint}.{_misspelt(name, given, known)}")
            bound[name] = item.make_default()
            continue
        value = _plain(given[name])
        allowed_none = value is None and not item.required and item.default is None
        if not allowed_none and item.annotation is not None and not fits(value, item.annotation):
            raise InvalidTypeError(
                f"{who}: the argument '{name}' must be {describe(item.annotation)}, "
                f"not {type(value).__name__} {value!r}."[:400]
            )
        bound[name] = value
    bound.update({name: value for name, value in given.items() if name not in known})
    return bound


def _misspelt(name: str, given: Iterable[str], known: Iterable[str]) -> str:
    """Where further settings are welcome, a misspelt one looks like a missing one."""
    close = get_close_matches(name, [other for other in given if other not in set(known)], n=1, cutoff=0.7)
    return f" You gave '{close[0]}': is it meant?" if close else ""


def _plain(value: Any) -> Any:
    """A NumPy number as Python's own: what is meant is the number."""
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "shape", None) == () else value


def _refuse_unknown(who: str, kind: str, given: Iterable[str], known: Mapping[str, Field]) -> None:
    for name in given:
        if not isinstance(name, str):
            raise InvalidTypeError(f"{who}: {kind} names are strings, not {type(name).__name__} {name!r}.")
        if name not in known:
            raise InvalidArgumentError(f"{who} has no {kind} '{name}'. {nearest(name, known)}")
