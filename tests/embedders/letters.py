"""An embedder in this process that needs no weights, and counts what it is asked."""

from __future__ import annotations

from typing import Any

import numpy as np

from datadreamer.embedders import Embedder


class Letters(Embedder):
    """How often each of the letters a to z occurs. A token is a word."""

    def __init__(self, model_name: str = "letters", most: int = 100, cache_folder_path: str | None = None) -> None:
        super().__init__(model_name, cache_folder_path)
        self.most = most
        self.batches: list[list[str]] = []

    def spec(self) -> dict[str, Any]:
        return {"kind": "letters", "model": self.model_name}

    def _embed_batch(self, texts: list[str], truncate: bool, instruction: str | None, parameters: Any) -> np.ndarray:
        self.batches.append(texts)
        whole = [(instruction or "") + " ".join(text.split()[: self.most]) for text in texts]
        return np.array([[text.count(chr(97 + letter)) for letter in range(26)] for text in whole], np.float32)

    def count_tokens(self, value: str) -> int:
        return len(value.split())

    @property
    def model_max_length(self) -> int:
        return self.most

    @property
    def dims(self) -> int:
        return 26

    @property
    def asked(self) -> list[str]:
        return [text for batch in self.batches for text in batch]
