"""`map` and `filter`: a function of the user's over rows or batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from ...datasets import OutputDataset, OutputIterableDataset
from ...errors import InvalidArgumentError, StepError, StepOutputError
from ..fields import runtime, setting
from ..rows import Chunk
from .base import Dataset, Operation

Columns = dict[str, list[Any]]


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
        return OutputIterableDataset(self, self._rows, total_num_rows=self.total_num_rows)

    def _rows(self) -> Iterator[dict[str, Any]]:
        for chunk in self.chunks():
            names = list(chunk.columns)
            for cells in zip(*chunk.columns.values(), strict=True):
                yield dict(zip(names, cells, strict=True))

    def chunks(self) -> Iterator[Chunk]:
        position = 0
        for columns in _batches(self.source, self.batch_size):
            rows = len(next(iter(columns.values()), []))
            if rows:
                yield self.chunk(columns, rows, position)
                position += rows

    def chunk(self, columns: Columns, rows: int, position: int) -> Chunk:
        raise NotImplementedError

    # --- calling the function -----------------------------------------------------------------------------------------

    def called_on_rows(self, columns: Columns, rows: int, position: int) -> list[Any]:
        """What the function gives for each row."""
        function, results = self.function, []
        for number, arguments in enumerate(self._row_arguments(columns), position):
            try:
                results.append(function(*arguments, number) if self.with_indices else function(*arguments))
            except Exception as error:
                raise self._failed(f"row {number}", error) from error
        return results

    def called_on_batch(self, columns: Columns, rows: int, position: int) -> Any:
        """What the function gives for a batch."""
        chosen = [columns[name] for name in self.input_columns] if self.input_columns else [dict(columns)]
        indices = [list(range(position, position + rows))] if self.with_indices else []
        try:
            return self.function(*chosen, *indices)
        except Exception as error:
            raise self._failed(f"rows {position} to {position + rows - 1}", error) from error

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
        self._made: set[str] = set()  # columns that the function gave
        super().check()

    @property
    def origins(self) -> Mapping[str, str]:  # type: ignore[override]
        """What the function did not touch is a copy; all else may come from any column."""
        kept = [name for name in self.source.column_names if self._made and name not in self._made]
        return {**dict.fromkeys(kept, "copied:source"), "*": "computed:source"}

    def view(self) -> Dataset:
        total = self.source.num_rows if self.total_num_rows is None and not self.batched else self.total_num_rows
        return OutputIterableDataset(self, self._rows, total_num_rows=total)

    def chunk(self, columns: Columns, rows: int, position: int) -> Chunk:
        made = self._batch(columns, rows, position) if self.batched else self._each(columns, rows, position)
        self._made.update(made)
        kept = {name: cells for name, cells in columns.items() if name not in self.without and name not in made}
        order = [name for name in columns if name in kept or name in made] + [n for n in made if n not in columns]
        result = {name: made[name] if name in made else kept[name] for name in order}
        lengths = {name: len(cells) for name, cells in result.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"'{name}' has {count}" for name, count in lengths.items())
            raise self._wrong(
                f"rows {position} to {position + rows - 1}",
                f"columns of different lengths ({shown}; name the unchanged ones in remove_columns)",
            )
        return Chunk(result, consumed=rows)

    def _each(self, columns: Columns, rows: int, position: int) -> Columns:
        results = self.called_on_rows(columns, rows, position)
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

    def _batch(self, columns: Columns, rows: int, position: int) -> Columns:
        made = self.called_on_batch(columns, rows, position)
        if made is None:
            return {}
        if not isinstance(made, Mapping):
            where = f"rows {position} to {position + rows - 1}"
            raise self._wrong(where, f"{type(made).__name__}, and a dictionary of lists is needed")
        return {name: cells if hasattr(cells, "__len__") else list(cells) for name, cells in made.items()}


class FilterStep(_FunctionStep):
    """The rows for which a function gives true."""

    def chunk(self, columns: Columns, rows: int, position: int) -> Chunk:
        if self.batched:
            verdicts = list(self.called_on_batch(columns, rows, position))
            if len(verdicts) != rows:
                where = f"rows {position} to {position + rows - 1}"
                raise self._wrong(where, f"{len(verdicts)} values, and one for each of the {rows} rows is needed")
        else:
            verdicts = self.called_on_rows(columns, rows, position)
        kept = [number for number, verdict in enumerate(verdicts) if verdict]
        result = {name: [cells[number] for number in kept] for name, cells in columns.items()}
        return Chunk(result, [position + number for number in kept], consumed=rows, filtered=rows - len(kept))


def _batches(source: Any, size: int) -> Iterator[Columns]:
    if isinstance(source, OutputDataset):
        rows = source.rows
        for batch in rows.batches(size):
            yield dict(zip(rows.column_names, rows.to_lists(batch), strict=True))
        return
    items = iter(source)
    while batch := list(islice(items, size)):
        yield {name: [row[name] for row in batch] for name in batch[0]}
