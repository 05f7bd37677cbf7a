"""Takes secrets and home paths out of rows, and out of a model's texts, before they are written.

Nearly no batch has one. So the cells of a column are joined, a window at a time, and looked at once; only a window in
which the look finds something is taken apart.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ..datasets.arrays import array as array_of
from ..ledger import atomic_write
from .session_facts import redactor

if TYPE_CHECKING:
    from ..ledger import Redactor

WINDOW_BYTES = 128 << 10
_TEXTS = (".json", ".md", ".txt", ".jinja")
_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "merges.txt")


class CleanRows:
    """Cleans batches of one step. `found`: cells that were changed, by column."""

    def __init__(self) -> None:
        self.redactor: Redactor = redactor()
        self.found: Counter[str] = Counter()

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        changed = {}
        for field, column in zip(batch.schema, batch.columns, strict=True):
            clean = self._column(field.name, column)
            if clean is not column:
                changed[field.name] = clean
        if not changed:
            return batch
        columns = [changed.get(name, batch.column(name)) for name in batch.schema.names]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    def _column(self, name: str, column: pa.Array) -> pa.Array:
        rows = _rows_per_window(column)
        if not rows:
            return column
        pieces, changed = [], False
        for start in range(0, len(column), rows):
            piece = column.slice(start, rows)
            if any(self.redactor.has_secret(text) for text in _joined(piece)):
                piece, changed = self._taken_apart(name, piece), True
            pieces.append(piece)
        return pa.concat_arrays(pieces) if changed else column

    def _taken_apart(self, name: str, piece: pa.Array) -> pa.Array:
        cells = piece.to_pylist()
        clean = [self._cell(cell) for cell in cells]
        self.found[name] += sum(old != new for old, new in zip(cells, clean, strict=True))
        return array_of(clean, piece.type)

    def _cell(self, value: Any) -> Any:
        # Not `Redactor.json`, which also goes by the names of fields: a column of made-up passwords is data.
        if isinstance(value, str):
            return self.redactor.text(value)
        if isinstance(value, bytes):
            return self.redactor.data(value)
        if isinstance(value, list):
            return [self._cell(item) for item in value]
        if isinstance(value, dict):
            return {key: self._cell(item) for key, item in value.items()}
        return value


def clean_files(folder: Path) -> None:
    """Clean the small texts among a model's files: its settings and its page, which name the folder it came from."""
    for path in folder.rglob("*"):
        if path.suffix not in _TEXTS or path.name in _VOCABULARIES or not path.is_file():
            continue
        content = path.read_bytes()
        clean = redactor().data(content)
        if clean is not content:
            atomic_write(path, clean)


def _rows_per_window(column: pa.Array) -> int:
    """Rows that have about `WINDOW_BYTES`; 0 for a column that holds no text."""
    if not len(column) or not _has_text(column.type):
        return 0
    return max(1, min(len(column), WINDOW_BYTES * len(column) // (column.nbytes + 1)))


def _has_text(kind: pa.DataType) -> bool:
    if pt.is_struct(kind):
        return any(_has_text(field.type) for field in kind)
    if pt.is_nested(kind):
        return _has_text(kind.value_type)
    return _is_text(kind)


def _is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pt.is_string, pt.is_large_string, pt.is_binary, pt.is_large_binary))


def _joined(array: pa.Array) -> list[bytes]:
    """The cells of each column of text in `array`, with line breaks between: what ends one cell begins no other."""
    kind = array.type
    if pt.is_struct(kind):
        return [text for number, _ in enumerate(kind) for text in _joined(array.field(number))]
    if pt.is_nested(kind):
        return _joined(array.flatten())
    if not _is_text(kind) or not len(array):
        return []
    raw = array.cast(pa.large_binary()).drop_null()
    whole = pa.ListArray.from_arrays(array_of([0, len(raw)], pa.int64()).cast(pa.int32()), raw)
    line_break = array_of([b"\n"], pa.binary()).cast(pa.large_binary())[0]
    return [pc.binary_join(whole, line_break)[0].as_py()] if len(raw) else []
