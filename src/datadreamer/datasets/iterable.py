"""`OutputIterableDataset` and its column: what a lazy step gives. Rows are made anew each time they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidArgumentError, InvalidTypeError, MissingColumnError
from . import display
from .output import missing_column, refuse_pickled

if TYPE_CHECKING:
    import pandas as pd

Factory = Callable[[], Iterator[dict[str, Any]]]
Names = Sequence[str] | Callable[[], Sequence[str]] | None


class _Lazy:
    def __init__(
        self,
        step: Any,
        dataset: Any,
        pickled: bool = False,
        total_num_rows: int | None = None,
        *,
        column_names: Names = None,
    ) -> None:
        refuse_pickled(pickled)
        self._step, self._num_rows = step, total_num_rows
        self._hf = dataset if _is_hf_iterable(dataset) else None
        if self._hf is None and not callable(dataset):
            raise InvalidArgumentError(
                "Expected a Hugging Face IterableDataset or a function that returns a fresh iterator of rows, not "
                f"{type(dataset).__name__}."
            )
        self._factory: Factory = dataset if self._hf is None else lambda: iter(dataset)
        self._name_columns = column_names if callable(column_names) else self._see_names
        self._names = list(column_names) if column_names is not None and not callable(column_names) else None

    @property
    def step(self) -> Any:
        """The step that makes these rows."""
        return self._step

    @property
    def dataset(self) -> Any:
        """The same rows as a Hugging Face `datasets.IterableDataset`."""
        if self._hf is None:
            import datasets

            self._hf = datasets.IterableDataset.from_generator(self._factory)
        return self._hf

    @property
    def column_names(self) -> list[str]:
        """Names of the columns; if nobody said them, the first row is made to see."""
        if self._names is None:
            self._names = list(self._name_columns())
        return list(self._names)

    def _see_names(self) -> Sequence[str]:
        return getattr(self._hf, "column_names", None) or list(next(iter(self._factory()), {}))

    @property
    def known_column_names(self) -> list[str] | None:
        """Names of the columns as far as they are known without making a row."""
        return None if self._names is None else list(self._names)

    @property
    def num_columns(self) -> int:
        return len(self.column_names)

    @property
    def num_rows(self) -> int | None:
        """Number of rows, or None when it is not known before they are made."""
        return self._num_rows

    @property
    def info(self) -> Any:
        """The `datasets.DatasetInfo` of the Hugging Face dataset."""
        return self.dataset.info

    @property
    def fingerprint(self) -> str:
        """Identity of what these rows will be: the step's fingerprint and the columns."""
        import hashlib

        text = "\0".join([str(getattr(self._step, "fingerprint", "")), *self.column_names])
        return hashlib.sha256(b"datadreamer.lazy.1\0" + text.encode()).hexdigest()

    def rows(self) -> Iterator[dict[str, Any]]:
        """A fresh iterator of rows."""
        return iter(self._factory())

    def head(self, n: int = 5, shuffle: bool = False, seed: int | None = None, buffer_size: int = 1000) -> pd.DataFrame:
        """The first `n` rows as a pandas DataFrame, or `n` drawn at random from the first `buffer_size`."""
        import pandas as pd

        if not shuffle:
            return pd.DataFrame(list(islice(self.rows(), n)), columns=self.column_names)
        pool = list(islice(self.rows(), max(buffer_size, n)))
        chosen = np.random.default_rng(seed).permutation(len(pool))[:n]
        return pd.DataFrame([pool[at] for at in chosen], columns=self.column_names)

    def __repr__(self) -> str:
        names = self._names if self._names is not None else (getattr(self._hf, "column_names", None) or ["?"])
        return display.line(type(self).__name__, names, self._num_rows, self._step)


class OutputIterableDataset(_Lazy):
    """Lazy rows: iterating gives dicts, `dataset["column"]` a lazy column.

    Args:
        step: the step it belongs to.
        dataset: a Hugging Face `IterableDataset`, or a function that returns a fresh iterator of rows (dicts).
        pickled: must be False; nothing is pickled.
        total_num_rows: number of rows if it is known.
        column_names: names of the columns, or a function that gives them when they are asked for; without them the
            first row is made to see.

    Raises:
        ValueError: `dataset` is something else.
    """

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.rows()

    def __getitem__(self, key: Any) -> OutputIterableDatasetColumn:
        if not isinstance(key, str):
            raise InvalidTypeError(
                f"Lazy rows have no positions, so [{key!r}] cannot be read. Use .save() on the step first, or iterate."
            )
        if key not in self.column_names:
            raise missing_column(key, self)
        factory = self._factory
        return OutputIterableDatasetColumn(
            self._step,
            lambda: ({key: row[key]} for row in factory()),
            total_num_rows=self._num_rows,
            column_names=[key],
        )

    def __contains__(self, name: object) -> bool:
        return name in self.column_names


class OutputIterableDatasetColumn(_Lazy):
    """One lazy column: iterating gives values. Arguments as for `OutputIterableDataset`, with exactly one column."""

    def __init__(
        self,
        step: Any,
        dataset: Any,
        pickled: bool = False,
        total_num_rows: int | None = None,
        *,
        column_names: Names = None,
    ) -> None:
        super().__init__(step, dataset, pickled, total_num_rows, column_names=column_names)
        names = self.column_names
        if len(names) != 1:
            raise InvalidArgumentError(f"A column has exactly one column, and this dataset has {len(names)}: {names}.")
        self._name = names[0]

    @property
    def name(self) -> str:
        """The name of the column."""
        return self._name

    def __iter__(self) -> Iterator[Any]:
        name = self._name
        return (row[name] for row in self._factory())

    def __getitem__(self, key: Any) -> Iterator[Any]:
        if key != self._name:
            raise MissingColumnError(f"This is the column {self._name!r}, and it has no {key!r}.")
        return iter(self)


def _is_hf_iterable(value: Any) -> bool:
    kinds = type(value).__mro__
    return any(kind.__module__ == "datasets.iterable_dataset" and kind.__name__ == "IterableDataset" for kind in kinds)
