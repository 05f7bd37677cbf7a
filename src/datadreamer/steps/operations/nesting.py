"""`explode` and `flatten`: lists and structs inside cells become rows and columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from ...datasets import Rows as StoredRows
from ...datasets import explode, zip_rows
from ...errors import InvalidArgumentError, InvalidTypeError
from .whole import WholeStep


class ExplodeStep(WholeStep):
    """One row for every item of a list; the other columns repeat.

    Args:
        column_name: a column of lists.
        keep_empty: a row whose list is empty or missing stays, with None; otherwise it goes.
    """

    column_name: str
    keep_empty: bool = True

    def check(self) -> None:
        self.known_columns([self.column_name])
        super().check()

    def computed(self, rows: StoredRows) -> tuple[StoredRows, Any]:
        return explode(rows, self.column_name, self.keep_empty)

    def dropped(self, rows: StoredRows, parents: Any) -> int:
        return rows.num_rows - len(np.unique(parents))

    def _streamed(self) -> Iterator[dict[str, Any]]:
        for row in self.source:  # type: ignore[attr-defined]
            items = row[self.column_name]
            if items is not None and (isinstance(items, str | bytes | dict) or not hasattr(items, "__iter__")):
                raise InvalidTypeError(
                    f"Step '{self.name}': column '{self.column_name}' holds {type(items).__name__} {items!r:.60}, and "
                    "only lists can be exploded."
                )
            if items is None or not len(items):
                items = [None] if self.keep_empty else []
            for item in items:
                yield {**row, self.column_name: item}


class FlattenStep(WholeStep):
    """The fields of structs as columns of their own, called `column.field`; one level.

    Args:
        column_names: which columns; None for all that hold structs (dicts of the same keys).
    """

    column_names: list[str] | None = None

    def check(self) -> None:
        self.known_columns(self.column_names or [])
        super().check()

    def columns(self, names: list[str]) -> list[str] | None:
        return None  # what is in the structs is known when they are

    def computed(self, rows: StoredRows) -> tuple[StoredRows, Any]:
        parts = [self._fields(rows.select_columns(name), name) for name in rows.column_names]
        try:
            return zip_rows(parts), None
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"Step '{self.name}': {error}") from None

    def _fields(self, column: StoredRows, name: str) -> StoredRows:
        type_ = column.schema.field(name).type
        is_plain = pt.is_struct(type_) and type_.num_fields > 0 and name not in column.decoders  # an image is one value
        if not is_plain and name in (self.column_names or []):
            raise InvalidTypeError(
                f"Step '{self.name}': column '{name}' holds {type_}, which has no fields to flatten."
            )
        if not is_plain or (self.column_names is not None and name not in self.column_names):
            return column
        cells = column.table().column(0)
        chunks = [chunk.flatten() for chunk in cells.chunks]
        fields = [
            pa.chunked_array([chunk[number] for chunk in chunks], type=field.type) for number, field in enumerate(type_)
        ]
        return StoredRows.from_table(pa.table(fields, names=[f"{name}.{field.name}" for field in type_]))
