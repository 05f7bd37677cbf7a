"""The base of every retriever: what users call, and the few methods that a backend writes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _context
from ..errors import InvalidArgumentError, InvalidTypeError, nearest
from ..llms.own_models import MadeWith, code_of
from ..llms.types import Failure
from .corpus import Corpus
from .found import Found

if TYPE_CHECKING:
    import numpy as np

BUFFER = 1000  # queries that are searched together
_NO_QUERY = Failure(reason="no_input", message="The row has no query.", attempts=0)


class Retriever(MadeWith):
    """Finds the texts of a corpus that fit a query best.

    A backend is a subclass with `_build` (the index, made when it is first needed) and `_search`.

    Args:
        texts: the corpus: a list of str, or a column of a step, whose lineage then reaches what is made with it.
        cache_folder_path: a folder in which what costs (vectors) is remembered as well.

    Raises:
        InvalidTypeError: a text is not a str.
        InvalidArgumentError: there is no text.
    """

    #: parameters of `run()` beyond the published ones that this kind of retriever takes
    extra_parameters: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, texts: Any, cache_folder_path: str | None = None) -> None:
        self.corpus = Corpus(texts)
        self.cache_folder_path = cache_folder_path
        self._live_clear()

    def _live_clear(self) -> None:
        self._live_index: Any = None
        self._live_lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_live_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._live_clear()

    # --- what a backend writes ------------------------------------------------------------------------------------

    def _build(self) -> Any:
        """The index. Whatever `_search` needs."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it searches: write _build().")

    def _search(self, queries: list[str], k: int, parameters: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Scores (float32) and positions (int64, -1 for nothing), of shape (queries, at most k), best first."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it searches: write _search().")

    def check(self) -> None:
        """Raise if nothing could be searched at all. Cheap."""

    def spec(self) -> dict[str, Any]:
        """What counts when results are compared: plain data without folders and devices."""
        return {
            "kind": type(self).__qualname__,
            "version": self.version,
            "corpus": self.corpus.digest,
            **code_of(type(self)),
        }

    def __datadreamer_fingerprint__(self) -> dict[str, Any]:
        return self.spec()

    @property
    def models(self) -> tuple[Any, ...]:
        """The models that are asked on the way."""
        return ()

    @property
    def texts(self) -> Any:
        """The corpus, as a column."""
        return self.corpus.column

    @property
    def index(self) -> Any:
        """The index. Built at first use."""
        with self._live_lock:
            if self._live_index is None:
                self._live_index = self._build()
            return self._live_index

    # --- what users call ------------------------------------------------------------------------------------------

    def run(
        self,
        queries: Iterable[str],
        k: int = 5,
        batch_size: int = 10,
        batch_scheduler_buffer_size: int | None = None,
        adaptive_batch_size: bool = False,
        progress_interval: int | None = 60,
        force: bool = False,
        cache_only: bool = False,
        verbose: bool | None = None,
        log_level: int | None = None,
        total_num_queries: int | None = None,
        return_generator: bool = False,
        **kwargs: Any,
    ) -> list[dict[str, Any]] | Generator[dict[str, Any], None, None]:
        """Find the `k` best texts for every query, in order.

        Args:
            queries: taken as they are needed.
            k: how many texts; fewer come where the corpus has no more.
            batch_size, batch_scheduler_buffer_size, adaptive_batch_size, force, cache_only: for the embedder of the
                queries, where there is one; see `Embedder.run`.
            progress_interval: seconds between log lines about progress. None: no such lines.
            verbose, log_level: accepted for scripts written for the paper; the session decides what is logged.
            total_num_queries: number of queries, for progress, when they come from a generator.
            return_generator: give a generator instead of a list.
            **kwargs: parameters that only this kind of retriever knows.

        Returns:
            A list (or generator) of `{"indices": list[int], "texts": list[str], "scores": list[float]}`, best first.
            `indices` are positions in the corpus. Equal scores are ordered by position.

        Raises:
            InvalidArgumentError: k is below 1.
            ModelError: the model of the retriever cannot answer.
        """
        given = {name: value for name, value in locals().items() if name in _PASSED}
        if _context.scope() is not None:
            given["progress_interval"] = None  # a step shows progress itself
        results = _dicts(self.found(queries, k, **given, **kwargs), self.corpus)
        return results if return_generator else list(results)

    def found(self, queries: Iterable[str | None], k: int = 5, **parameters: Any) -> Generator[Found, None, None]:
        """Search every query, and give arrays: what was found for consecutive queries, and which of them failed.

        Takes the parameters of `run()`, except `return_generator`. A query that is None is a failure in its place.
        """
        if isinstance(queries, str):
            raise InvalidTypeError(f"queries must be a list (or another iterable) of str, not one str: {queries!r:.80}")
        if isinstance(k, bool) or not hasattr(k, "__index__") or k < 1:
            raise InvalidArgumentError(f"k is {k!r}: it must be an integer of at least 1.")
        for name in parameters:
            if name not in _PASSED and name not in self.extra_parameters:
                advice = nearest(name, _PASSED | self.extra_parameters)
                raise InvalidArgumentError(f"{self.display_name} has no parameter '{name}'. {advice}")
        if parameters.get("total_num_queries") is None and isinstance(queries, Sized):
            parameters["total_num_queries"] = len(queries)
        return self._found(queries, int(k), {name: value for name, value in parameters.items() if value is not None})

    def _found(self, queries: Iterable[str | None], k: int, parameters: dict[str, Any]) -> Generator[Found, None, None]:
        for first, texts, failures in checked(queries, BUFFER):
            scores, places = self._search(texts, k, parameters)
            yield Found(first, scores, places, failures)

    def unload_model(self) -> None:
        """Free what the index and its models hold. They come back when asked again."""
        with self._live_lock:
            self._live_index = None
        for model in self.models:
            model.unload_model()

    # --- about the retriever --------------------------------------------------------------------------------------

    @property
    def model_card(self) -> str | None:
        """URL of the card of its model."""
        return next((card for model in self.models if (card := model.model_card)), None)

    @property
    def license(self) -> str | None:
        """Licence of its model, or URL of the terms."""
        return next((found for model in self.models if (found := model.license)), None)

    @property
    def citation(self) -> list[str] | None:
        """BibTeX entries."""
        return list(dict.fromkeys(entry for model in self.models for entry in model.citation or [])) or None

    @property
    def version(self) -> float:
        """Raise it in a subclass when the same query should be searched again."""
        return 1.0

    @property
    def display_icon(self) -> str:
        """In front of the name, where there is room for it."""
        return "🔎"

    @property
    def display_name(self) -> str:
        """Name in logs, errors and cards."""
        inside = ", ".join(model.display_name for model in self.models)
        return f"{type(self).__name__} ({inside})" if inside else type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.display_name}: {len(self.corpus):,} texts>"


_PASSED = frozenset(
    (
        "batch_size", "batch_scheduler_buffer_size", "adaptive_batch_size", "progress_interval", "force", "cache_only",
        "verbose", "log_level", "total_num_queries",
    )
)  # fmt: skip


def checked(queries: Iterable[str | None], size: int) -> Iterator[tuple[int, list[str], dict[int, Failure]]]:
    """Queries in pieces: the position of the first, the texts ("" for None), and the failures of those without one."""
    source, first = iter(queries), 0
    while piece := list(itertools.islice(source, size)):
        for place, query in enumerate(piece, first):
            if query is not None and not isinstance(query, str):
                raise InvalidTypeError(f"Query {place} is {type(query).__name__}, not str: {query!r:.80}")
        failures = {place: _NO_QUERY for place, query in enumerate(piece) if query is None}
        yield first, [query or "" for query in piece], failures
        first += len(piece)


def _dicts(found: Generator[Found, None, None], corpus: Corpus) -> Generator[dict[str, Any], None, None]:
    """The results one by one. The first query without one raises."""
    try:
        for piece in found:
            for place, result in enumerate(piece.as_dicts(corpus)):
                failure = piece.failures.get(place)
                if failure is not None:
                    position = piece.first + place
                    if failure.reason == "no_input":
                        raise InvalidTypeError(f"Query {position} is None, not str. Leave such queries out.")
                    raise type(failure.error())(f"Query {position} has no result: {failure.message}")
                yield result
    finally:
        found.close()
