"""The vectors of a corpus, searched exactly by NumPy."""

from __future__ import annotations

import numpy as np

from .exact_search import longest_of, nearest


class ExactIndex:
    """`vectors`: float32, of shape (texts, dims)."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors
        self._longest = longest_of(vectors)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and positions of the `k` nearest, best first."""
        return nearest(queries, self.vectors, k, longest=self._longest)
