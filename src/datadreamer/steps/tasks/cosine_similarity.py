"""`CosineSimilarity`: how alike two columns are, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from ...embedders.embedder import Embedder
from ...errors import InvalidArgumentError, InvalidTypeError, StepOutputTypeError
from ...llms.types import Failure
from ..fields import Column, output, runtime
from ..rows import Chunk, Loss
from ..step import Step
from .model_arguments import own_parameters, refuse_unknown, speed_of
from .passing import passing, rows_and_losses

_ROWS = 8192  # vectors that are compared at once
_NO_VALUE = Failure(reason="no_input", message="The row has no value in one of the two columns.", attempts=0)


class CosineSimilarity(Step):
    """The cosine of the angle between the vectors of two columns, row by row: from -1 to 1, where 1 is alike.

    Further keyword arguments (in `args={...}`) go to the embedder, which refuses those it does not take.

    Args:
        a, b: texts (with an embedder), or vectors (without). A row without a value in both is lost, with the reason
            `"no_input"`. A vector of zeros is like nothing: 0.
        embedder: for texts.
        truncate: cut texts that are longer than the embedder takes; False stops at the first one, naming it.
        similarity_batch_size, device: accepted for scripts written for the paper; rows are compared by the CPU, many at
            once, and the embedder runs where it says.
        batch_size, batch_scheduler_buffer_size, adaptive_batch_size: see `Embedder.run()`. They never count.
        lazy: accepted for scripts written for the paper; similarities are stored all the same.
    """

    a: Column[Any]
    b: Column[Any]
    embedder: Embedder | None = None
    truncate: bool = False
    similarity_batch_size: int = runtime(default=100)
    device: Any = runtime(default=None)
    batch_size: int | None = runtime(default=None)
    batch_scheduler_buffer_size: int | None = runtime(default=None)
    adaptive_batch_size: bool | None = runtime(default=None)
    lazy: bool = runtime(default=False)
    similarities: float = output(help="The cosine of the angle between the two vectors.")

    model_role: ClassVar[str] = "scored-by"
    origins: ClassVar[dict[str, str]] = {"a": "copied:a", "b": "copied:b", "similarities": "judged:a,b"}

    def setup(self) -> None:
        self.register_arg("**kwargs")
        self.register_output("a", help="The first column, unchanged.")
        self.register_output("b", help="The second column, unchanged.")
        self.order_outputs("a", "b", "similarities")

    def check(self) -> None:
        taken = self.embedder.extra_parameters if self.embedder is not None else ()
        refuse_unknown(self.name, self._own(), taken, self._declaration.fields)
        for name in ("a", "b"):
            schema = getattr(self._inputs[name], "schema", None)
            if schema is not None:
                self._check_kind(name, str(schema.field(0).type))

    def _check_kind(self, name: str, kind: str) -> None:
        text = kind in ("string", "large_string")
        if text and self.embedder is None:
            raise InvalidArgumentError(
                f"Step '{self.name}': '{name}' holds texts, so it needs embedder=…, for example "
                "SentenceTransformersEmbedder(model_name=…)."
            )
        if not text and kind != "null" and self.embedder is not None:
            raise InvalidArgumentError(
                f"Step '{self.name}': '{name}' holds {kind}, not texts, so there is nothing to embed. "
                "Leave embedder out."
            )

    def _own(self) -> dict[str, Any]:
        return own_parameters(self._args, self._declaration.fields)

    def run(self) -> Iterator[Chunk | Loss]:
        return self._of_vectors() if self.embedder is None else self._of_texts(self.embedder)

    def _of_texts(self, embedder: Embedder) -> Iterator[Chunk | Loss]:
        left, right = passing(self.a), passing(self.b)
        given = {**self._own(), **speed_of(self._args), "truncate": self.truncate, "progress_interval": None}
        pairs = zip(embedder.chunks(left, **given), embedder.chunks(right, **given), strict=True)
        for one, other in pairs:
            count = min(len(one.vectors), len(other.vectors))  # the last before a budget is used up may be shorter
            failures = {place: why for place, why in {**one.failures, **other.failures}.items() if place < count}
            there = [place for place in range(count) if place not in failures]
            similar = np.zeros(count)
            if there:
                similar[there] = cosines(one.vectors[there], other.vectors[there])
            yield from self._rows(one.first, left.take(count), right.take(count), similar, failures)

    def _of_vectors(self) -> Iterator[Chunk | Loss]:
        first = 0
        for left, right in zip(_pieces(self.a), _pieces(self.b), strict=True):
            there = [place for place in range(len(left)) if left[place] is not None and right[place] is not None]
            failures = {} if len(there) == len(left) else dict.fromkeys(set(range(len(left))) - set(there), _NO_VALUE)
            similar = np.zeros(len(left))
            if there:
                one, other = self._matrix("a", left, there, first), self._matrix("b", right, there, first)
                if one.shape[1] != other.shape[1]:
                    raise InvalidArgumentError(
                        f"Step '{self.name}': vectors of 'a' have {one.shape[1]} dimensions and those of 'b' "
                        f"{other.shape[1]}. Embed both columns with one model."
                    )
                similar[there] = cosines(one, other)
            yield from self._rows(first, left, right, similar, failures)
            first += len(left)

    def _matrix(self, name: str, vectors: Any, there: list[int], first: int) -> np.ndarray:
        if isinstance(vectors, _Cells):
            found = vectors.matrix()
            if found is not None:
                return found
        rows = [vectors[place] for place in there]
        for place, row in zip(there, rows, strict=True):
            if isinstance(row, str):
                raise InvalidTypeError(
                    f"Step '{self.name}': row {first + place} of '{name}' is a text: give embedder=…."
                )
            if len(row) != len(rows[0]):
                raise StepOutputTypeError(
                    f"Row {first + place} of '{name}' in step '{self.name}' has {len(row)} dimensions, and row "
                    f"{first + there[0]} has {len(rows[0])}. Vectors are compared only when equally long."
                )
        return np.asarray(rows, np.float64)

    def _rows(
        self, first: int, left: Any, right: Any, similar: np.ndarray, failures: dict[int, Failure]
    ) -> Iterator[Chunk | Loss]:
        columns = {"a": _plain(left), "b": _plain(right), "similarities": _array(similar)}
        return rows_and_losses(first, columns, failures)


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The cosines of the angles between rows, float64."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    products = np.einsum("ij,ij->i", one, other)
    lengths = np.sqrt(np.einsum("ij,ij->i", one, one) * np.einsum("ij,ij->i", other, other))
    found: np.ndarray = np.divide(products, lengths, out=np.zeros(len(products)), where=lengths > 0)
    return np.clip(found, -1.0, 1.0)


class _Cells:
    """Cells of a stored column of vectors, as Arrow."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, place: int) -> Any:
        cell = self.array[place]
        return cell.as_py() if cell.is_valid else None

    def matrix(self) -> np.ndarray | None:
        """All cells at once; None where some are null, or not equally long."""
        from ...datasets.arrays import list_lengths

        if self.array.null_count or not hasattr(self.array.type, "value_type"):
            return None
        lengths = list_lengths(self.array)
        if (lengths != lengths[0]).any():
            return None
        flat = self.array.flatten()
        if flat.null_count:
            return None
        return np.asarray(flat.to_numpy(zero_copy_only=False), np.float64).reshape(len(self.array), lengths[0])


def _pieces(column: Any) -> Iterator[Any]:
    rows: Any = getattr(column, "rows", None)
    if hasattr(rows, "tables"):
        for table in rows.tables(_ROWS, exact=True):
            yield _Cells(table.column(0).combine_chunks())
        return
    values = iter(column)
    while piece := list(islice(values, _ROWS)):
        yield piece


def _plain(values: Any) -> Any:
    return values.array if isinstance(values, _Cells) else values


def _array(values: np.ndarray) -> Any:
    import pyarrow as pa

    return pa.array(values)
