"""Search by meaning: the texts whose vectors are nearest to that of the query."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..embedders.embedder import Embedder
from ..errors import ContextLengthError, InvalidArgumentError, InvalidTypeError, ModelError
from .exact_index import ExactIndex
from .found import NOTHING, Found, padded
from .mmr import diverse
from .retriever import Retriever

if TYPE_CHECKING:
    from ..embedders.ask import Chunk

_CANDIDATES = 4  # for each text that is wanted, where diversity chooses among them
_SPEED = frozenset(
    ("batch_size", "batch_scheduler_buffer_size", "adaptive_batch_size", "progress_interval", "force", "cache_only")
)


class EmbeddingRetriever(Retriever):
    """Finds the texts whose vectors have the largest inner product with that of the query: for vectors of length 1,
    the cosine. The search is exact unless `index_type` says otherwise.

    Args:
        texts: the corpus: a list of str, or a column of a step.
        embedder: for texts and queries.
        truncate: cut texts and queries that are longer than the embedder takes. False: such a text is an error.
        index_type: an index of FAISS by its factory string, for example `"IVF1024,Flat"` or `"HNSW32"`: quicker, and
            not exact. None: exact search by NumPy.
        index_batch_size: texts per batch when the corpus is embedded.
        index_instruction, query_instruction: put in front of every text, and of every query.
        cache_folder_path: see `Retriever`.
        device: accepted for scripts written for the paper; the search runs on the CPU, the embedder where it says.
        **kwargs: passed to `Embedder.run`, for texts and queries.

    `run()` also takes `diversity` (0 to 1): among four times as many candidates, texts that are not all alike
    (maximal marginal relevance), and the parameters that the embedder knows.
    """

    def __init__(
        self,
        texts: Any,
        embedder: Embedder,
        truncate: bool = False,
        index_type: str | None = None,
        index_batch_size: int = 10,
        index_instruction: str | None = None,
        query_instruction: str | None = None,
        cache_folder_path: str | None = None,
        device: Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(embedder, Embedder):
            raise InvalidTypeError(
                "embedder must be an embedder, for example SentenceTransformersEmbedder(model_name=…), "
                f"not {type(embedder).__name__} {embedder!r}."[:300]
            )
        super().__init__(texts, cache_folder_path)
        self.embedder = embedder
        self.truncate, self.index_type, self.index_batch_size = truncate, index_type, index_batch_size
        self.index_instruction, self.query_instruction = index_instruction, query_instruction
        self.device = device
        self._run_kwargs = kwargs
        self.extra_parameters = frozenset({"diversity"}) | embedder.extra_parameters  # type: ignore[misc]
        embedder._ask({"batch_size": index_batch_size, **kwargs}, texts)  # refuses what the embedder does not take

    def spec(self) -> dict[str, Any]:
        optional = {
            "truncate": self.truncate or None,
            "index_type": self.index_type,
            "index_instruction": self.index_instruction,
            "query_instruction": self.query_instruction,
            "parameters": {name: value for name, value in self._run_kwargs.items() if name not in _SPEED} or None,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        return {**super().spec(), "embedder": self.embedder.spec(), **given}

    @property
    def models(self) -> tuple[Embedder, ...]:
        return (self.embedder,)

    @property
    def citation(self) -> list[str] | None:
        if self.index_type is None:
            return super().citation
        from .faiss_index import CITATION

        return [*(super().citation or []), CITATION]

    def check(self) -> None:
        self.embedder.check()

    # --- the index --------------------------------------------------------------------------------------------------

    def _build(self) -> ExactIndex:
        vectors: np.ndarray | None = None
        for chunk in self._corpus_chunks():
            if chunk.failures:
                place, failure = next(iter(chunk.failures.items()))
                raise type(failure.error())(
                    f"Text {chunk.first + place} of the corpus has no vector: {failure.message}"
                )
            if vectors is None:
                vectors = np.empty((len(self.corpus), chunk.vectors.shape[1]), np.float32)
            vectors[chunk.first : chunk.first + len(chunk.vectors)] = chunk.vectors
        assert vectors is not None  # a corpus has at least one text
        if self.index_type is None:
            return ExactIndex(vectors)
        from .faiss_index import FaissIndex

        return FaissIndex(vectors, self.index_type, type(self).__name__)

    def _corpus_chunks(self) -> Generator[Chunk, None, None]:
        try:
            yield from self._embed(self.corpus.column, self.index_instruction, {"batch_size": self.index_batch_size})
        except ContextLengthError as error:
            raise ContextLengthError(f"The corpus of the retriever cannot be embedded. {error}") from error

    def _embed(
        self, texts: Iterable[str | None], instruction: str | None, parameters: dict[str, Any]
    ) -> Generator[Chunk, None, None]:
        given = {**self._run_kwargs, **parameters, "cache_folder_path": self.cache_folder_path}
        if instruction is not None:
            given["instruction"] = instruction
        yield from self.embedder.chunks(texts, truncate=self.truncate, **given)

    # --- searching --------------------------------------------------------------------------------------------------

    def _found(self, queries: Iterable[str | None], k: int, parameters: dict[str, Any]) -> Generator[Found, None, None]:
        diversity = parameters.pop("diversity", None)
        if diversity is not None and not 0.0 <= diversity <= 1.0:
            raise InvalidArgumentError(f"diversity is {diversity!r}: it must be between 0 and 1.")
        total = parameters.pop("total_num_queries", None)
        index: ExactIndex = self.index
        for chunk in self._embed(queries, self.query_instruction, {**parameters, "total_num_texts": total}):
            vectors = chunk.vectors
            if not vectors.shape[1]:  # not one of them has a vector
                vectors = np.zeros((len(vectors), index.vectors.shape[1]), np.float32)
            if vectors.shape[1] != index.vectors.shape[1]:
                raise ModelError(
                    f"{self.embedder.display_name} gave vectors of {vectors.shape[1]} dimensions for queries and of "
                    f"{index.vectors.shape[1]} for the corpus."
                )
            scores, places = self._nearest(index, vectors, k, diversity)
            yield Found(chunk.first, scores, places, dict(chunk.failures))

    def _nearest(
        self, index: ExactIndex, queries: np.ndarray, k: int, diversity: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if not diversity:
            return index.search(queries, k)
        scores, places = index.search(queries, _CANDIDATES * k)
        chosen = []
        for row in range(len(queries)):
            there = int((places[row] != NOTHING).sum())
            chosen.append(diverse(scores[row, :there], index.vectors[places[row, :there]], k, diversity))
        most = min(k, places.shape[1])
        return padded(
            [scores[row][order] for row, order in enumerate(chosen)],
            [places[row][order] for row, order in enumerate(chosen)],
            most,
        )
