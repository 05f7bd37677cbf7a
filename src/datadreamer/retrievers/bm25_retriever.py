"""Search by words: BM25."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError
from .bm25_index import BM25Index
from .found import padded
from .retriever import Retriever

CITATION = """@article{robertson2009probabilistic,
  title={The Probabilistic Relevance Framework: BM25 and Beyond},
  author={Robertson, Stephen and Zaragoza, Hugo},
  journal={Foundations and Trends in Information Retrieval},
  volume={3},
  number={4},
  pages={333--389},
  year={2009}
}"""


class BM25Retriever(Retriever):
    """Finds the texts that share the most telling words with a query.

    The score is the sum over the words of the query of
    `idf * f * (k1 + 1) / (f + k1 * (1 - b + b * length / mean length))`, f being how often the text has the word and
    idf `log(1 + (N - n + 0.5) / (n + 0.5))`, where n of N texts have it. Texts without a word of the query are not
    found, so that there may be fewer than k. Words are folded in case and compatibility forms; in scripts without
    spaces every character is a word. Source: Robertson & Zaragoza 2009, equation 3.15; the weights are computed once
    (Lù 2024, arXiv 2407.03618).

    Args:
        texts: the corpus: a list of str, or a column of a step.
        k1: how soon further occurrences of a word stop to count.
        b: how much long texts are held back, 0 to 1.
        cache_folder_path: without effect: nothing here costs anything.
    """

    def __init__(self, texts: Any, k1: float = 1.2, b: float = 0.75, cache_folder_path: str | None = None) -> None:
        super().__init__(texts, cache_folder_path)
        if k1 < 0 or not 0 <= b <= 1:
            raise InvalidArgumentError(f"k1 is {k1} and b is {b}: k1 must be at least 0, and b between 0 and 1.")
        self.k1, self.b = float(k1), float(b)

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "k1": self.k1, "b": self.b}

    def _build(self) -> BM25Index:
        return BM25Index(self.corpus, self.k1, self.b)

    def _search(self, queries: list[str], k: int, parameters: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        index: BM25Index = self.index
        found = [index.search(query, k) for query in queries]
        return padded([scores for scores, _ in found], [places for _, places in found], min(k, len(self.corpus)))

    @property
    def citation(self) -> list[str] | None:
        return [CITATION]
