"""Several retrievers over one corpus, fused by rank."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError, InvalidTypeError
from .found import NOTHING, Found, padded
from .retriever import Retriever, checked

CITATION = """@inproceedings{cormack2009reciprocal,
  title={Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods},
  author={Cormack, Gordon V and Clarke, Charles L A and Buettcher, Stefan},
  booktitle={Proceedings of the 32nd International ACM SIGIR Conference on Research and Development in Information
    Retrieval},
  pages={758--759},
  year={2009}
}"""


class HybridRetriever(Retriever):
    """Fuses what several retrievers find, for example by words and by meaning.

    The score of a text is the sum over the retrievers of `weight / (rank_constant + rank)`, ranks beginning at 1
    (reciprocal rank fusion). Source: Cormack, Clarke & Buettcher 2009, section 2.

    Args:
        *retrievers: two or more, over the same texts.
        weights: one per retriever. None: all 1.
        rank_constant: how little the very first ranks stand out.
        depth: how many texts each retriever is asked for, at least.
    """

    def __init__(
        self,
        *retrievers: Retriever,
        weights: Sequence[float] | None = None,
        rank_constant: int = 60,
        depth: int = 100,
    ) -> None:
        if len(retrievers) < 2 or not all(isinstance(one, Retriever) for one in retrievers):
            raise InvalidTypeError("HybridRetriever needs two or more retrievers.")
        if len({one.corpus.digest for one in retrievers}) > 1:
            raise InvalidArgumentError("HybridRetriever takes retrievers over the same texts; these differ.")
        if weights is not None and (len(weights) != len(retrievers) or min(weights) < 0):
            raise InvalidArgumentError(f"weights={weights!r}: give one number of at least 0 per retriever.")
        super().__init__(retrievers[0].corpus.column, retrievers[0].cache_folder_path)
        self.retrievers = retrievers
        self.weights = [1.0] * len(retrievers) if weights is None else [float(weight) for weight in weights]
        self.rank_constant, self.depth = int(rank_constant), int(depth)
        self.extra_parameters = frozenset()  # type: ignore[misc]

    def spec(self) -> dict[str, Any]:
        own = {"weights": self.weights, "rank_constant": self.rank_constant, "depth": self.depth}
        return {**super().spec(), **own, "retrievers": [one.spec() for one in self.retrievers]}

    @property
    def models(self) -> tuple[Any, ...]:
        return tuple(model for one in self.retrievers for model in one.models)

    @property
    def citation(self) -> list[str] | None:
        return [*dict.fromkeys(entry for one in self.retrievers for entry in one.citation or []), CITATION]

    @property
    def display_name(self) -> str:
        return f"{type(self).__name__} ({', '.join(one.display_name for one in self.retrievers)})"

    def check(self) -> None:
        for one in self.retrievers:
            one.check()

    def _build(self) -> list[Any]:
        return [one.index for one in self.retrievers]

    def unload_model(self) -> None:
        super().unload_model()
        for one in self.retrievers:
            one.unload_model()

    def _found(self, queries: Iterable[str | None], k: int, parameters: dict[str, Any]) -> Generator[Found, None, None]:
        self.index  # noqa: B018  (all indexes, before the first query)
        for first, texts, failures in checked(queries, 1000):
            searches = [list(one.found(texts, max(k, self.depth), **parameters)) for one in self.retrievers]
            for search in searches:
                for part in search:
                    failures.update({part.first + place: failure for place, failure in part.failures.items()})
            scores, places = self._fuse(searches, len(texts), k)
            yield Found(first, scores, places, failures)

    def _fuse(self, searches: Sequence[Sequence[Found]], queries: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        all_rows, all_places, all_scores = [], [], []
        for weight, search in zip(self.weights, searches, strict=True):
            for part in search:
                row, rank = np.nonzero(part.places != NOTHING)
                all_rows.append(row + part.first)
                all_places.append(part.places[row, rank])
                all_scores.append(weight / (self.rank_constant + 1.0 + rank))
        rows, places = np.concatenate(all_rows), np.concatenate(all_places)
        pairs, which = np.unique(rows * len(self.corpus) + places, return_inverse=True)
        sums = np.bincount(which, np.concatenate(all_scores), len(pairs)).astype(np.float32)
        rows, places = pairs // len(self.corpus), pairs % len(self.corpus)
        order = np.lexsort((places, -sums, rows))
        rows, places, sums = rows[order], places[order], sums[order]
        first = np.searchsorted(rows, np.arange(queries + 1))
        cuts = [slice(first[row], min(first[row + 1], first[row] + k)) for row in range(queries)]
        return padded([sums[cut] for cut in cuts], [places[cut] for cut in cuts], min(k, len(self.corpus)))
