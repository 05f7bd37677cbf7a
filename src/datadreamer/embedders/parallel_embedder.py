"""Several copies of one embedder, each taking the next texts when it is free."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Mapping
from functools import partial
from typing import Any

from .. import _context
from ..errors import InvalidArgumentError, InvalidTypeError
from ..llms.engine.stealing import Crew, steal
from .ask import Chunk
from .embedder import Embedder

PIECE = 10  # batches that an embedder takes at once: they are sorted by length together


class ParallelEmbedder(Embedder):
    """Runs equal embedders, for example one per GPU, side by side. Vectors come in the order of the texts.

    Args:
        *embedders: embedders with the same `spec()`. A faster one simply embeds more; one that cannot go on
            (its device is gone, say) is set aside, and its texts go to the others.
    """

    def __init__(self, *embedders: Embedder) -> None:
        if not embedders:
            raise InvalidArgumentError("ParallelEmbedder needs at least one embedder.")
        if any(embedder.spec() != embedders[0].spec() for embedder in embedders[1:]):
            raise InvalidArgumentError(
                "ParallelEmbedder takes copies of one model, but these differ: "
                + ", ".join(embedder.display_name for embedder in embedders)
            )
        super().__init__(embedders[0].model_name, embedders[0].cache_folder_path)
        self.embedders = embedders
        self.extra_parameters = embedders[0].extra_parameters  # type: ignore[misc]

    def chunks(self, texts: Iterable[str | None], **parameters: Any) -> Generator[Chunk, None, None]:
        """See `Embedder.chunks`."""
        from .running import run

        if isinstance(texts, str):
            raise InvalidTypeError(f"texts must be a list (or another iterable) of str, not one str: {texts!r:.80}")
        ask, scope = self._ask(parameters, texts), _context.scope()

        def embed(embedder: Embedder, piece: tuple[int, list[str | None]]) -> list[Chunk]:
            return list(run(embedder, piece[1], ask, scope, piece[0]))

        workers = [partial(embed, embedder) for embedder in self.embedders]
        crew = Crew(type(self).__name__, [embedder.display_name for embedder in self.embedders])
        for chunks in steal(_pieces(texts, PIECE * ask.batch_size), workers, crew=crew):
            yield from chunks

    @property
    def models(self) -> tuple[Embedder, ...]:
        """The embedders that do the work."""
        return self.embedders

    @property
    def _first(self) -> Embedder:
        return self.embedders[0]

    def spec(self) -> dict[str, Any]:
        return self._first.spec()

    def check(self) -> None:
        for embedder in self.embedders:
            embedder.check()

    def unload_model(self) -> None:
        for embedder in self.embedders:
            embedder.unload_model()

    def _embed_batch(
        self, texts: list[str], truncate: bool, instruction: str | None, parameters: Mapping[str, Any]
    ) -> Any:
        return self._first._embed_batch(texts, truncate, instruction, parameters)

    def count_tokens(self, value: str) -> int:
        return self._first.count_tokens(value)

    def final_count_tokens(self, value: str) -> int:
        return self._first.final_count_tokens(value)

    @property
    def model_max_length(self) -> int:
        """Most tokens of a text."""
        return self._first.model_max_length

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        return self._first.dims

    @property
    def model_card(self) -> str | None:
        return self._first.model_card

    @property
    def license(self) -> str | None:
        return self._first.license

    @property
    def citation(self) -> list[str] | None:
        return self._first.citation

    @property
    def public_name(self) -> str:
        return self._first.public_name

    @property
    def served_name(self) -> str:
        return self._first.served_name

    @property
    def display_name(self) -> str:
        return f"{self._first.display_name} × {len(self.embedders)}"


def _pieces(texts: Iterable[str | None], size: int) -> Generator[tuple[int, list[str | None]], None, None]:
    """Consecutive texts, with the position of the first."""
    source, first = iter(texts), 0
    while piece := list(itertools.islice(source, size)):
        yield first, piece
        first += len(piece)
