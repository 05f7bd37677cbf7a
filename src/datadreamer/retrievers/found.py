"""What a search gives for some queries, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..llms.types import Failure
    from .corpus import Corpus

NOTHING = -1  # in place of a position, where fewer than k texts were found


@dataclass(slots=True)
class Found:
    """The texts found for consecutive queries, best first."""

    first: int  # position of the first query among all
    scores: np.ndarray  # float32, of shape (queries, k)
    places: np.ndarray  # int64, of the same shape: positions in the corpus, or NOTHING at the end of a row
    failures: dict[int, Failure] = field(default_factory=dict)  # by position within these queries

    def without(self, rows: set[int]) -> Found:
        """Only the queries that are not among `rows`."""
        kept = [row for row in range(len(self.places)) if row not in rows]
        return replace(self, scores=self.scores[kept], places=self.places[kept], failures={})

    def as_arrow(self, corpus: Corpus) -> Any:
        """An Arrow array of structs `{indices, texts, scores}`, one per query."""
        import pyarrow as pa

        there = self.places != NOTHING
        offsets = np.zeros(len(self.places) + 1, np.int32)
        np.cumsum(there.sum(axis=1), out=offsets[1:])
        places = self.places[there]
        lists = [
            pa.ListArray.from_arrays(pa.array(offsets), values)
            for values in (pa.array(places), corpus.take(places), pa.array(self.scores[there]))
        ]
        return pa.StructArray.from_arrays(lists, names=["indices", "texts", "scores"])

    def as_dicts(self, corpus: Corpus) -> list[dict[str, Any]]:
        """A dictionary `{"indices": [...], "texts": [...], "scores": [...]}` per query."""
        found: list[dict[str, Any]] = self.as_arrow(corpus).to_pylist()
        return found


def padded(scores: list[np.ndarray], places: list[np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of different lengths as arrays of shape (queries, k)."""
    all_scores = np.zeros((len(scores), k), np.float32)
    all_places = np.full((len(scores), k), NOTHING, np.int64)
    for row, (score, place) in enumerate(zip(scores, places, strict=True)):
        all_scores[row, : len(score)], all_places[row, : len(place)] = score[:k], place[:k]
    return all_scores, all_places
