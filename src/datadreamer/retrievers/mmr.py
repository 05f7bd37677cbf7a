"""Maximal marginal relevance: texts that fit the query, and are not all alike."""

from __future__ import annotations

import numpy as np

CITATION = """@inproceedings{carbonell1998use,
  title={The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries},
  author={Carbonell, Jaime and Goldstein, Jade},
  booktitle={Proceedings of the 21st Annual International ACM SIGIR Conference on Research and Development in
    Information Retrieval},
  pages={335--336},
  year={1998}
}"""


def diverse(scores: np.ndarray, vectors: np.ndarray, k: int, diversity: float) -> np.ndarray:
    """Which `k` of the candidates to take, in order.

    Each is the one with the largest `(1 - diversity) * score - diversity * s`, where s is its largest inner product
    with those already taken; equal ones in the order of the candidates. Source: Carbonell & Goldstein 1998, section 2.

    Args:
        scores: of the candidates for the query, best first, of shape (candidates,).
        vectors: of the candidates, of shape (candidates, dims).
        k: how many.
        diversity: 0 takes the best scores, 1 takes what is least alike.
    """
    alike = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    worth = (1.0 - diversity) * scores.astype(np.float64)
    nearest = np.zeros(len(scores))
    left = np.ones(len(scores), bool)
    chosen: list[int] = []
    for _ in range(min(k, len(scores))):
        value = np.where(left, worth - diversity * nearest, -np.inf)
        best = int(np.argmax(value))
        chosen.append(best)
        left[best] = False
        nearest = alike[best] if len(chosen) == 1 else np.maximum(nearest, alike[best])
    return np.asarray(chosen, np.int64)
