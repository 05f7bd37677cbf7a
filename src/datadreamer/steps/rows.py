"""What a step's `run()` may hand over, besides plain dictionaries and lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidArgumentError, InvalidTypeError


@dataclass(slots=True)
class Row:
    """One row with its lineage: the positions of its parents in the input, and the request keys of its calls."""

    values: Mapping[str, Any]
    parents: int | Sequence[int] | None = None
    calls: Sequence[bytes] = ()


@dataclass(slots=True)
class Chunk:
    """Many rows as columns. `columns` is a dict of lists or an Arrow record batch; `parents` one position per row.

    `consumed` counts the input rows that this chunk accounts for, `filtered` those of them dropped on purpose.
    `metadata` is the Arrow schema metadata of columns in a dict: their features, such as class labels.
    """

    columns: Any
    parents: Sequence[int] | None = None
    consumed: int = 0
    filtered: int = 0
    metadata: Mapping[bytes, bytes] | None = None


def table_chunks(rows: Any) -> Iterator[Chunk]:
    """Stored rows (`datasets.Rows`) as chunks; where there are none, a chunk that has the columns all the same."""
    for batch in rows.batches() if rows.num_rows else [rows.table()]:
        yield Chunk(batch)


@dataclass(slots=True)
class Loss:
    """An input row that gives no row, and why. `reason` is a short code, for example `"rate_limit"`."""

    row: int
    reason: str
    message: str
    attempts: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    calls: Sequence[bytes] = ()


@dataclass(slots=True)
class Filtered:
    """Input rows dropped on purpose."""

    rows: int = 1


class LazyRows:
    """Rows from a generator *function* (or a dict, list or tuple of them), made anew each time they are read.

    Args:
        value: a function without arguments that returns an iterator of rows; or an iterable dataset.
        total_num_rows: how many rows it gives, when known: for progress and `len()`.
        auto_progress: report progress from `total_num_rows`.
        save: store the rows like those of any other step instead of making them anew.
        save_writer_batch_size: rows buffered between writes when saved.
    """

    batched = False

    def __init__(
        self,
        value: Any,
        total_num_rows: int | None = None,
        auto_progress: bool = True,
        save: bool = False,
        save_writer_batch_size: int | None = None,
    ) -> None:
        if total_num_rows is not None and total_num_rows < 0:
            raise InvalidArgumentError(f"total_num_rows must be 0 or more, not {total_num_rows}.")
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else [value]
        if any(isinstance(part, Iterator) for part in parts):
            raise InvalidTypeError(
                f"{type(self).__name__} takes a generator function, which it calls whenever the rows are read; a "
                "generator can be read only once. Pass the function itself, without calling it."
            )
        self._value = value
        self.total_num_rows = total_num_rows
        self.auto_progress = auto_progress
        self.save = save
        self.save_writer_batch_size = save_writer_batch_size

    @property
    def value(self) -> Any:
        return self._value


class LazyRowBatches(LazyRows):
    """Like `LazyRows`, for a generator function that gives batches: dictionaries of lists, or lists of rows."""

    batched = True


@dataclass(slots=True)
class Tally:
    """Where the input rows of a running step went; the engine checks that it adds up."""

    consumed: int = 0
    written: int = 0
    filtered: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    stopped: Exception | None = None  # why the rest of the rows was not reached

    @property
    def lost(self) -> int:
        return sum(self.failed.values())
