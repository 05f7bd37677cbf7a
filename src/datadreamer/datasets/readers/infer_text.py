"""What a column of text cells holds: whole numbers, numbers, true/false, or text.

The rules, for all cells of a column that are not empty:
* `true` and `false`, in any case, are a bool;
* digits with an optional minus are an int, if they fit 64 bits and none has a leading zero (`007` is a name, not 7);
* decimal or scientific notation is a float, `nan` and `inf` only beside real numbers, and only if no cell would lose
  digits (whole numbers of more than 15 digits);
* anything else is text. Dates are text until `column_types` says otherwise.
An empty cell is null in a column of numbers or bools, and empty text in a text column.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_BOOL = r"^(?i:true|false)$"
_INT = r"^-?(0|[1-9][0-9]*)$"
_FLOAT = r"^[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_SPECIAL = r"^[+-]?(?i:nan|inf|infinity)$"
_LONG = r"^-?[0-9]{16,}$"


class TextColumn:
    """What is still possible for a column, narrowed cell by cell."""

    def __init__(self) -> None:
        self._possible = ["bool", "int", "float"]
        self._filled = self._numbers = False

    def look(self, cells: pa.Array) -> None:
        if not self._possible and self._filled:
            return
        filled = cells.filter(pc.fill_null(pc.not_equal(cells, ""), False))
        if not len(filled):
            return
        self._filled = True
        self._possible = [kind for kind in self._possible if self._all(kind, filled)]

    def _all(self, kind: str, cells: pa.Array) -> bool:
        if kind == "bool":
            return _every(cells, _BOOL)
        if kind == "int":
            return _every(cells, _INT) and _fits(cells)
        special = pc.match_substring_regex(cells, _SPECIAL)
        numbers = cells.filter(pc.invert(special))
        self._numbers = self._numbers or len(numbers) > 0
        return _every(numbers, _FLOAT) and not pc.any(pc.match_substring_regex(numbers, _LONG)).as_py()

    @property
    def type(self) -> pa.DataType:
        if not self._filled:
            return pa.null()
        if "bool" in self._possible:
            return pa.bool_()
        if "int" in self._possible:
            return pa.int64()
        return pa.float64() if "float" in self._possible and self._numbers else pa.string()


def _every(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(cells, pattern), min_count=0).as_py())


def _fits(cells: pa.Array) -> bool:
    try:
        cells.cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def to_type(cells: pa.Array, target: pa.DataType) -> pa.Array:
    """Text cells as `target`; empty ones are null unless it is text. Raises pa.ArrowInvalid where one is not."""
    if pa.types.is_string(target) or pa.types.is_large_string(target):
        return cells.cast(target)
    if pa.types.is_null(target):
        return pa.nulls(len(cells))
    cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)
    if pa.types.is_boolean(target):
        return _bools(cells)
    if pa.types.is_decimal(target):
        return pc.utf8_trim_whitespace(cells).cast(target)
    return cells.cast(target)


def _bools(cells: pa.Array) -> pa.Array:
    lower = pc.utf8_lower(cells)
    known = pc.is_in(lower, value_set=pa.array(["true", "false", "1", "0"]))
    wrong = cells.filter(pc.and_(pc.is_valid(cells), pc.invert(known)))
    if len(wrong):
        raise pa.ArrowInvalid(f"{wrong[0].as_py()!r} is not true or false")
    made = pc.is_in(lower, value_set=pa.array(["true", "1"]))
    return pc.if_else(pc.is_valid(cells), made, pa.scalar(None, pa.bool_()))
