"""`Embed`: the vector of every text of a column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ...embedders.embedder import Embedder
from ..fields import Column, output, runtime
from ..rows import Chunk, Loss
from ..step import Step
from .model_arguments import own_parameters, refuse_unknown, speed_of
from .passing import passing, rows_and_losses

if TYPE_CHECKING:
    import numpy as np


class Embed(Step):
    """Embed every text of a column.

    Further keyword arguments (in `args={...}`) go to the embedder, which refuses those it does not take.

    Args:
        texts: texts. A row without one is lost, with the reason `"no_input"`.
        embedder: for example `SentenceTransformersEmbedder`.
        truncate: cut texts that are longer than the embedder takes; False stops at the first one, naming it.
        instruction: put in front of every text, as it stands, for example `"passage: "`.
        batch_size, batch_scheduler_buffer_size, adaptive_batch_size: see `Embedder.run()`. They never count.
        lazy: accepted for scripts written for the paper; vectors that were computed are stored all the same.

    Raises:
        ContextLengthError: a text is too long, and `truncate` is False (also a `ValueError`). Nothing was embedded.
    """

    texts: Column[str]
    embedder: Embedder
    truncate: bool = False
    instruction: str | None = None
    batch_size: int | None = runtime(default=None)
    batch_scheduler_buffer_size: int | None = runtime(default=None)
    adaptive_batch_size: bool | None = runtime(default=None)
    lazy: bool = runtime(default=False)
    embeddings: Any = output(help="The vectors, as lists of float32 of one length.")

    model_role: ClassVar[str] = "scored-by"
    origins: ClassVar[dict[str, str]] = {"texts": "copied:texts", "embeddings": "computed:texts"}

    def setup(self) -> None:
        self.register_arg("**kwargs")
        self.register_output("texts", help="The texts, unchanged.")
        self.order_outputs("texts", "embeddings")

    def check(self) -> None:
        refuse_unknown(self.name, self._own(), self.embedder.extra_parameters, self._declaration.fields)

    def _own(self) -> dict[str, Any]:
        return own_parameters(self._args, self._declaration.fields)

    def run(self) -> Iterator[Chunk | Loss]:
        texts = passing(self.texts)
        given = {**self._own(), **speed_of(self._args)}
        if self.instruction is not None:
            given["instruction"] = self.instruction
        for chunk in self.embedder.chunks(texts, truncate=self.truncate, progress_interval=None, **given):
            columns = {"texts": texts.take(len(chunk.vectors)), "embeddings": vector_column(chunk.vectors)}
            yield from rows_and_losses(chunk.first, columns, chunk.failures)


def vector_column(vectors: np.ndarray) -> Any:
    """A matrix as an Arrow column: no Python object is made for a number."""
    import numpy as np
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(vectors).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]) if vectors.shape[1] else pa.nulls(len(vectors))
