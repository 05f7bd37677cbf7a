"""The vectors of a corpus, searched by an index of FAISS: for corpora where exact search is too slow."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .. import _lazy
from ..errors import InvalidArgumentError
from .exact_index import ExactIndex
from .found import NOTHING

_SEED = 0
_ON_SAMPLE = 262_144  # rows that an index is trained on, at most; more for many cells
_PER_CELL = 256  # rows for each cell of an inverted file: more than that, FAISS does not use
_ADD = 65_536  # rows that are added at once

CITATION = """@article{douze2024faiss,
  title={The Faiss library},
  author={Douze, Matthijs and Guzhva, Alexandr and Deng, Chengqi and Johnson, Jeff and Szilvasy, Gergely and
    Mazar{\\'e}, Pierre-Emmanuel and Lomeli, Maria and Hosseini, Lucas and J{\\'e}gou, Herv{\\'e}},
  journal={arXiv preprint arXiv:2401.08281},
  year={2024}
}"""


class FaissIndex(ExactIndex):
    """An index that `faiss.index_factory` makes, by inner product.

    Args:
        vectors: float32, of shape (texts, dims).
        kind: what the factory is told, for example `"IVF1024,Flat"` or `"HNSW32"`.
        needed_for: for messages.

    Raises:
        MissingDependencyError: FAISS is not installed.
        InvalidArgumentError: FAISS knows no such index, or it needs more texts than there are.
    """

    def __init__(self, vectors: np.ndarray, kind: str, needed_for: str) -> None:
        super().__init__(vectors)
        self._faiss = _lazy.require("faiss", extra="search", needed_for=f"{needed_for} with index_type='{kind}'")
        self.kind = kind
        try:
            self.index: Any = self._faiss.index_factory(vectors.shape[1], kind, self._faiss.METRIC_INNER_PRODUCT)
        except RuntimeError as error:
            raise self._refused(error) from error
        self._train()
        for start in range(0, len(vectors), _ADD):
            self.index.add(np.ascontiguousarray(vectors[start : start + _ADD]))

    def _train(self) -> None:
        if self.index.is_trained:
            return
        rows = min(len(self.vectors), max(_ON_SAMPLE, _PER_CELL * self._cells()))
        chosen = np.sort(np.random.default_rng(_SEED).choice(len(self.vectors), rows, replace=False))
        try:
            self.index.train(np.ascontiguousarray(self.vectors[chosen]))
        except RuntimeError as error:
            raise self._refused(error) from error

    def _cells(self) -> int:
        found = re.search(r"IVF(\d+)", self.kind)
        return int(found[1]) if found else 0

    def _refused(self, error: Exception) -> InvalidArgumentError:
        said = " ".join(str(error).split())
        return InvalidArgumentError(
            f"index_type='{self.kind}' cannot be made for {len(self.vectors):,} vectors of {self.vectors.shape[1]} "
            f"dimensions: {said[-300:]}. Leave index_type out: the search is exact then."
        )

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and positions of the `k` nearest that the index finds, best first; -1 where it finds fewer."""
        scores, places = self.index.search(np.ascontiguousarray(queries, np.float32), min(k, len(self.vectors)))
        places = places.astype(np.int64)
        scores = np.where(places == NOTHING, np.float32(-np.inf), scores)
        order = np.lexsort((places, -scores), axis=1)
        scores, places = np.take_along_axis(scores, order, 1), np.take_along_axis(places, order, 1)
        return np.where(places == NOTHING, np.float32(0), scores), places
