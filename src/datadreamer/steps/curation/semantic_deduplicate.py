"""`SemanticDeduplicate`: drop rows whose text means nearly the same as an earlier one, by embeddings."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...embedders.embedder import Embedder
from ...errors import InvalidArgumentError
from ..fields import Column, runtime
from .duplicates import KEPT, DuplicateStep
from .vectors import column_vectors, embedded

if TYPE_CHECKING:
    from ...datasets import Rows as StoredRows

CITATION = """@article{abbas2023semdedup,
  title={SemDeDup: Data-efficient learning at web-scale through semantic deduplication},
  author={Abbas, Amro and Tirumala, Kushal and Simig, D{\\'a}niel and Ganguli, Surya and Morcos, Ari S.},
  journal={arXiv preprint arXiv:2303.09540},
  year={2023}
}"""


class SemanticDeduplicate(DuplicateStep):
    """Keep the first of all rows whose embeddings are close, with all columns of the texts' step.

    A row is dropped when the cosine similarity to an earlier row that is kept is at least `threshold`. Exact: every row
    is compared with every kept one, in blocks. A row without a text is kept. Source: arXiv 2303.09540 (there within
    clusters, and keeping another row of a group).

    Args:
        texts: what is embedded. Not needed where `embeddings` are given.
        embeddings: vectors, for example a column of `Embed`, in place of `texts` and `embedder`.
        embedder: for example `SentenceTransformersEmbedder`.
        threshold: cosine similarity, above -1 and up to 1.
        truncate, instruction: see `Embedder.run()`.
        batch_size: see `Embedder.run()`. Never counts.
        mark: keep every row, and add a column `duplicate_of`: the number of the earlier row, or None.

    Raises:
        ContextLengthError: a text is too long for the embedder, and `truncate` is False.
    """

    texts: Column[str] | None = None
    embeddings: Column[Any] | None = None
    embedder: Embedder | None = None
    threshold: float = 0.95
    truncate: bool = False
    instruction: str | None = None
    batch_size: int | None = runtime(default=None)

    model_role: ClassVar[str] = "scored-by"

    def setup(self) -> None:
        by_vectors = "embeddings" in self._given_inputs or self._given.get("embeddings") is not None
        self.of = "embeddings" if by_vectors else "texts"  # type: ignore[misc]
        super().setup()
        self.register_data_card("Citation Information", CITATION)

    def check(self) -> None:
        who = f"Step '{self.name}'"
        if self.of not in self._inputs:
            raise InvalidArgumentError(f"{who} needs texts and an embedder, or embeddings.")
        if self.of == "embeddings" and (self.embedder is not None or "texts" in self._inputs):
            raise InvalidArgumentError(
                f"{who}: embeddings stand in place of texts and embedder: give one or the other."
            )
        if self.of == "texts" and self.embedder is None:
            raise InvalidArgumentError(f"{who} needs an embedder for its texts (or embeddings in their place).")
        if not -1 < self.threshold <= 1:
            raise InvalidArgumentError(f"{who}: threshold is a cosine above -1 and up to 1, not {self.threshold}.")
        super().check()

    def duplicate_of(self, rows: StoredRows) -> np.ndarray:
        from ...retrievers.exact_search import pairs_above

        of = np.full(rows.num_rows, KEPT, np.int64)
        # on disk: what is compared is read in blocks, so memory does not grow with the number of rows
        with tempfile.TemporaryDirectory() as folder:
            vectors, at = self._vectors(rows, Path(folder))
            without = rows.num_rows - len(at)
            self.register_data_card("Rows without a vector", f"{without:,} were kept" if without else None)
            for left, right, _ in pairs_above(vectors, self.threshold):
                for one, other in zip(at[left].tolist(), at[right].tolist(), strict=True):
                    if of[one] == KEPT and of[other] == KEPT:
                        of[other] = one
            del vectors
        return of

    def _vectors(self, rows: StoredRows, folder: Path) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of length 1, and the numbers of the rows they belong to."""
        if self.of == "embeddings":
            return column_vectors(self.name, rows.select_columns(self._read), folder)
        assert self.embedder is not None
        given: dict[str, Any] = {"truncate": self.truncate, "instruction": self.instruction}
        if self.batch_size is not None:
            given["batch_size"] = self.batch_size
        texts = (text for _, batch in self.text_batches(rows) for text in batch)
        return embedded(self.embedder, texts, rows.num_rows, folder, given)
