"""Steps that look at one column of texts, and give whole rows of the step that it belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import InvalidArgumentError, InvalidTypeError, SessionError, StepOutputTypeError
from ..fields import Column, Field
from ..rows import Chunk
from ..step import Step

if TYPE_CHECKING:
    import pyarrow as pa

    from ...datasets import Rows as StoredRows

_BATCH_ROWS = 8_192


class WholeRows(Step):
    """A step whose result has all columns of the step that one of its input columns belongs to.

    Args:
        mark: keep every row, and say in further columns what was found; False drops rows.
    """

    mark: bool = False

    of: ClassVar[str] = "texts"  # the input whose step's rows are given
    origins: ClassVar[dict[str, str]] = {"*": "copied:rows"}
    marks: ClassVar[Mapping[str, str]] = {}  # the further columns, and what they say

    def setup(self) -> None:
        column = next((given[self.of] for given in (self._given_inputs, self._given) if self.of in given), None)
        owner = getattr(getattr(column, "step", None), "output", None)
        self._owner: Any = column if owner is None else owner
        names = getattr(self._owner, "column_names", [self.of])
        for name in names:
            self.register_output(name)
        for name, what in self.marks.items() if self._given.get("mark") else ():
            if name in names:
                raise InvalidArgumentError(
                    f"Step '{self.name}': the step that {self.of} belongs to has a column '{name}' already. "
                    "Give it another name first, with rename_column()."
                )
            self.register_output(name, help=what)
        self.origins = {**type(self).origins, **dict.fromkeys(self.marks, f"computed:{self.of}")}  # type: ignore[misc]

    def check(self) -> None:
        if not hasattr(self._owner, "column_names"):
            raise InvalidTypeError(f"Step '{self.name}': {self.of} must be a column of another step.")
        self._read: str = self._inputs[self.of].column_names[0]
        self._declaration.add(Field("rows", "rows", help=f"All columns of the step that {self.of} belongs to."))
        self._inputs["rows"] = self._owner

    def stored(self) -> StoredRows:
        """The rows; those of a lazy step are computed, and held in memory."""
        from ..operations.base import stored_rows

        return stored_rows(self._owner)

    def texts_of(self, batch: pa.RecordBatch | pa.Table, first: int) -> list[str | None]:
        """The texts of a batch whose first row has this number.

        Raises:
            StepOutputTypeError: a cell is neither a text nor None.
        """
        texts = batch.column(self._read).to_pylist()
        for place, text in enumerate(texts):
            if text is not None and not isinstance(text, str):
                raise StepOutputTypeError(
                    f"Step '{self.name}': row {first + place} of column '{self._read}' is "
                    f"{type(text).__name__} {text!r:.80}, and only texts can be looked at. Make text of it first."
                )
        return texts

    def text_batches(self, rows: StoredRows) -> Iterator[tuple[int, list[str | None]]]:
        """The texts, some at a time, each time with the number of the first row."""
        first = 0
        for batch in rows.select_columns(self._read).batches(_BATCH_ROWS):
            yield first, self.texts_of(batch, first)
            first += batch.num_rows

    def marked(self, rows: StoredRows, columns: Mapping[str, Any]) -> Iterator[Chunk]:
        """All rows with further columns (Arrow arrays) beside them."""
        import pyarrow as pa

        start = 0
        for batch in rows.batches(_BATCH_ROWS) if rows.num_rows else rows.table().to_batches():
            own = pa.Table.from_batches([batch])
            for name, cells in columns.items():
                own = own.append_column(name, cells.slice(start, batch.num_rows))
            yield Chunk(own, consumed=batch.num_rows)
            start += batch.num_rows

    def write_dropped(self, dropped: Iterable[Mapping[str, Any]]) -> None:
        """One line of JSON for each dropped row into `run_output/dropped.jsonl`; nothing where there is no folder."""
        try:
            folder = Path(self.get_run_output_folder_path())
        except SessionError:  # the session runs in memory
            return
        with (folder / "dropped.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in dropped)


class TextRows(WholeRows):
    """Whole rows, chosen by their texts."""

    texts: Column[str]
