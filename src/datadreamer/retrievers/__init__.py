"""Retrievers: the texts of a corpus that fit a query best."""

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from .bm25_retriever import BM25Retriever as BM25Retriever
    from .embedding_retriever import EmbeddingRetriever as EmbeddingRetriever
    from .exact_search import nearest as nearest
    from .exact_search import pairs_above as pairs_above
    from .hybrid_retriever import HybridRetriever as HybridRetriever
    from .parallel_retriever import ParallelRetriever as ParallelRetriever
    from .retriever import Retriever as Retriever

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "BM25Retriever": "bm25_retriever",
        "EmbeddingRetriever": "embedding_retriever",
        "HybridRetriever": "hybrid_retriever",
        "ParallelRetriever": "parallel_retriever",
        "Retriever": "retriever",
        "nearest": "exact_search",
        "pairs_above": "exact_search",
    },
)
