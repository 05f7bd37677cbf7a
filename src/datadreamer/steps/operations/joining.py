"""`join`: the columns of another step beside the rows that have the same key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ...datasets import Rows as StoredRows
from ...datasets import concat_rows, zip_rows
from ...errors import InvalidArgumentError, nearest
from ..fields import Rows, runtime
from .base import stored_rows
from .keys import row_codes
from .whole import WholeStep

_WAYS = ("inner", "left")


class JoinStep(WholeStep):
    """The rows of a step, each with the columns of the other's rows that have the same key.

    Rows come in the order of the first step; for several matches, in the order of the other. A key with None in it
    matches nothing.

    Args:
        other: the rows to find matches in.
        on: column of the first step to column of the other.
        how: `"inner"` leaves out rows without a match, `"left"` keeps them, with None in the other's columns.
    """

    other: Rows
    on: dict[str, str]
    how: str = _WAYS[0]
    lazy: bool = runtime(default=False)

    def check(self) -> None:
        if self.how not in _WAYS:
            raise InvalidArgumentError(f"Step '{self.name}': how={self.how!r} is unknown. {nearest(self.how, _WAYS)}")
        if not self.on:
            raise InvalidArgumentError(f"Step '{self.name}': join() needs at least one column to join on.")
        self.known_columns(list(self.on))
        theirs = self.other.column_names
        for name in self.on.values():
            if name not in theirs:
                raise InvalidArgumentError(
                    f"Step '{self.name}': the other step has no column '{name}' to join on. {nearest(name, theirs)}"
                )
        both = next((name for name in self._added() if name in self.source.column_names), None)
        if both is not None:
            raise InvalidArgumentError(
                f"Step '{self.name}': both steps have a column '{both}'. Rename or remove it in one of them first."
            )
        self.origins = {"*": "copied:source", **dict.fromkeys(self._added(), "copied:other")}  # type: ignore[misc]
        super().check()

    def _added(self) -> list[str]:
        return [name for name in self.other.column_names if name not in self.on.values()]

    def columns(self, names: list[str]) -> list[str] | None:
        return [*names, *self._added()]

    def computed(self, rows: StoredRows) -> tuple[StoredRows, Any]:
        others = stored_rows(self.other)
        mine, theirs = self._matches(*self._codes(rows, others))
        added = others.select_columns(self._added())
        if not added.column_names:
            return rows.select(mine), mine
        if self.how == "left":  # what has no match points at a row of None behind the others
            missing = pa.table([pa.nulls(1, field.type) for field in added.schema], names=added.column_names)
            theirs = np.where(theirs < 0, added.num_rows, theirs)
            added = concat_rows([added, StoredRows.from_table(missing)])
        return zip_rows([rows.select(mine), added.select(theirs)]), mine

    def _codes(self, rows: StoredRows, others: StoredRows) -> tuple[np.ndarray, np.ndarray]:
        """Keys of both as numbers; -1 for the ones with None in them."""
        names = list(self.on)
        renamed = {theirs: mine for mine, theirs in self.on.items()}
        try:
            keys = concat_rows(
                [rows.select_columns(names), others.select_columns(list(renamed)).rename_columns(renamed)]
            )
        except InvalidArgumentError as error:
            raise InvalidArgumentError(
                f"Step '{self.name}': the keys of the two steps do not go together. {error}"
            ) from None
        codes = row_codes(keys, names)
        for name in names:
            codes[_nulls(keys, name)] = -1
        return codes[: rows.num_rows], codes[rows.num_rows :]

    def _matches(self, mine: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For every row of the result its row in the first step, and its row in the other or -1."""
        order = np.argsort(theirs, kind="stable")
        in_order = theirs[order]
        start = np.searchsorted(in_order, mine, "left")
        counts = np.where(mine < 0, 0, np.searchsorted(in_order, mine, "right") - start)
        given = np.maximum(counts, 1) if self.how == "left" else counts
        rows = np.repeat(np.arange(len(mine)), given)
        nth = np.arange(len(rows)) - np.repeat(np.cumsum(given) - given, given)  # 0, 1, … within each row's matches
        found = np.repeat(counts, given) > 0
        at = np.where(found, np.repeat(start, given) + nth, 0)
        return rows, np.where(found, order[at], -1) if len(order) else np.full(len(rows), -1, np.int64)


def _nulls(rows: StoredRows, name: str) -> np.ndarray:
    return np.asarray(rows.select_columns(name).table().column(0).is_null().to_numpy())


def as_mapping(on: str | Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """The columns to join on, by their names in both steps."""
    if isinstance(on, Mapping):
        return dict(on)
    return {name: name for name in ([on] if isinstance(on, str) else on)}
