"""The schema of a dataset while it is being written: known names, types that may widen, errors that name the row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ..errors import StepOutputError, StepOutputTypeError, nearest
from .convert import CellError, cast, cell_name, kind_of, to_array
from .types import IMAGE, fit, parse_type, type_name, widen


class GrowingSchema:
    """Column names and their types so far.

    Args:
        step: the step's name for messages, or "".
        declared: column to declared type (see `parse_type`); these columns, in this order, are then the only ones.
        returned_by: who gave the values, for messages: `process()`.
    """

    def __init__(self, step: str, declared: Mapping[str, Any] | None, returned_by: str) -> None:
        self._where = f" of step {step!r}" if step else ""
        self._returned_by = returned_by
        self.declared = {name: parse_type(type_) for name, type_ in (declared or {}).items()}
        self.types: dict[str, pa.DataType] = {
            name: pa.null() if type_ is None else type_ for name, type_ in self.declared.items()
        }
        self.images: set[str] = set()
        self.metadata: dict[bytes, bytes] | None = None
        self.version = 0  # changes whenever a type does

    @property
    def names(self) -> list[str]:
        return list(self.types)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(list(self.types.items()), metadata=self.metadata)

    def name_columns(self, names: Iterable[Any], row: int) -> None:
        """Settle the names with the first row."""
        for name in names:
            if not isinstance(name, str):
                raise StepOutputError(f"Row {row}{self._where}: a column name must be text, not {cell_name(name)}.")
            if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
                raise StepOutputError(
                    f"Row {row}{self._where}: the column name {name!r} has half of a surrogate pair, which is not "
                    'valid Unicode. Clean it with name.encode("utf-8", "replace").decode().'
                )
            self.types[name] = pa.null()

    def wrong_names(self, given: Iterable[Any], row: int) -> StepOutputError:
        """The error for a row whose columns are not the known ones."""
        given = list(given)
        missing = [name for name in self.types if name not in given]
        extra = [str(name) for name in given if name not in self.types]
        known = "declared columns" if self.declared else "columns of the first row"
        if extra and not missing:
            problem = f"has a column {extra[0]!r} that is not among the {known}. {nearest(extra[0], self.types)}"
        else:
            problem = f"has no column {missing[0]!r}; it has {', '.join(map(repr, given)) or 'none'}."
            problem += f" The {known} are {', '.join(map(repr, self.types))}; give None where there is no value."
        return StepOutputError(f"Row {row}{self._where} {problem}")

    def convert(self, name: str, values: Sequence[Any], first_row: int) -> pa.Array:
        """A column of Python values, typed, and the known type widened where that is sound."""
        try:
            array = to_array(values)
            if array.type.equals(IMAGE):
                self._note_images(name, values)
        except CellError as error:
            raise self._misfit(name, values, first_row, error) from None
        target = self._target(name, array.type)
        if target is None:
            raise self._misfit(name, values, first_row, None)
        try:
            return self._settle(name, array, target)
        except pa.ArrowInvalid as error:
            raise self._inexact(name, values, first_row, target, error) from None

    def adopt(self, name: str, array: pa.Array, first_row: int) -> pa.Array:
        """A column that is Arrow already."""
        target = self._target(name, array.type)
        if target is None:
            values = array.slice(0, 1000).to_pylist()
            raise self._misfit(name, values, first_row, None)
        try:
            return self._settle(name, array, target)
        except pa.ArrowInvalid as error:
            raise self._inexact(name, array.to_pylist(), first_row, target, error) from None

    def _target(self, name: str, found: pa.DataType) -> pa.DataType | None:
        declared = self.declared.get(name)
        if declared is None:
            return widen(self.types[name], found)
        fitted = fit(declared, found)
        return None if fitted is None else widen(self.types[name], fitted)

    def _settle(self, name: str, array: pa.Array, target: pa.DataType) -> pa.Array:
        made = cast(array, target)
        if not target.equals(self.types[name]):
            self.types[name] = target
            self.version += 1
        return made

    def _note_images(self, name: str, values: Sequence[Any]) -> None:
        first = next(value for value in values if value is not None)
        if kind_of(type(first)) == "image":
            self.images.add(name)

    # --- errors -------------------------------------------------------------------------------------------------------

    def _misfit(self, name: str, values: Sequence[Any], first_row: int, error: CellError | None) -> StepOutputTypeError:
        index = self._first_misfit(name, values)
        if error is not None and (index is None or index >= error.index):
            return self._cell_error(name, first_row, error)
        return self._type_error(name, first_row + (index or 0), values[index or 0])

    def _first_misfit(self, name: str, values: Sequence[Any]) -> int | None:
        for index, value in enumerate(values):
            try:
                if value is not None and self._target(name, to_array([value]).type) is None:
                    return index
            except CellError:
                return index
        return None

    def _cell_error(self, name: str, first_row: int, error: CellError) -> StepOutputTypeError:
        row = first_row + error.index
        top_level = " " not in (error.expected or " ") and not error.reason.startswith("in ")
        if top_level and error.expected is not None and "go together" in error.reason:
            return self._type_error(name, row, error.value, error.expected)
        return StepOutputTypeError(
            f"Row {row}{self._where}: column {name!r} cannot hold {cell_name(error.value)}: {error.reason}."
        )

    def _type_error(self, name: str, row: int, value: Any, expected: str | None = None) -> StepOutputTypeError:
        declared = self.declared.get(name)
        found = f"but {self._returned_by} returned {cell_name(value)}."
        if declared is not None:
            return StepOutputTypeError(
                f"Row {row}{self._where}: column {name!r} is declared {type_name(declared)}, {found}"
            )
        known = self.types[name]
        word = expected if expected and known == pa.null() else type_name(known)
        return StepOutputTypeError(
            f"Row {row}{self._where}: column {name!r} holds {word} in the rows before it, {found} "
            "Return one type in every row, and None where there is no value."
        )

    def _inexact(
        self, name: str, values: Sequence[Any], first_row: int, target: pa.DataType, error: Exception
    ) -> StepOutputTypeError:
        for index, value in enumerate(values):
            try:
                cast(to_array([value]), target)
            except (pa.ArrowInvalid, CellError):
                return StepOutputTypeError(
                    f"Row {first_row + index}{self._where}: column {name!r} holds {type_name(target)} ({target}), and "
                    f"{cell_name(value)} cannot be written as one without changing it."
                )
        return StepOutputTypeError(f"Column {name!r}{self._where} cannot become {type_name(target)}: {error}.")
