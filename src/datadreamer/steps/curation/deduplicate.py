"""`Deduplicate`: drop rows whose text equals, or nearly equals, an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...errors import InvalidArgumentError, nearest
from ..fields import Column, setting
from . import minhash, normal_text
from .duplicates import KEPT, DuplicateStep
from .near_duplicates import near_duplicates

if TYPE_CHECKING:
    from ...datasets import Rows as StoredRows

CITATION = """@inproceedings{lee2022deduplicating,
  title={Deduplicating Training Data Makes Language Models Better},
  author={Lee, Katherine and Ippolito, Daphne and Nystrom, Andrew and Zhang, Chiyuan and Eck, Douglas and
    Callison-Burch, Chris and Carlini, Nicholas},
  booktitle={Proceedings of the 60th Annual Meeting of the Association for Computational Linguistics},
  pages={8424--8445},
  year={2022}
}"""

METHODS = ("exact", "minhash")


class Deduplicate(DuplicateStep):
    """Keep the first of all rows whose texts are equal, or similar, with all columns of the texts' step.

    A row is dropped when it is like an earlier row that is kept. A row without a text is kept. Sources: Lee et al.
    2022, section 4 (near-duplicates by MinHash); Broder 1997 (MinHash). See docs/design/curation.md.

    Args:
        texts: what is compared.
        method: `"exact"`, or `"minhash"` for texts whose sets of n-grams have a Jaccard similarity of at least
            `threshold`. Pairs at the threshold are found with a probability of 99 %; none is dropped below it.
        normalize: what is done to texts before they are compared: any of `nfkc`, `casefold`, `punctuation` (drops it),
            `digits` (all are 0), `whitespace` (one blank for each stretch).
        threshold: Jaccard similarity, above 0 and up to 1.
        unit, ngram: what the n-grams are made of, `"word"` or `"character"`, and how many of them. A shorter text is
            one n-gram.
        num_hashes: MinHash values of a text: more find more pairs at low thresholds, for more time.
        seed: of the hash functions: any integer 0 or above; None is the fixed seed 0.
        mark: keep every row, and add a column `duplicate_of`: the number of the earlier row, or None.
    """

    texts: Column[str]
    method: str = METHODS[0]
    normalize: list[str] = setting(default_factory=lambda: ["nfkc", "casefold", "whitespace"])
    threshold: float = 0.8
    unit: str = normal_text.UNITS[0]
    ngram: int = 5
    num_hashes: int = 128
    seed: int | None = None

    of: ClassVar[str] = "texts"

    def setup(self) -> None:
        super().setup()
        if self._given.get("method") == "minhash":
            self.register_data_card("Citation Information", CITATION)
            self.register_data_card("Citation Information", minhash.CITATION)

    def check(self) -> None:
        who = f"Step '{self.name}'"
        for name, given, known in (("method", self.method, METHODS), ("unit", self.unit, normal_text.UNITS)):
            if given not in known:
                raise InvalidArgumentError(f"{who}: {name}={given!r} is unknown. {nearest(given, known)}")
        if not 0 < self.threshold <= 1:
            raise InvalidArgumentError(f"{who}: threshold must be above 0 and at most 1, not {self.threshold}.")
        for name in ("ngram", "num_hashes"):
            if self._args[name] < 1:
                raise InvalidArgumentError(f"{who}: {name} must be 1 or more, not {self._args[name]}.")
        if (self.seed or 0) < 0:
            raise InvalidArgumentError(f"{who}: seed must be 0 or more, not {self.seed}.")
        self.normalize = self._args["normalize"] = normal_text.check_normalizations(who, self.normalize)
        self._normal = normal_text.normalizer(self.normalize)
        super().check()

    def duplicate_of(self, rows: StoredRows) -> np.ndarray:
        return self._equal(rows) if self.method == "exact" else self._similar(rows)

    def _equal(self, rows: StoredRows) -> np.ndarray:
        of, first_with = np.full(rows.num_rows, KEPT, np.int64), dict[bytes, int]()
        for first, texts in self.text_batches(rows):
            for row, text in enumerate(texts, first):
                if text is not None:
                    earlier = first_with.setdefault(normal_text.key_of(self._normal(text)), row)
                    of[row] = KEPT if earlier == row else earlier
        return of

    def _similar(self, rows: StoredRows) -> np.ndarray:
        bands = minhash.Bands(self.threshold, self.unit, self.ngram, self.num_hashes, self.seed or 0)
        texts = rows.select_columns(self._read)

        def normal(text: str | None) -> str | None:
            return None if text is None else self._normal(text)

        def text_at(row: int) -> str:
            return self._normal(texts.row(row)[self._read])

        batches = ((first, list(map(normal, batch))) for first, batch in self.text_batches(rows))
        return near_duplicates(rows.num_rows, batches, text_at, bands)
