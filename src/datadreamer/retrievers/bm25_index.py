"""The weights of BM25 for every word of every text, computed once: a query is a sum of a few sparse rows."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np

from .words import words

_BLOCK = 20_000  # texts that are counted together


class BM25Index:
    """See `BM25Retriever` for the formula.

    Args:
        texts: the corpus.
        k1: how soon further occurrences of a word stop to count.
        b: how much long texts are held back, 0 to 1.
    """

    def __init__(self, texts: Iterable[str], k1: float, b: float) -> None:
        self.ids: dict[str, int] = {}
        lengths, terms, places, counts = self._count(texts)
        self.texts = len(lengths)
        order = np.lexsort((places, terms))
        terms, self.places, counts = terms[order], places[order], counts[order]
        self.starts = np.searchsorted(terms, np.arange(len(self.ids) + 1))
        containing = np.diff(self.starts)
        idf = np.log1p((self.texts - containing + 0.5) / (containing + 0.5))
        mean = max(float(lengths.mean()), 1e-9)
        room = k1 * (1.0 - b + b * lengths / mean)
        self.weights = (idf[terms] * counts * (k1 + 1.0) / (counts + room[self.places])).astype(np.float32)

    def _count(self, texts: Iterable[str]) -> tuple[np.ndarray, ...]:
        """Words per text; and (term, text, count) for every word of every text."""
        ids, lengths, found = self.ids, array("q"), []
        terms, owners = array("q"), array("q")
        for place, text in enumerate(texts):
            of_text = [ids.setdefault(word, len(ids)) for word in words(text)]
            terms.extend(of_text)
            owners.extend([place] * len(of_text))
            lengths.append(len(of_text))
            if len(lengths) % _BLOCK == 0:
                found.append(_counted(terms, owners))
                terms, owners = array("q"), array("q")
        found.append(_counted(terms, owners))
        return np.asarray(lengths, np.float64), *(np.concatenate(parts) for parts in zip(*found, strict=True))

    def search(self, query: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and positions of the `k` best texts that have a word of the query, best first."""
        known = [self.ids[word] for word in words(query) if word in self.ids]
        if not known:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        scores = np.zeros(self.texts, np.float64)
        for term, times in zip(*np.unique(known, return_counts=True), strict=True):
            part = slice(self.starts[term], self.starts[term + 1])
            scores[self.places[part]] += times * self.weights[part].astype(np.float64)
        candidates = np.flatnonzero(scores)
        values = scores[candidates].astype(np.float32)
        if len(values) > k:
            bound = np.partition(values, len(values) - k)[len(values) - k]
            kept = values >= bound
            candidates, values = candidates[kept], values[kept]
        order = np.lexsort((candidates, -values))[:k]
        return values[order], candidates[order]


def _counted(terms: array[int], owners: array[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct (term, text) pairs with how often each occurs."""
    term, owner = np.asarray(terms, np.int64), np.asarray(owners, np.int64)
    if not len(term):
        return term, owner, np.empty(0, np.float64)
    texts = int(owner.max()) + 1
    pairs, counts = np.unique(term * texts + owner, return_counts=True)
    return pairs // texts, pairs % texts, counts.astype(np.float64)
