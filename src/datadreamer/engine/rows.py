"""What `run()` returned, as a stream of pieces that can be written.

`run()` may hand over rows or columns in many shapes: a dictionary of lists, rows as dictionaries, tuples or lists, a
generator of any of them, an Arrow table, a data frame, a Hugging Face dataset, another step's result. Here they become
`Row`s, `Chunk`s, `Loss`es and `Filtered`s under the names that the result's columns will have.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import replace
from typing import Any

from ..datasets import OutputDataset, OutputDatasetColumn, OutputIterableDataset, Rows, zip_rows
from ..errors import InvalidArgumentError, StepOutputError, nearest
from ..steps.rows import Chunk, Filtered, LazyRows, Loss, Row
from ..steps.step import Step

Piece = Row | Chunk | Loss | Filtered


def pieces(step: Step, value: Any) -> Iterator[Piece]:
    """Read whatever `run()` of `step` returned.

    Raises:
        StepOutputError: it is not of a shape that can become rows; the message says what was expected.
    """
    return Reader(step).read(value)


def stays_lazy(value: Any) -> bool:
    """Whether `run()` asked for rows that are made anew each time they are read."""
    return isinstance(value, LazyRows) and not value.save


def lazy_dataset(step: Step, value: LazyRows) -> OutputIterableDataset:
    """The result of a step whose rows are not stored."""
    if value.total_num_rows is None and value.auto_progress:
        step.logger.warning(
            "Its rows are lazy and their number is not known, so there is no share of progress: give "
            "total_num_rows=…, or auto_progress=False to say that this is meant."
        )
    names = None if step.any_columns else list(step.output_names)
    return OutputIterableDataset(
        step, lambda: _dicts(pieces(step, value)), total_num_rows=value.total_num_rows, column_names=names
    )


def _dicts(found: Iterator[Piece]) -> Iterator[dict[str, Any]]:
    for piece in found:
        if isinstance(piece, Row):
            yield dict(piece.values)
        elif isinstance(piece, Chunk) and isinstance(piece.columns, Mapping):
            for cells in zip(*piece.columns.values(), strict=True):
                yield dict(zip(piece.columns, cells, strict=True))
        elif isinstance(piece, Chunk):
            yield from as_table(piece.columns).iterate()  # type: ignore[union-attr]


class Reader:
    """Reads what one step gives, under the names that the result's columns will have."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.names = list(step.output_name_mapping)
        self.renames = step.output_name_mapping
        self.free = step.any_columns  # columns are whatever comes out: data sources, operations

    def read(self, value: Any) -> Iterator[Piece]:
        if isinstance(value, Step):
            value = value.output
        if value is None:
            return iter(())
        if isinstance(value, LazyRows):
            return self._lazy(value)
        table = as_table(value)
        if table is not None:
            return self._table(table)
        self._refuse(value)
        if isinstance(value, Mapping):
            return self._columns(value)
        if isinstance(value, tuple):
            return self._tuple(value)
        if isinstance(value, str | bytes) or not isinstance(value, Iterable) or _is_scalar_array(value):
            return iter([self.row(value)])
        return self._items(value)

    def _refuse(self, value: Any) -> None:
        kind = _kind(value)
        if kind in ("DatasetDict", "IterableDatasetDict"):
            raise self._error("returned a DatasetDict: return one of its splits, for example value['train']")
        if kind == "IterableDataset":
            raise self._error("returned an IterableDataset: wrap it as LazyRows(value, total_num_rows=…)")
        if isinstance(value, set | frozenset):
            raise self._error("returned a set, whose order differs from run to run: return sorted(value)")
        if isinstance(value, type) or inspect.isroutine(value):
            raise self._error(f"returned {value!r}, which is not rows: wrap a generator function as LazyRows(function)")

    def _lazy(self, value: LazyRows) -> Iterator[Piece]:
        made = _called(value.value)
        if value.batched:
            for batch in self._batches(made):
                yield from self.read(batch)
        elif _kind(made) == "IterableDataset":
            yield from self._items(made)
        else:
            yield from self.read(made)

    def _batches(self, made: Any) -> Iterator[Any]:
        if isinstance(made, tuple) and len(made) == len(self.names):
            made = dict(zip(self.names, made, strict=True))
        if not isinstance(made, Mapping):
            yield from made
            return
        for cells in self._side_by_side(made):
            yield dict(zip(made, cells, strict=True))

    # --- whole results ------------------------------------------------------------------------------------------------

    def _table(self, table: Rows) -> Iterator[Piece]:
        table = self._renamed_table(table)
        for part in table.tables() if table.num_rows else [table.table()]:
            yield Chunk(part)

    def _renamed_table(self, table: Rows) -> Rows:
        found = table.column_names
        if self.free:
            return table
        if len(self.names) == 1 and len(found) == 1:
            return table.rename_columns({found[0]: self.renames[self.names[0]]})
        self._check_names(found)
        return table.select_columns(self.names).rename_columns(self.renames)

    def _columns(self, value: Mapping[str, Any]) -> Iterator[Piece]:
        """A dictionary: of columns, or, when every value is a scalar, one row."""
        scalars = [name for name, item in value.items() if not _is_column(item)]
        if len(scalars) == len(value):
            yield from [self.row(value)] if value else ()
            return
        if scalars:
            raise self._error(
                f"gave a single value for '{scalars[0]}' ({value[scalars[0]]!r:.80}) and several for other columns. "
                "Give a list for every column; for one row, return a list with one dictionary"
            )
        for item in value.values():
            self._refuse(item)
        if all(isinstance(item, Sized) for item in value.values()):
            self._check_lengths(value)
            yield Chunk(self._renamed(value))
            return
        for cells in self._side_by_side(value):  # at least one is read only once
            yield self.row(dict(zip(value, cells, strict=True)))

    def _side_by_side(self, columns: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
        iterators = {name: iter(item) for name, item in columns.items()}
        while True:
            cells = tuple(next(items, _END) for items in iterators.values())
            ended = [name for name, cell in zip(columns, cells, strict=True) if cell is _END]
            if len(ended) == len(cells):
                return
            if ended:
                raise self._error(f"column '{ended[0]}' has fewer values than the others: columns must be equally long")
            yield cells

    def _check_lengths(self, value: Mapping[str, Any]) -> None:
        lengths = {name: len(item) for name, item in value.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"'{name}' has {count}" for name, count in lengths.items())
            raise self._error(f"columns must be equally long, but {shown} values")

    def _tuple(self, value: tuple[Any, ...]) -> Iterator[Piece]:
        """A tuple: datasets side by side, one column for each output, or one row."""
        several = self._zipped(value)
        if several is not None:
            return self._table(several)
        for item in value:
            self._refuse(item)
        if any(_is_column(item) for item in value):
            if len(value) != len(self.names):
                raise self._error(f"returned {len(value)} columns, but declares {len(self.names)} ({self._listed()})")
            return self._columns(dict(zip(self.names, value, strict=True)))
        if len(self.names) == 1:
            return iter([self.row(item) for item in value])  # the values of the only column
        return iter([self.row(value)])

    def _zipped(self, value: Sequence[Any]) -> Rows | None:
        """Several datasets as one, side by side; None when that is not what these are."""
        if not any(_is_dataset(item) for item in value):
            return None
        tables = [as_table(item) for item in value]
        if None in tables:
            return None
        try:
            return zip_rows(tables)
        except InvalidArgumentError as error:
            raise self._error(f"returned datasets that cannot stand side by side. {error}") from None

    def _items(self, value: Iterable[Any]) -> Iterator[Piece]:
        if isinstance(value, list):
            several = self._zipped(value)
            if several is not None:
                yield from self._table(several)
                return
            if self._is_columns(value):
                yield from self._columns(dict(zip(self.names, value, strict=True)))
                return
        for item in value:
            if isinstance(item, Chunk):
                yield replace(item, columns=self._renamed_chunk(item.columns))
            elif isinstance(item, Loss | Filtered):
                yield item
            elif isinstance(item, dict):
                yield Row(self._values(item))
            else:
                table = None if isinstance(item, Row) else as_table(item)
                if table is None:
                    yield self.row(item)
                else:
                    yield from self._table(table)

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
        table = as_table(columns)
        assert table is not None
        return columns if self.free else self._renamed_table(table).table()

    # --- single rows --------------------------------------------------------------------------------------------------

    def row(self, value: Any) -> Row:
        """What stands for one row: a dictionary, a tuple or list of its values, or the value of the only column."""
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


def _called(value: Any) -> Any:
    """What generator functions give, each called once: one of rows, or one for every column."""
    if callable(value):
        return value()
    if isinstance(value, Mapping):
        return {name: item() if callable(item) else item for name, item in value.items()}
    if isinstance(value, list | tuple) and any(map(callable, value)):
        return tuple(item() if callable(item) else item for item in value)
    return value


def _kind(value: Any) -> str:
    return type(value).__name__ if type(value).__module__.startswith("datasets.") else ""


def _is_array(value: Any) -> bool:
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 0) > 0


def _is_scalar_array(value: Any) -> bool:
    return getattr(value, "ndim", 1) == 0


def _is_column(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping):
        return False
    return isinstance(value, Iterable) and not _is_scalar_array(value)


def _is_dataset(value: Any) -> bool:
    """A whole dataset, of which several may stand side by side; a single column of one is not."""
    return _kind(value) == "Dataset" or isinstance(value, OutputDataset) or _is_frame(value)


def _is_frame(value: Any) -> bool:
    return type(value).__name__ == "DataFrame" and type(value).__module__.partition(".")[0] in ("pandas", "polars")


def _column_values(value: Any) -> Any:
    if isinstance(value, OutputDatasetColumn):
        return value.to_arrow().column(0)
    if isinstance(value, Sequence) or _is_array(value) or type(value).__module__.startswith("pyarrow"):
        return value
    return list(value)


def as_table(value: Any) -> Rows | None:
    """`value` as rows when it is columnar already (no Python object is made for a cell), else None."""
    module = type(value).__module__
    if module.startswith("pyarrow"):
        return Rows.from_table(_table_of(value)) if hasattr(value, "column_names") else None
    if isinstance(value, OutputDataset | OutputDatasetColumn):
        return value.rows
    if isinstance(value, Rows):
        return value
    if _kind(value) == "Dataset":
        return Rows.from_hf(value)
    if _is_frame(value):
        pa = sys.modules["pyarrow"]
        return Rows.from_table(
            value.to_arrow() if module.startswith("polars") else pa.Table.from_pandas(value, preserve_index=False)
        )
    return None


def _table_of(value: Any) -> Any:
    table = sys.modules["pyarrow"].Table
    return value if isinstance(value, table) else table.from_batches([value])
