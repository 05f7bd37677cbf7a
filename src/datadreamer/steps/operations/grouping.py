"""`group_by`: one row for every group of rows that are equal in some columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ...datasets import Rows as StoredRows
from ...datasets import zip_rows
from ...errors import InvalidArgumentError, InvalidTypeError, nearest
from ..fields import runtime
from .keys import Groups, group_rows
from .whole import WholeStep

ALL = "*"  # counts rows, whatever is in them


class GroupByStep(WholeStep):
    """One row for every group of rows that are equal in some columns, in the order in which the groups appear.

    Args:
        column_names: the columns that make a group; None is equal to None.
        aggregations: new column to `(column, function)`. Functions: `count` (values that are not None; of the column
            `"*"`, rows), `sum`, `mean`, `min`, `max` (of the values that are not None; None when there is none), `list`
            (all values, in order), `first` (the value of the group's first row).
    """

    column_names: list[str]
    aggregations: dict[str, Any]
    lazy: bool = runtime(default=False)

    def check(self) -> None:
        if not self.column_names:
            raise InvalidArgumentError(f"Step '{self.name}': group_by() needs at least one column name.")
        self._wanted = {new: self._aggregation(new, given) for new, given in self.aggregations.items()}
        self.known_columns([*self.column_names, *(column for column, _ in self._wanted.values() if column != ALL)])
        twice = next((name for name in self._wanted if name in self.column_names), None)
        if twice is not None:
            raise InvalidArgumentError(
                f"Step '{self.name}': the new column '{twice}' is one of the columns grouped by."
            )
        self.origins = {"*": "computed:source", **dict.fromkeys(self.column_names, "copied:source")}  # type: ignore[misc]
        super().check()

    def _aggregation(self, new: str, given: Any) -> tuple[str, str]:
        if isinstance(given, str) or len(given) != 2 or not all(isinstance(part, str) for part in given):
            raise InvalidTypeError(
                f"Step '{self.name}': '{new}' must be a column and a function, for example (\"score\", \"mean\"), "
                f"not {given!r}."
            )
        column, function = given
        if function not in _FUNCTIONS:
            raise InvalidArgumentError(f"Step '{self.name}': no function '{function}'. {nearest(function, _FUNCTIONS)}")
        if column == ALL and function != "count":
            raise InvalidArgumentError(f'Step \'{self.name}\': only "count" can be of "*", not "{function}".')
        return column, function

    def columns(self, names: list[str]) -> list[str] | None:
        return [*self.column_names, *self._wanted]

    def computed(self, rows: StoredRows) -> tuple[StoredRows, Any]:
        groups = group_rows(rows, self.column_names)
        parts = [rows.select_columns(self.column_names).select(groups.first)]
        for new, (column, function) in self._wanted.items():
            parts.append(self._aggregated(rows, groups, new, column, function))
        return zip_rows(parts), groups.members()

    def _aggregated(self, rows: StoredRows, groups: Groups, new: str, column: str, function: str) -> StoredRows:
        if function == "first":
            return rows.select_columns(column).rename_columns({column: new}).select(groups.first)
        if column == ALL:
            return StoredRows.from_table(pa.table({new: groups.sizes}))
        cells = rows.select_columns(column).table().column(0)
        try:
            made = _FUNCTIONS[function](cells, groups)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise InvalidTypeError(
                f"Step '{self.name}': there is no {function} of column '{column}', which holds {cells.type}: {error}"
            ) from None
        return StoredRows.from_table(pa.table({new: made}))


def _hashed(function: str, values: pa.ChunkedArray, groups: Groups) -> pa.ChunkedArray:
    """An aggregation of Arrow's own, in the order of the groups."""
    table = pa.table({"group": groups.codes, "value": values})
    made = table.group_by("group", use_threads=False).aggregate([("value", function)]).sort_by("group")
    return made.column(f"value_{function}")


def _sum(cells: pa.ChunkedArray, groups: Groups) -> pa.ChunkedArray:
    if pt.is_boolean(cells.type):
        cells = cells.cast(pa.int64())
    if pt.is_integer(cells.type):  # exactly: a sum of int64 would wrap around in silence
        return _hashed("sum", cells.cast(pa.decimal128(38, 0)), groups).cast(pa.int64())
    return _hashed("sum", cells, groups)


def _mean(cells: pa.ChunkedArray, groups: Groups) -> pa.ChunkedArray:
    return _hashed("mean", cells.cast(pa.float64(), safe=False), groups)


def _list(cells: pa.ChunkedArray, groups: Groups) -> pa.Array:
    inside = cells.take(pa.array(groups.order))
    values = inside.combine_chunks() if isinstance(inside, pa.ChunkedArray) else inside
    return pa.ListArray.from_arrays(pa.array(groups.offsets.astype(np.int32)), values)


_FUNCTIONS: Mapping[str, Callable[[pa.ChunkedArray, Groups], Any]] = {
    "count": lambda cells, groups: _hashed("sum", pc.is_valid(cells).cast(pa.int64()), groups),
    "sum": _sum,
    "mean": _mean,
    "min": lambda cells, groups: _hashed("min", cells, groups),
    "max": lambda cells, groups: _hashed("max", cells, groups),
    "list": _list,
    "first": lambda cells, groups: cells.take(pa.array(groups.first)),
}
