"""Operations that select rows or columns and keep their order: nothing is copied."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from ...datasets import OutputDataset, OutputIterableDataset, concat_rows, spooled
from ...datasets import Rows as StoredRows
from ...errors import InvalidArgumentError
from .base import Dataset, Operation, of_rows, refuse_twice, scratch_folder


class _View(Operation):
    """A view that is written once for stored rows and once for rows that are computed as they are read."""

    def stored(self, rows: StoredRows) -> StoredRows:
        raise NotImplementedError

    def streamed(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Without a way to stream, the rows are computed first, and stand on disk meanwhile."""
        whole = spooled(rows, scratch_folder())
        return self.stored(whole).iterate()

    def streamed_columns(self, names: list[str]) -> list[str]:
        return names

    def streamed_rows(self, count: int | None) -> int | None:
        return count

    def view(self) -> Dataset:
        source: Any = self.source
        if isinstance(source, OutputDataset):
            return of_rows(self, self.stored(source.rows), source)
        return OutputIterableDataset(
            self,
            lambda: self.streamed(iter(source)),
            column_names=lambda: self.streamed_columns(source.column_names),
            total_num_rows=self.streamed_rows(source.num_rows),
        )


class SelectStep(_View):
    """The rows at given positions."""

    indices: list[int]

    def stored(self, rows: StoredRows) -> StoredRows:
        return rows.select(self.indices)

    def streamed_rows(self, count: int | None) -> int | None:
        return len(self.indices)


class SelectColumnsStep(_View):
    """Some of the columns."""

    column_names: list[str]

    def check(self) -> None:
        self.known_columns(self.column_names)
        have = self.source.column_names
        if have and not self.streamed_columns(have):
            raise InvalidArgumentError(
                f"Step '{self.name}' would leave no column, and so no rows. Columns: {', '.join(map(repr, have))}."
            )
        super().check()

    def stored(self, rows: StoredRows) -> StoredRows:
        return rows.select_columns(self.column_names)

    def streamed(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        return ({name: row[name] for name in self.column_names} for row in rows)

    def streamed_columns(self, names: list[str]) -> list[str]:
        return list(dict.fromkeys(self.column_names))


class RemoveColumnsStep(SelectColumnsStep):
    """All columns but some."""

    def stored(self, rows: StoredRows) -> StoredRows:
        return rows.remove_columns(self.column_names)

    def streamed(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        gone = set(self.column_names)
        return ({name: value for name, value in row.items() if name not in gone} for row in rows)

    def streamed_columns(self, names: list[str]) -> list[str]:
        return [name for name in names if name not in self.column_names]


class RenameColumnsStep(_View):
    """Columns under other names."""

    column_mapping: dict[str, str]

    def check(self) -> None:
        self.known_columns(list(self.column_mapping))
        refuse_twice(self, self.streamed_columns(self.source.column_names))
        super().check()

    def stored(self, rows: StoredRows) -> StoredRows:
        return rows.rename_columns(self.column_mapping)

    def streamed(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        names = self.column_mapping
        return ({names.get(name, name): value for name, value in row.items()} for row in rows)

    def streamed_columns(self, names: list[str]) -> list[str]:
        return [self.column_mapping.get(name, name) for name in names]


class RenameColumnStep(RenameColumnsStep):
    """One column under another name."""


class _Count(_View):
    n: int

    def check(self) -> None:
        if self.n < 0:
            raise InvalidArgumentError(f"Step '{self.name}': n must be 0 or more, not {self.n}.")
        super().check()


class TakeStep(_Count):
    """The first rows."""

    def stored(self, rows: StoredRows) -> StoredRows:
        return rows.take(self.n)

    def streamed(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        return islice(rows, self.n)

    def streamed_rows(self, count: int | None) -> int | None:
        return None if count is None else min(self.n, count)


class SkipStep(_Count):
    """All rows but the first ones."""

    def stored(self, rows: StoredRows) -> StoredRows:
        return rows.skip(self.n)

    def streamed(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        return islice(rows, self.n, None)

    def streamed_rows(self, count: int | None) -> int | None:
        return None if count is None else max(0, count - self.n)


class AddItemStep(_View):
    """The rows and one more."""

    item: dict[str, Any]

    def check(self) -> None:
        self.known_columns(list(self.item))
        super().check()

    def _item(self) -> dict[str, Any]:
        return {name: self.item.get(name) for name in self.source.column_names or self.item}

    def streamed_columns(self, names: list[str]) -> list[str]:
        return names or list(self.item)

    def stored(self, rows: StoredRows) -> StoredRows:
        return concat_rows([rows, StoredRows.from_list([self._item()])])

    def streamed(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        return chain(rows, [self._item()])

    def streamed_rows(self, count: int | None) -> int | None:
        return None if count is None else count + 1


class ShardStep(_View):
    """One of several parts."""

    num_shards: int
    index: int
    contiguous: bool = False

    @property
    def keeps(self) -> str:  # type: ignore[override]
        return "view" if self.lazy and isinstance(self.source, OutputDataset) else "stored"

    def check(self) -> None:
        if self.num_shards < 1:
            raise InvalidArgumentError(f"Step '{self.name}': num_shards must be 1 or more, not {self.num_shards}.")
        if not 0 <= self.index < self.num_shards:
            raise InvalidArgumentError(
                f"Step '{self.name}': index must be between 0 and num_shards - 1 = {self.num_shards - 1}, "
                f"not {self.index}."
            )
        super().check()

    def stored(self, rows: StoredRows) -> StoredRows:
        return rows.shard(self.num_shards, self.index, self.contiguous)

    def streamed(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        return super().streamed(rows) if self.contiguous else islice(rows, self.index, None, self.num_shards)


class ReverseStep(_View):
    """The rows from last to first."""

    def stored(self, rows: StoredRows) -> StoredRows:
        return rows.select(range(rows.num_rows - 1, -1, -1))


class CopyStep(_View):
    """The same rows as a step of their own."""

    def stored(self, rows: StoredRows) -> StoredRows:
        return rows

    def streamed(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        return rows


class SaveStep(CopyStep):
    """The same rows, stored."""
