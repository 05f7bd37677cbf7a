"""Embeddings as one matrix of unit vectors on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import StepOutputTypeError

if TYPE_CHECKING:
    from ...datasets import Rows as StoredRows
    from ...embedders.embedder import Embedder


def embedded(
    embedder: Embedder, texts: Iterable[str | None], count: int, folder: Path, parameters: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Embed texts. Vectors of length 1 (memory-mapped, float32), and the positions of the texts that they belong to.

    A text that is None, or that has no vector, is left out.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    chunks = embedder.chunks(texts, progress_interval=None, total_num_texts=count, **given)
    found = ((chunk.first, chunk.vectors, list(chunk.failures)) for chunk in chunks)
    return _on_disk(found, folder)


def column_vectors(step: str, rows: StoredRows, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The same for a column of vectors.

    Raises:
        StepOutputTypeError: a cell is not a list of numbers, or as long as the others.
    """
    return _on_disk(_matrices(step, rows), folder)


def _matrices(step: str, rows: StoredRows) -> Iterator[tuple[int, np.ndarray, list[int]]]:
    first, dims = 0, None
    for batch in rows.batches():
        cells = batch.column(0).to_pylist()
        there = [cell for cell in cells if cell is not None]
        dims = len(there[0]) if dims is None and there and isinstance(there[0], list) else dims
        matrix = np.zeros((len(cells), dims or 0), np.float32)
        for place, cell in enumerate(cells):
            if cell is None:
                continue
            if not isinstance(cell, list) or len(cell) != dims or not all(isinstance(x, int | float) for x in cell):
                raise StepOutputTypeError(
                    f"Step '{step}': row {first + place} of its embeddings is {cell!r:.80}, "
                    f"not a list of {dims} numbers."
                )
            matrix[place] = cell
        yield first, matrix, [place for place, cell in enumerate(cells) if cell is None]
        first += len(cells)


def _on_disk(chunks: Iterable[tuple[int, np.ndarray, list[int]]], folder: Path) -> tuple[np.ndarray, np.ndarray]:
    file, at, dims = folder / "vectors.f32", [np.empty(0, np.int64)], 0
    with file.open("wb") as out:
        for first, matrix, without in chunks:
            there = np.ones(len(matrix), bool)
            there[without] = False
            lengths = np.linalg.norm(matrix.astype(np.float64), axis=1)
            there &= lengths > 0  # a vector of zeros has no direction
            out.write((matrix[there] / lengths[there, None]).astype("<f4").tobytes())
            at.append(first + np.flatnonzero(there))
            dims = matrix.shape[1] or dims
    rows = np.concatenate(at)
    if not len(rows):
        return np.empty((0, dims), np.float32), rows
    return np.memmap(file, "<f4", "r", shape=(len(rows), dims)), rows
