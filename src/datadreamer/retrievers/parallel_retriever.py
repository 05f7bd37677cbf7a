"""Several copies of one retriever, each taking the next queries when it is free."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import partial
from typing import Any

from ..errors import InvalidArgumentError
from ..llms.engine.stealing import Crew, steal
from .found import Found
from .retriever import BUFFER, Retriever, checked


class ParallelRetriever(Retriever):
    """Runs equal retrievers, for example with an embedder on each GPU, side by side. Results come in the order of the
    queries.

    Args:
        *retrievers: retrievers with the same `spec()`. One that cannot go on is set aside, and its queries go to the
            others.
    """

    def __init__(self, *retrievers: Retriever) -> None:
        if not retrievers:
            raise InvalidArgumentError("ParallelRetriever needs at least one retriever.")
        if any(one.spec() != retrievers[0].spec() for one in retrievers[1:]):
            raise InvalidArgumentError(
                "ParallelRetriever takes copies of one retriever, but these differ: "
                + ", ".join(one.display_name for one in retrievers)
            )
        super().__init__(retrievers[0].corpus.column, retrievers[0].cache_folder_path)
        self.retrievers = retrievers
        self.extra_parameters = retrievers[0].extra_parameters  # type: ignore[misc]

    def spec(self) -> dict[str, Any]:
        return self.retrievers[0].spec()

    @property
    def models(self) -> tuple[Any, ...]:
        return self.retrievers[0].models

    @property
    def citation(self) -> list[str] | None:
        return self.retrievers[0].citation

    @property
    def display_name(self) -> str:
        return f"{self.retrievers[0].display_name} × {len(self.retrievers)}"

    def check(self) -> None:
        for one in self.retrievers:
            one.check()

    def _build(self) -> Any:
        return self.retrievers[0].index

    def unload_model(self) -> None:
        super().unload_model()
        for one in self.retrievers:
            one.unload_model()

    def _found(self, queries: Iterable[str | None], k: int, parameters: dict[str, Any]) -> Generator[Found, None, None]:
        parameters.pop("total_num_queries", None)
        workers = [partial(_search, one, k, parameters) for one in self.retrievers]
        crew = Crew(type(self).__name__, [one.display_name for one in self.retrievers])
        for found in steal(checked(queries, BUFFER), workers, crew=crew):
            yield from found


def _search(retriever: Retriever, k: int, parameters: dict[str, Any], piece: Any) -> list[Found]:
    first, texts, failures = piece
    asked = [None if place in failures else text for place, text in enumerate(texts)]
    found = list(retriever.found(asked, k, **parameters))
    for part in found:
        part.first += first
    return found
