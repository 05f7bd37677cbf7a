"""An embedder and corpora for tests of the steps that embed and retrieve."""

from __future__ import annotations

from typing import Any

import numpy as np

from datadreamer.embedders import Embedder

WORDS = ("cat", "dog", "paris", "london", "tower", "france")
DOCS = ["A cat and a dog.", "Paris is in France.", "The tower of London.", "Nothing at all."]


class Directions(Embedder):
    """One dimension per word, of length 1 (or 0). Counts what it is asked."""

    def __init__(self, model_name: str = "directions", longest: int = 12) -> None:
        super().__init__(model_name)
        self.longest = longest
        self.asked: list[str] = []

    def spec(self) -> dict[str, Any]:
        return {"kind": "directions", "model": self.model_name}

    def _embed_batch(self, texts: list[str], truncate: bool, instruction: str | None, parameters: Any) -> np.ndarray:
        self.asked += [(instruction or "") + text for text in texts]
        counts = np.array([[text.lower().count(word) for word in WORDS] for text in texts], np.float64)
        lengths = np.linalg.norm(counts, axis=1, keepdims=True)
        return (counts / np.where(lengths > 0, lengths, 1)).astype(np.float32)

    def count_tokens(self, value: str) -> int:
        return len(value.split())

    @property
    def model_max_length(self) -> int:
        return self.longest

    @property
    def dims(self) -> int:
        return len(WORDS)

    @property
    def license(self) -> str | None:
        return "mit"

    @property
    def citation(self) -> list[str] | None:
        return ["@misc{directions, title={Directions}}"]
