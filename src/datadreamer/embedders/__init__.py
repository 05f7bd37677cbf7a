"""Embedders: texts to vectors, in order, with every vector remembered."""

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from .embedder import Embedder as Embedder
    from .fake_embedder import FakeEmbedder as FakeEmbedder
    from .openai_embedder import OpenAIEmbedder as OpenAIEmbedder
    from .parallel_embedder import ParallelEmbedder as ParallelEmbedder
    from .sentence_transformers_embedder import SentenceTransformersEmbedder as SentenceTransformersEmbedder
    from .together_embedder import TogetherEmbedder as TogetherEmbedder

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Embedder": "embedder",
        "FakeEmbedder": "fake_embedder",
        "OpenAIEmbedder": "openai_embedder",
        "ParallelEmbedder": "parallel_embedder",
        "SentenceTransformersEmbedder": "sentence_transformers_embedder",
        "TogetherEmbedder": "together_embedder",
    },
)
