"""The texts that are searched: a list of the script, or a column of a step's result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..datasets import OutputDatasetColumn, OutputIterableDatasetColumn, Rows
from ..errors import InvalidArgumentError, InvalidTypeError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class Corpus:
    """Texts by position, kept as Arrow.

    Args:
        texts: a list (or another iterable) of str, or a column of a step. A lazy column is read once, now.

    Raises:
        InvalidTypeError: a text is not a str.
        InvalidArgumentError: there is none.
    """

    def __init__(self, texts: Any) -> None:
        self.column = texts if isinstance(texts, OutputDatasetColumn) else _stored(texts)
        if not len(self.column):
            raise InvalidArgumentError("A retriever needs at least one text to search.")
        self._check()

    def _check(self) -> None:
        import pyarrow.types as kinds

        kind = self.column.schema.field(0).type
        if not (kinds.is_string(kind) or kinds.is_large_string(kind)):
            raise InvalidTypeError(f"The texts of a retriever must be str, and column '{self.column.name}' is {kind}.")
        position = 0
        for batch in self.column.rows.batches(65_536):
            if batch.column(0).null_count:
                missing = position + batch.column(0).is_null().to_pylist().index(True)
                raise InvalidTypeError(f"Text {missing} of a retriever is None, not str. Leave such rows out.")
            position += batch.num_rows

    @property
    def digest(self) -> str:
        """What the corpus counts by: the texts, in order; where they lie, and what the column is called, is nothing."""
        return self.column.digest

    @property
    def step(self) -> Any:
        """The step that made the texts; None for those of the script."""
        return self.column.step

    def __len__(self) -> int:
        return len(self.column)

    def __iter__(self) -> Iterator[str]:
        return iter(self.column)

    def take(self, places: np.ndarray) -> pa.Array:
        """The texts at these positions, as an Arrow array of strings."""
        import pyarrow as pa

        found = self.column.rows.gather(places).column(0)
        return pa.concat_arrays(found.chunks) if found.num_chunks != 1 else found.chunk(0)


def _stored(texts: Any) -> OutputDatasetColumn:
    import pyarrow as pa

    if isinstance(texts, str) or not hasattr(texts, "__iter__"):
        raise InvalidTypeError(f"texts must be a list of str or a column of a step, not {type(texts).__name__}.")
    step = texts.step if isinstance(texts, OutputIterableDatasetColumn) else None
    chunks, part = [], []
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidTypeError(f"Text {position} of a retriever is {type(text).__name__}, not str: {text!r:.80}")
        part.append(text)
        if len(part) == 65_536:
            chunks.append(pa.array(part, pa.string()))
            part = []
    chunks.append(pa.array(part, pa.string()))
    return OutputDatasetColumn(step, Rows.from_table(pa.table({"texts": pa.chunked_array(chunks)})))
