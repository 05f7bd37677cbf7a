"""An embedder that needs no weights: for trying a workflow without a model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .embedder import Embedder

if TYPE_CHECKING:
    import numpy as np

_WORD = re.compile(r"\w+")


class FakeEmbedder(Embedder):
    """An embedder for tests of workflows: the same text has the same vector everywhere, and no weights are loaded.

    Each word has a fixed direction, and a text the sum of those of its words (in lower case), at length 1: texts that
    share words are near each other, others are far. Tokens are counted as words.

    Args:
        dims: numbers in a vector.
        model_name: the name that it goes by.
        max_length: words of a text, at most.
        cache_folder_path: see `Embedder`.
    """

    provider = "fake"

    def __init__(
        self,
        dims: int = 64,
        *,
        model_name: str = "fake",
        max_length: int = 1_000_000,
        cache_folder_path: str | None = None,
    ) -> None:
        super().__init__(model_name, cache_folder_path)
        self.calls = 0  # texts that reached it
        self._dims = dims
        self._max_length = max_length

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "dims": self._dims, "max_length": self._max_length}

    def count_tokens(self, value: str) -> int:
        return len(value.split())

    @property
    def model_max_length(self) -> int:
        return self._max_length

    @property
    def dims(self) -> int:
        return self._dims

    def _embed_batch(
        self, texts: list[str], truncate: bool, instruction: str | None, parameters: Mapping[str, Any]
    ) -> np.ndarray:
        import numpy as np

        self.calls += len(texts)
        return np.stack([self._vector((instruction or "") + text) for text in texts])

    def _vector(self, text: str) -> np.ndarray:
        import numpy as np

        kept = " ".join(text.split()[: self._max_length]).lower()
        words = _WORD.findall(kept) or [kept]
        total = np.stack([_direction(word, self._dims) for word in words]).sum(axis=0)
        if not total.any():  # words that point in opposite directions
            total = _direction(kept, self._dims)
        vector: np.ndarray = (total / np.linalg.norm(total)).astype(np.float32)
        return vector


@lru_cache(maxsize=10_000)
def _direction(word: str, dims: int) -> np.ndarray:
    """1 or -1 in every place, from the hash of a word."""
    import numpy as np

    stream = hashlib.shake_256(word.encode()).digest(-(-dims // 8))
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))[:dims]
    return bits.astype(np.float32) * 2 - 1
