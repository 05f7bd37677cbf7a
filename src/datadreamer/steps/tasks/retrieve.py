"""`Retrieve`: the texts of a corpus that fit every query of a column best."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ...retrievers.retriever import Retriever
from ..fields import Column, Field, output, runtime
from ..rows import Chunk, Loss
from ..step import Step
from .model_arguments import own_parameters, refuse_unknown, speed_of
from .passing import passing, rows_and_losses


class Retrieve(Step):
    """Find the texts of a corpus that fit every query best.

    The corpus is an input: where its texts come from, and under which licences, is in the card of the result. Further
    keyword arguments (in `args={...}`) go to the retriever, which refuses those it does not take.

    Args:
        queries: queries. A row without one is lost, with the reason `"no_input"`.
        retriever: for example `EmbeddingRetriever`.
        k: how many texts for each query.
        batch_size, batch_scheduler_buffer_size, adaptive_batch_size: see `Retriever.run()`. They never count.
        lazy: accepted for scripts written for the paper; results are stored all the same.
    """

    queries: Column[str]
    retriever: Retriever
    k: int = 5
    batch_size: int | None = runtime(default=None)
    batch_scheduler_buffer_size: int | None = runtime(default=None)
    adaptive_batch_size: bool | None = runtime(default=None)
    lazy: bool = runtime(default=False)
    results: Any = output(help="What was found, best first: indices (positions in the corpus), texts and scores.")

    model_role: ClassVar[str] = "scored-by"
    origins: ClassVar[dict[str, str]] = {"queries": "copied:queries", "results": "copied:corpus"}

    def setup(self) -> None:
        self.register_arg("**kwargs")
        self.register_output("queries", help="The queries, unchanged.")
        self.order_outputs("queries", "results")

    def check(self) -> None:
        refuse_unknown(self.name, self._own(), self.retriever.extra_parameters, self._declaration.fields)
        self._declaration.add(Field("rows", "corpus", help="The texts of the retriever."))
        self._inputs["corpus"] = self.retriever.texts

    def _own(self) -> dict[str, Any]:
        return own_parameters(self._args, self._declaration.fields)

    def run(self) -> Iterator[Chunk | Loss]:
        for entry in self.retriever.citation or []:
            self.register_data_card("Citation Information", entry)
        queries, corpus = passing(self.queries), self.retriever.corpus
        given = {**self._own(), **speed_of(self._args)}
        for found in self.retriever.found(queries, self.k, progress_interval=None, **given):
            columns = {"queries": queries.take(len(found.places)), "results": found.as_arrow(corpus)}
            yield from rows_and_losses(found.first, columns, found.failures)
