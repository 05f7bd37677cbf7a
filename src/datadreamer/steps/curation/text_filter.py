"""What the filters share: rows with a reason against them are dropped, or marked, and the reasons are kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...errors import SessionError
from ..rows import Chunk
from .text_rows import TextRows

if TYPE_CHECKING:
    import pyarrow as pa

    from ...datasets import Rows as StoredRows

NO_TEXT = "no_text"
_BATCH_ROWS = 8_192


class TextFilter(TextRows):
    """A step that drops rows for reasons that their texts give.

    Counts by reason are in the card; in a session with a folder, `run_output/dropped.jsonl` beside the result has the
    number of every dropped row and its reasons. A row without a text has the reason `no_text`.
    """

    marks: ClassVar[Mapping[str, str]] = {"reasons": "What speaks against the row, as short codes; empty for nothing."}

    def reasons(self, text: str) -> list[str]:
        """Short codes of what speaks against a text; none for a text that is kept."""
        raise NotImplementedError

    def run(self) -> Iterator[Chunk]:
        rows = self.stored()
        if not rows.column_names:  # lazy rows of which there are none
            return
        counts: Counter[str] = Counter()
        with ExitStack() as stack:
            file = None if self.mark else _dropped_file(self, stack)
            yield from self._filtered(rows, counts, file)
        self.register_data_card("Marked rows" if self.mark else "Dropped rows", dict(counts.most_common()) or None)

    def _filtered(self, rows: StoredRows, counts: Counter[str], file: IO[str] | None) -> Iterator[Chunk]:
        import pyarrow as pa

        first = 0
        empty = rows.slice(0, 0).table()  # columns have their types even where no row is left
        yield Chunk(_with_reasons(empty, []) if self.mark else empty)
        for batch in rows.batches(_BATCH_ROWS):
            table = pa.Table.from_batches([batch])
            found = [[NO_TEXT] if text is None else self.reasons(text) for text in self.texts_of(table, first)]
            counts.update(reason for reasons in found for reason in reasons)
            if self.mark:
                yield Chunk(_with_reasons(table, found), consumed=len(found))
            else:
                kept = np.array([not reasons for reasons in found], bool)
                at = np.flatnonzero(kept)
                yield Chunk(
                    table.filter(pa.array(kept)),
                    first + at,  # type: ignore[arg-type]
                    consumed=len(found),
                    filtered=len(found) - len(at),
                )
                _write(file, found, first)
            first += len(found)


def _with_reasons(table: pa.Table, found: list[list[str]]) -> pa.Table:
    import pyarrow as pa

    return table.append_column("reasons", pa.array(found, pa.list_(pa.string())))


def _dropped_file(step: Any, stack: ExitStack) -> IO[str] | None:
    try:
        folder = Path(step.get_run_output_folder_path())
    except SessionError:  # the session runs in memory
        return None
    return stack.enter_context((folder / "dropped.jsonl").open("w", encoding="utf-8"))


def _write(file: IO[str] | None, found: list[list[str]], first: int) -> None:
    if file is not None:
        lines = ({"row": row, "reasons": reasons} for row, reasons in enumerate(found, first) if reasons)
        file.writelines(json.dumps(line) + "\n" for line in lines)
