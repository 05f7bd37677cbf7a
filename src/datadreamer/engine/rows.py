"""What `run()` returned, as a stream of pieces that can be written.

`run()` may hand over rows or columns in many shapes: a dictionary of lists, rows as dictionaries, tuples or lists, a
generator of any of them, an Arrow table, a data frame, a Hugging Face dataset, another step's result. Here they become
`Row`s, `Chunk`s, `Loss`es and `Filtered`s under the names that the result's columns will have.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import StepOutputError, nearest
from ..steps.rows import Chunk, Filtered, LazyRows, Loss, Row
from ..steps.step import Step

Piece = Row | Chunk | Loss | Filtered


def pieces(step: Step, value: Any) -> Iterator[Piece]:
    """Read whatever `run()` of `step` returned.

    Raises:
        StepOutputError: it is not of a shape that can become rows; the message says what was expected.
    """
    return _Reader(step).read(value)


class _Reader:
    def __init__(self, step: Step) -> None:
        self.step = step
        self.names = list(step.output_name_mapping)
        self.renames = step.output_name_mapping
        self.free = step.any_columns  # columns are whatever comes out: data sources, operations

    def read(self, value: Any) -> Iterator[Piece]:
        if value is None:
            return iter(())
        if isinstance(value, LazyRows):
            return self._lazy(value)
        table = as_arrow(value)
        if table is not None:
            return self._tables([table])
        if _kind(value) == "DatasetDict":
            raise self._error("returned a DatasetDict: return one of its splits, for example value['train']")
        if _kind(value) == "IterableDataset":
            raise self._error("returned an IterableDataset: wrap it as LazyRows(value, total_num_rows=…)")
        if isinstance(value, Mapping):
            return self._columns(value)
        if isinstance(value, tuple):
            return self._tuple(value)
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            return iter([self._row(value)])
        return self._items(value)

    def _lazy(self, value: LazyRows) -> Iterator[Piece]:
        made = value.value() if callable(value.value) else value.value
        if value.batched:
            for batch in made:
                yield from self.read(batch if isinstance(batch, Mapping) else list(batch))
        else:
            yield from self.read(made)

    # --- whole results ------------------------------------------------------------------------------------------------

    def _tables(self, tables: Iterable[Any]) -> Iterator[Piece]:
        for table in tables:
            yield Chunk(self._renamed_table(table))

    def _renamed_table(self, table: Any) -> Any:
        if self.free:
            return table
        if len(self.names) == 1 and table.num_columns == 1:
            return table.rename_columns([self.renames[self.names[0]]])
        self._check_names(table.column_names)
        return table.select(self.names).rename_columns([self.renames[name] for name in self.names])

    def _columns(self, value: Mapping[str, Any]) -> Iterator[Piece]:
        """A dictionary: of columns, or, when every value is a scalar, one row."""
        if not value:
            return
        if not any(_is_column(item) for item in value.values()):
            yield self._row(value)
            return
        if all(isinstance(item, Sequence) or _is_array(item) for item in value.values()):
            self._check_lengths(value)
            yield Chunk(self._renamed(value))
            return
        iterators = {name: iter(item) for name, item in value.items()}  # at least one is read only once
        while True:
            row = {name: next(items, _END) for name, items in iterators.items()}
            ended = [name for name, item in row.items() if item is _END]
            if len(ended) == len(row):
                return
            if ended:
                raise self._error(f"column '{ended[0]}' has fewer values than the others: columns must be equally long")
            yield self._row(row)

    def _check_lengths(self, value: Mapping[str, Any]) -> None:
        lengths = {name: len(item) for name, item in value.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"'{name}' has {count}" for name, count in lengths.items())
            raise self._error(f"columns must be equally long, but {shown} values")

    def _tuple(self, value: tuple[Any, ...]) -> Iterator[Piece]:
        """A tuple: one column for each output, or one row."""
        if any(_is_column(item) for item in value):
            if len(value) != len(self.names):
                raise self._error(f"returned {len(value)} columns, but declares {len(self.names)} ({self._listed()})")
            return self._columns({name: _column_values(item) for name, item in zip(self.names, value, strict=True)})
        return iter([self._row(value)])

    def _items(self, value: Iterable[Any]) -> Iterator[Piece]:
        if isinstance(value, list) and self._is_columns(value):
            yield from self._columns(dict(zip(self.names, value, strict=True)))
            return
        for item in value:
            if isinstance(item, Chunk):
                yield Chunk(self._renamed_chunk(item.columns), item.parents, item.consumed, item.filtered)
            elif isinstance(item, Row):
                yield Row(self._values(item.values), item.parents, item.calls)
            elif isinstance(item, Loss | Filtered):
                yield item
            elif isinstance(item, dict):
                yield Row(self._values(item))
            else:
                table = as_arrow(item)
                yield self._row(item) if table is None else Chunk(self._renamed_table(table))

    def _is_columns(self, value: list[Any]) -> bool:
        """A list of lists is rows, unless only its outer length fits the outputs and not the inner ones."""
        if len(self.names) < 2 or len(value) != len(self.names):
            return False
        if not all(_is_column(item) for item in value):
            return False
        lengths = {len(item) if isinstance(item, Sequence) or _is_array(item) else None for item in value}
        return lengths != {len(self.names)}

    def _renamed_chunk(self, columns: Any) -> Any:
        if isinstance(columns, Mapping):
            self._check_lengths(columns)
            return self._renamed(columns)
        return self._renamed_table(as_arrow(columns))

    # --- single rows --------------------------------------------------------------------------------------------------

    def _row(self, value: Any) -> Row:
        if isinstance(value, Row):
            return Row(self._values(value.values), value.parents, value.calls)
        if isinstance(value, Mapping):
            return Row(self._values(value))
        if isinstance(value, tuple | list) and (len(self.names) > 1 or isinstance(value, tuple)):
            if len(value) != len(self.names):
                raise self._error(
                    f"a row has {len(value)} values, but {len(self.names)} are declared ({self._listed()})"
                )
            return Row({self.renames[name]: item for name, item in zip(self.names, value, strict=True)})
        if len(self.names) == 1:
            return Row({self.renames[self.names[0]]: value})
        raise self._error(
            f"gave {type(value).__name__} {value!r}"[:200] + f", but a row has the columns {self._listed()}: "
            "return a dictionary with those names"
        )

    def _values(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.free:
            return values
        if len(values) == len(self.names):
            try:
                return {new: values[name] for name, new in self.renames.items()}
            except KeyError:
                pass
        self._check_names(values)
        return {}

    def _renamed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        columns = {name: _column_values(item) for name, item in values.items()}
        return columns if self.free else dict(self._values(columns))

    def _check_names(self, given: Iterable[str]) -> None:
        found = list(given)
        for name in found:
            if name not in self.renames:
                raise self._error(f"gave a column '{name}' that it does not declare. {nearest(str(name), self.names)}")
        for name in self.names:
            if name not in found:
                raise self._error(f"did not give the column '{name}' (it gave {', '.join(map(repr, found))})")

    def _listed(self) -> str:
        return ", ".join(repr(name) for name in self.names)

    def _error(self, what: str) -> StepOutputError:
        return StepOutputError(f"Step '{self.step.name}' {what}.")


_END: Any = object()


def _kind(value: Any) -> str:
    return type(value).__name__ if type(value).__module__.startswith("datasets.") else ""


def _is_array(value: Any) -> bool:
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 0) > 0


def _is_column(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping):
        return False
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0


def _column_values(value: Any) -> Any:
    if hasattr(value, "column_names") and hasattr(value, "to_arrow"):
        return value.to_arrow().column(0)
    return value


def as_arrow(value: Any) -> Any:
    """`value` as an Arrow table or record batch when it is columnar already (no Python object per cell), else None."""
    module = type(value).__module__
    if module.startswith("pyarrow"):
        return value if hasattr(value, "column_names") else None
    if module.startswith("datadreamer.datasets") and hasattr(value, "to_arrow"):
        return value.to_arrow()
    if module.startswith("datasets.") and type(value).__name__ == "Dataset":
        return value.with_format("arrow")[:]
    if module.startswith("pandas.") and type(value).__name__ == "DataFrame":
        return sys.modules["pyarrow"].Table.from_pandas(value, preserve_index=False)
    if module.startswith("polars.") and type(value).__name__ == "DataFrame":
        return value.to_arrow()
    return None
