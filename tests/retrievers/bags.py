"""An embedder for tests of retrievers: a few words as directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from datadreamer.embedders import Embedder

WORDS = ("cat", "dog", "paris", "london", "tower", "france")


class Bags(Embedder):
    """One dimension per word, of length 1 (or 0). Counts what it is asked."""

    def __init__(self, model_name: str = "bags", cache_folder_path: str | None = None) -> None:
        super().__init__(model_name, cache_folder_path)
        self.asked: list[str] = []

    def spec(self) -> dict[str, Any]:
        return {"kind": "bags", "model": self.model_name}

    def _embed_batch(self, texts: list[str], truncate: bool, instruction: str | None, parameters: Any) -> np.ndarray:
        self.asked += [(instruction or "") + text for text in texts]
        counts = np.array([[text.lower().count(word) for word in WORDS] for text in texts], np.float64)
        lengths = np.linalg.norm(counts, axis=1, keepdims=True)
        return (counts / np.where(lengths > 0, lengths, 1)).astype(np.float32)

    def count_tokens(self, value: str) -> int:
        return len(value.split())

    @property
    def model_max_length(self) -> int:
        return 12

    @property
    def dims(self) -> int:
        return len(WORDS)
