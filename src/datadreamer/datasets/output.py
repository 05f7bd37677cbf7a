"""`OutputDataset` and `OutputDatasetColumn`: what a step gives, on disk and opened lazily."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import InvalidArgumentError, InvalidTypeError, MissingColumnError, nearest
from . import display
from .rows import Memo, Rows, row_number
from .types import type_name

if TYPE_CHECKING:
    import pandas as pd


class _Output:
    """What a dataset and a single column of one have in common."""

    _html_rows = 10

    def __init__(self, step: Any, dataset: Any, pickled: bool = False, *, memo: Memo | None = None) -> None:
        refuse_pickled(pickled)
        self._step, self._memo = step, memo
        self._rows = as_rows(dataset)
        self._hf: Any = dataset if _is_hf(dataset) else None

    @property
    def step(self) -> Any:
        """The step that made this dataset."""
        return self._step

    @property
    def rows(self) -> Rows:
        """The rows behind this dataset, for views and Arrow access."""
        return self._rows

    @property
    def dataset(self) -> Any:
        """The same rows as a Hugging Face `datasets.Dataset`, built at first use."""
        if self._hf is None:
            from .hf import to_hf

            self._hf = to_hf(self._rows)
        return self._hf

    @property
    def column_names(self) -> list[str]:
        return self._rows.column_names

    @property
    def num_columns(self) -> int:
        return len(self._rows.column_names)

    @property
    def num_rows(self) -> int:
        return self._rows.num_rows

    def __len__(self) -> int:
        return self._rows.num_rows

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema."""
        return self._rows.schema

    @property
    def info(self) -> Any:
        """The `datasets.DatasetInfo` of the Hugging Face dataset."""
        return self.dataset.info

    @property
    def digest(self) -> str:
        """Content identity (`"ddc1:..."`), from the manifest for whole columns, computed once for views."""
        return self._rows.digest(self._memo)

    @property
    def fingerprint(self) -> str:
        """The same as `digest`: equal rows have equal fingerprints, whichever step made them."""
        return self.digest

    def head(self, n: int = 5, shuffle: bool = False, seed: int | None = None, buffer_size: int = 1000) -> pd.DataFrame:
        """The first `n` rows, or `n` rows drawn at random, as a pandas DataFrame.

        Args:
            n: number of rows.
            shuffle: draw from all rows instead of taking the first.
            seed: makes the draw repeatable.
            buffer_size: for lazy datasets; rows on disk are drawn from all of them.
        """
        rows = self._rows
        if shuffle:
            rows = rows.select(np.random.default_rng(seed).permutation(rows.num_rows)[:n])
        return rows.take(n).table().to_pandas()

    def to_pandas(self) -> pd.DataFrame:
        return self._rows.table().to_pandas()

    def to_arrow(self) -> pa.Table:
        return self._rows.table()

    def to_polars(self) -> Any:
        """A polars DataFrame; needs `polars`."""
        from .._lazy import require

        polars = require("polars", extra="polars", needed_for="to_polars()")
        return polars.from_arrow(self._rows.table())

    def to_hf(self) -> Any:
        """The same as `dataset`."""
        return self.dataset

    def to_dict(self) -> dict[str, list[Any]]:
        """Column name to list of values."""
        return {name: list(self._rows.values(name)) for name in self._rows.column_names}

    def save_to_disk(self, path: str | Path, num_proc: int | None = None, num_shards: int | None = None) -> None:
        """Write a folder that `datasets.load_from_disk` opens.

        Args:
            path: the folder; an earlier export there is replaced.
            num_proc: accepted for old scripts; writing is bound by the disk, not by processes.
            num_shards: number of files, else one per 500 MB.
        """
        from .exports import export_hf_dataset

        export_hf_dataset(self._rows, path, num_shards=num_shards or num_proc)

    def __repr__(self) -> str:
        return display.line(type(self).__name__, self.column_names, self.num_rows, self._step)

    def _repr_html_(self) -> str:
        types = {field.name: type_name(field.type) for field in self._rows.schema}
        first = [list(row.values()) for row in self._rows.take(self._html_rows).iterate()]
        return display.table(repr(self), types, first)


class OutputDataset(_Output):
    """Rows that a step made, with typed columns.

    `dataset["column"]` is a column, `dataset[3]` a row (dict), `dataset[2:5]` and `dataset[[1, 4]]` a dict of lists,
    and `dataset[["a", "b"]]` a dataset of those columns. Iterating gives rows.

    Args:
        step: the step it belongs to.
        dataset: `Rows`, a Hugging Face `Dataset` or an Arrow table.
        pickled: must be False; nothing is pickled.
        memo: see `Rows.column_digest`.

    Raises:
        ValueError: `dataset` is something else.
    """

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if key not in self._rows._columns:
                raise missing_column(key, self)
            return OutputDatasetColumn(self._step, self._rows.select_columns(key), memo=self._memo)
        if isinstance(key, (slice, range)):
            return self._lists(key)
        if hasattr(key, "__index__") and not hasattr(key, "__len__"):
            return self._rows.row(operator.index(key))
        keys = list(key)
        if keys and all(isinstance(name, str) for name in keys):
            return OutputDataset(self._step, self._rows.select_columns(keys), memo=self._memo)
        return self._lists(keys)

    def _lists(self, key: Any) -> dict[str, list[Any]]:
        data = _cut(self._rows, key)
        return dict(zip(self.column_names, self._rows.to_lists(data), strict=True))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._rows.iterate()

    def __contains__(self, name: object) -> bool:
        return name in self._rows.column_names

    def to_list(self) -> list[dict[str, Any]]:
        """The rows as dicts."""
        return list(self._rows.iterate())


class OutputDatasetColumn(_Output):
    """One column of a dataset: `column[3]` is a value, `column[2:5]` a list, iterating gives values.

    Args:
        step: the step it belongs to.
        dataset: as for `OutputDataset`, with exactly one column.
        pickled: must be False; nothing is pickled.
        memo: see `Rows.column_digest`.

    Raises:
        ValueError: `dataset` is something else, or has not exactly one column.
    """

    def __init__(self, step: Any, dataset: Any, pickled: bool = False, *, memo: Memo | None = None) -> None:
        super().__init__(step, dataset, pickled, memo=memo)
        names = self._rows.column_names
        if len(names) != 1:
            raise InvalidArgumentError(f"A column has exactly one column, and this dataset has {len(names)}: {names}.")
        self._name = names[0]

    @property
    def name(self) -> str:
        """The name of the column."""
        return self._name

    @property
    def digest(self) -> str:
        """Content identity of the cells. The column's name is not part of it."""
        return self._rows.column_digest(self._name, self._memo)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if key != self._name:
                raise MissingColumnError(f"This is the column {self._name!r}, and it has no column {key!r}.")
            return self.to_list()
        if hasattr(key, "__index__") and not hasattr(key, "__len__"):
            return self._rows.row(row_number(operator.index(key), self.num_rows))[self._name]
        return self._rows.to_lists(_cut(self._rows, key))[0]

    def __iter__(self) -> Iterator[Any]:
        return self._rows.values(self._name)

    def to_list(self) -> list[Any]:
        """The values."""
        return list(self._rows.values(self._name))


def as_rows(dataset: Any) -> Rows:
    """`Rows` of anything that an `OutputDataset` can be made of; ValueError for anything else."""
    if isinstance(dataset, Rows):
        return dataset
    if isinstance(dataset, _Output):
        return dataset.rows
    if isinstance(dataset, pa.Table):
        return Rows.from_table(dataset)
    if _is_hf(dataset):
        return Rows.from_hf(dataset)
    raise InvalidArgumentError(
        f"Expected a Hugging Face Dataset, an Arrow table or Rows, not {type(dataset).__name__}."
    )


def missing_column(name: str, dataset: Any) -> MissingColumnError:
    """The error for a column that is not there."""
    maker = getattr(dataset.step, "name", None)
    where = f" in '{maker}'" if maker else ""
    known = ", ".join(map(repr, dataset.column_names))
    return MissingColumnError(f"There is no column {name!r}{where}. Columns: {known}. {_hint(name, dataset)}".rstrip())


def _hint(name: str, dataset: Any) -> str:
    hint = nearest(name, dataset.column_names)
    return hint if hint.startswith("Did you") else ""


def refuse_pickled(pickled: bool) -> None:
    if pickled:
        raise InvalidArgumentError(
            "Nothing is pickled: opening a dataset must never run code. Return text, numbers, bytes, lists, dicts, "
            "NumPy arrays or images instead."
        )


def _is_hf(value: Any) -> bool:
    # asked by name, so that a plain dataset never waits for `import datasets`
    kinds = type(value).__mro__
    return any(kind.__module__ == "datasets.arrow_dataset" and kind.__name__ == "Dataset" for kind in kinds)


def _cut(rows: Rows, key: Any) -> pa.Table:
    if isinstance(key, slice):
        start, stop, step = key.indices(rows.num_rows)
        if step == 1:
            return rows.slice(start, max(0, stop - start)).table()
        return rows.gather(range(start, stop, step))
    if isinstance(key, (str, bytes)) or not hasattr(key, "__iter__"):
        raise InvalidTypeError(f"Rows are chosen by an int, a slice or a list of ints, not by {key!r}.")
    return rows.gather(key)
