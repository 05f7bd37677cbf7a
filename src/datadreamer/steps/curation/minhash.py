"""Which texts may be alike: bands of MinHash values (Broder 1997; Leskovec, Rajaraman and Ullman, chapter 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._lazy import require
from .normal_text import jaccard, shingles

CITATION = """@inproceedings{broder1997resemblance,
  title={On the resemblance and containment of documents},
  author={Broder, Andrei Z.},
  booktitle={Proceedings of Compression and Complexity of SEQUENCES 1997},
  pages={21--29},
  year={1997}
}"""

FOUND = 0.99  # the probability with which a pair exactly at the threshold shares a band


def banding(threshold: float, num_hashes: int) -> tuple[int, int]:
    """How many bands, of how many values each: as many values as `FOUND` allows, so that few pairs are compared."""
    for values in range(num_hashes, 1, -1):
        bands = num_hashes // values
        if 1 - (1 - threshold**values) ** bands >= FOUND:
            return bands, values
    return num_hashes, 1


class Bands:
    """Band keys of texts: two texts that share none are taken to be unlike.

    Args:
        threshold: Jaccard similarity from which two texts are alike.
        unit, size: what the pieces of a text are; see `shingles()`.
        num_hashes: MinHash values of a text.
        seed: of the hash functions.
    """

    def __init__(self, threshold: float, unit: str, size: int, num_hashes: int = 128, seed: int = 0) -> None:
        self._rensa: Any = require("rensa", extra="search", needed_for="Near-duplicate removal by MinHash")
        self.threshold, self._unit, self._size = threshold, unit, size
        self._num_hashes, self._seed = num_hashes, seed
        self.bands, self._values = banding(threshold, num_hashes)
        odd = np.random.Generator(np.random.PCG64(seed)).integers(0, 2**63, self._values, np.uint64)
        self._mix = odd * np.uint64(2) + np.uint64(1)

    def pieces(self, text: str) -> set[str]:
        return shingles(text, self._unit, self._size)

    def keys(self, texts: Sequence[str]) -> np.ndarray:
        """The keys of every text, an array of shape (texts, bands) of 32 bits each."""
        if not texts:
            return np.empty((0, self.bands), np.uint32)
        values = np.empty((len(texts), self._num_hashes), np.uint64)
        for place, text in enumerate(texts):
            sketch = self._rensa.RMinHash(self._num_hashes, self._seed)
            sketch.update(sorted(self.pieces(text)))
            values[place] = sketch.digest()
        banded = values[:, : self.bands * self._values].reshape(len(texts), self.bands, self._values)
        return ((banded * self._mix).sum(axis=2, dtype=np.uint64) >> np.uint64(32)).astype(np.uint32)

    def alike(self, one: set[str], other: set[str]) -> bool:
        """Whether two texts, given as their pieces, are as similar as the threshold says."""
        return jaccard(one, other) >= self.threshold
