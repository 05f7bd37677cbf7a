"""`map` and `filter`: a function of the user's over rows or batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from ...datasets import OutputDataset, OutputIterableDataset
from ...errors import InvalidArgumentError, StepError, StepOutputError
from ..fields import runtime, setting
from ..rows import Chunk
from .base import Dataset, Operation

Columns = dict[str, list[Any]]


@dataclass(slots=True)
class Batch:
    """Some rows of the source: as lists, and (where they are stored) as the Arrow table they were read from."""

    columns: Columns
    rows: int
    position: int
    stored: Any = None

    @property
    def where(self) -> str:
        return f"rows {self.position} to {self.position + self.rows - 1}"


class _FunctionStep(Operation):
    """A function over rows, or over batches of them.

    Args:
        function: see `Operations.map` and `Operations.filter`.
        total_num_rows: how many rows come out, when known: for progress.
    """

    function: Callable[..., Any]
    with_indices: bool = False
    input_columns: list[str] | None = None
    batched: bool = False
    batch_size: int = 1000
    total_num_rows: int | None = runtime(default=None)
    auto_progress: bool = runtime(default=True)

    def check(self) -> None:
        if self.batch_size < 1:
            raise InvalidArgumentError(f"Step '{self.name}': batch_size must be 1 or more, not {self.batch_size}.")
        self.known_columns(self.input_columns or [])
        super().check()

    def identity(self) -> dict[str, Any]:
        settings = super().identity()
        if not self.batched:
            settings.pop("batch_size")  # how many rows are read at a time changes nothing
        return settings

    def view(self) -> Dataset:
        return OutputIterableDataset(self, self._rows, total_num_rows=self.total(), column_names=self.names)

    def names(self) -> list[str]:
        """The columns of the result, when somebody asks for them."""
        raise NotImplementedError

    def _rows(self) -> Iterator[dict[str, Any]]:
        for batch in self._batches(1):  # whoever reads one row waits for one
            columns = self.computed(batch)
            for cells in zip(*columns.values(), strict=True):
                yield dict(zip(columns, cells, strict=True))

    def chunks(self) -> Iterator[Chunk]:
        return map(self.chunk, self._batches(self.batch_size))

    def _batches(self, first: int) -> Iterator[Batch]:
        if self.batched:
            first = self.batch_size  # it is what the function sees
        if isinstance(self.source, OutputDataset):
            return _stored_batches(self.source, first, self.batch_size, exact=self.batched)
        return _lazy_batches(self.source, first, self.batch_size)

    def total(self) -> int | None:
        """How many rows come out, as far as it is known."""
        return self.total_num_rows

    def computed(self, batch: Batch) -> Columns:
        """The columns of the result for a batch, as lists."""
        raise NotImplementedError

    def chunk(self, batch: Batch) -> Chunk:
        """The same for storing; cells that the function leaves alone stay as they are stored."""
        raise NotImplementedError

    # --- calling the function -----------------------------------------------------------------------------------------

    def called_on_rows(self, batch: Batch) -> list[Any]:
        """What the function gives for each row."""
        function, results = self.function, []
        for number, arguments in enumerate(self._row_arguments(batch.columns), batch.position):
            try:
                results.append(function(*arguments, number) if self.with_indices else function(*arguments))
            except Exception as error:
                raise self._failed(f"row {number}", error) from error
        return results

    def called_on_batch(self, batch: Batch) -> Any:
        """What the function gives for a batch."""
        columns = batch.columns
        chosen = [columns[name] for name in self.input_columns] if self.input_columns else [dict(columns)]
        indices = [list(range(batch.position, batch.position + batch.rows))] if self.with_indices else []
        try:
            return self.function(*chosen, *indices)
        except Exception as error:
            raise self._failed(batch.where, error) from error

    def _row_arguments(self, columns: Columns) -> Iterator[tuple[Any, ...]]:
        if self.input_columns:
            yield from zip(*(columns[name] for name in self.input_columns), strict=True)
            return
        names = list(columns)
        for cells in zip(*columns.values(), strict=True):
            yield (dict(zip(names, cells, strict=True)),)

    def _failed(self, where: str, error: Exception) -> StepError:
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return StepError(f"Step '{self.name}': the function '{name}' raised {type(error).__name__} on {where}: {error}")

    def _wrong(self, where: str, what: str) -> StepOutputError:
        return StepOutputError(f"Step '{self.name}': the function gave {what} for {where}.")


class MapStep(_FunctionStep):
    """New or changed columns, computed by a function.

    Args:
        without: columns of the source that are left out.
    """

    without: list[str] = setting(default_factory=list)

    def check(self) -> None:
        self.known_columns(self.without)
        self._new: set[str] = set()  # columns that the function gave
        super().check()

    @property
    def origins(self) -> Mapping[str, str]:  # type: ignore[override]
        """What the function did not touch is a copy; all else may come from any column."""
        kept = [name for name in self.source.column_names if name not in self._new] if self._new else []
        return {**dict.fromkeys(kept, "copied:source"), "*": "computed:source"}

    def names(self) -> list[str]:
        kept = [name for name in self.source.column_names if name not in self.without]
        return list(next(self._rows(), kept))  # a row is made to see them

    def total(self) -> int | None:
        return self.source.num_rows if self.total_num_rows is None and not self.batched else self.total_num_rows

    def computed(self, batch: Batch) -> Columns:
        made = self._made(batch)
        return {name: made[name] if name in made else batch.columns[name] for name in self._order(batch, made)}

    def chunk(self, batch: Batch) -> Chunk:
        made = self._made(batch)
        order = self._order(batch, made)
        if batch.stored is None:
            return Chunk({name: made.get(name, batch.columns.get(name)) for name in order}, consumed=batch.rows)
        kept = self.source.rows.select_columns([name for name in order if name not in made])  # type: ignore[attr-defined]
        if not batch.rows:
            return Chunk(kept.take(0).table())
        cells = {name: made[name] if name in made else batch.stored.column(name) for name in order}
        rows = len(next(iter(cells.values()), []))
        parents = None if rows == batch.rows else _parents(batch, rows)
        return Chunk(cells, parents, consumed=batch.rows, metadata=kept.schema.metadata)

    def _order(self, batch: Batch, made: Columns) -> list[str]:
        kept = {name for name in batch.columns if name not in self.without and name not in made}
        order = [name for name in batch.columns if name in kept or name in made] + [
            n for n in made if n not in batch.columns
        ]
        lengths = {name: len(made[name] if name in made else batch.columns[name]) for name in order}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"'{name}' has {count}" for name, count in lengths.items())
            raise self._wrong(
                batch.where, f"columns of different lengths ({shown}; name the unchanged ones in remove_columns)"
            )
        return order

    def _made(self, batch: Batch) -> Columns:
        if not batch.rows:
            return {}
        made = self._of_batch(batch) if self.batched else self._of_rows(batch)
        self._new.update(made)
        return made

    def _of_rows(self, batch: Batch) -> Columns:
        results, position = self.called_on_rows(batch), batch.position
        if all(result is None for result in results):
            return {}  # a function that only looks
        names = list(results[0]) if isinstance(results[0], Mapping) else []
        try:
            made = {name: [result[name] for result in results] for name in names}
        except (KeyError, TypeError):
            made = {}
        if not names or not made or any(len(result) != len(names) for result in results):
            self._explain(results, names, position)
        return made

    def _explain(self, results: list[Any], names: list[str], position: int) -> None:
        for number, result in enumerate(results, position):
            if not isinstance(result, Mapping):
                raise self._wrong(
                    f"row {number}", f"{type(result).__name__} {result!r:.80}, and a dictionary is needed"
                )
            if set(result) != set(names):
                raise self._wrong(f"row {number}", f"the columns {sorted(result)}, and before {sorted(names)}")

    def _of_batch(self, batch: Batch) -> Columns:
        made = self.called_on_batch(batch)
        if made is None:
            return {}
        if not isinstance(made, Mapping):
            raise self._wrong(batch.where, f"{type(made).__name__}, and a dictionary of lists is needed")
        return {name: cells if hasattr(cells, "__len__") else list(cells) for name, cells in made.items()}


class FilterStep(_FunctionStep):
    """The rows for which a function gives true."""

    def names(self) -> list[str]:
        return list(self.source.column_names)

    def computed(self, batch: Batch) -> Columns:
        kept = self._kept(batch)
        return {name: [cells[number] for number in kept] for name, cells in batch.columns.items()}

    def chunk(self, batch: Batch) -> Chunk:
        kept = self._kept(batch)
        parents = [batch.position + number for number in kept]
        columns: Any = self.computed(batch) if batch.stored is None else batch.stored.take(np.array(kept, np.int64))
        return Chunk(columns, parents, consumed=batch.rows, filtered=batch.rows - len(kept))

    def _kept(self, batch: Batch) -> list[int]:
        if not batch.rows:
            return []
        verdicts = list(self.called_on_batch(batch)) if self.batched else self.called_on_rows(batch)
        if len(verdicts) != batch.rows:
            raise self._wrong(
                batch.where, f"{len(verdicts)} values, and one for each of the {batch.rows} rows is needed"
            )
        return [number for number, verdict in enumerate(verdicts) if verdict]


# A list of parents for every row is exact, and its size the square of the batch: for small batches only.
_EXACT_PARENTS = 4096


def _parents(batch: Batch, rows: int) -> list[Any]:
    """Which rows those of a batch come from that has changed its length; none are named where that is too many."""
    every = list(range(batch.position, batch.position + batch.rows))
    return [every if rows * batch.rows <= _EXACT_PARENTS else []] * rows


def _stored_batches(source: OutputDataset, first: int, size: int, exact: bool) -> Iterator[Batch]:
    rows, position = source.rows, 0
    if not rows.num_rows:
        yield Batch({name: [] for name in rows.column_names}, 0, 0, rows.table())
    for table in rows.tables(size, first, exact):
        columns = dict(zip(rows.column_names, rows.to_lists(table), strict=True))
        yield Batch(columns, table.num_rows, position, table)
        position += table.num_rows


def _lazy_batches(source: Any, first: int, size: int) -> Iterator[Batch]:
    items, position = iter(source), 0
    while batch := list(islice(items, first)):
        yield Batch({name: [row[name] for row in batch] for name in batch[0]}, len(batch), position)
        position, first = position + len(batch), min(size, first * 2)
