"""`MeasureDiversity`: how different the texts of a column are from each other, as a small dataset, with stop rules."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from ...datasets import OutputDataset, sample_indices
from ...datasets import Rows as StoredRows
from ...embedders.embedder import Embedder
from ...errors import InvalidArgumentError, StepError, StepOutputTypeError, nearest
from ..fields import Column, output
from ..step import Step
from . import diversity, minhash, normal_text
from .near_duplicates import NONE, near_duplicates
from .vectors import embedded

_DISTINCT = {"distinct_1": 1, "distinct_2": 2, "distinct_3": 3}
_COUNTED = (*_DISTINCT, "vocabulary", "tokens")
MEASURES = (*_COUNTED, "self_bleu", "duplicate_rate", "near_duplicate_rate", "embedding_distance")


class MeasureDiversity(Step):
    """Measure how different texts are from each other: one row for every measure, of all texts and of every group.

    * `distinct_1`, `distinct_2`, `distinct_3`: different n-grams as a share of all n-grams (Li et al. 2016).
    * `vocabulary`, `tokens`: different tokens, and all.
    * `self_bleu`: the mean BLEU-4 of each text against the others, over a sample (Zhu et al. 2018). High is repetitive.
    * `duplicate_rate`: the share of texts equal to an earlier one but for case and white space; `near_duplicate_rate`:
      the share whose word 3-grams have a Jaccard similarity of at least `near` to an earlier one (by MinHash; with
      `unit="character"`, 9-grams of characters).
    * `embedding_distance`: the mean cosine distance of all pairs of embeddings, where an embedder is given.

    A rule for stopping, in a loop that makes data:

        measured = MeasureDiversity(f"Diversity {n}", texts=made["text"], at_most={"near_duplicate_rate": 0.3})
        if not measured.within_limits:
            break

    Args:
        texts: what is measured; rows without a text are left out.
        groups: a value for each row, for measures of each group besides those of all.
        measures: which; None for all (`embedding_distance` where there is an embedder).
        at_most, at_least: measure to the value that it must not exceed, or fall below, in any group.
        on_limit: `"report"` says so in the column `within`; `"fail"` stops with an error.
        unit: what a token is: `"word"` (punctuation marks are tokens, too) or `"character"`.
        bleu_texts: how many texts self-BLEU is computed on, drawn with `seed`.
        near: the Jaccard similarity of a near-duplicate.
        embedder: for `embedding_distance`; texts that are too long for it are cut.
        seed: of the sample and of MinHash; None is the fixed seed 0.

    Raises:
        StepError: with `on_limit="fail"`, a measure is outside its limit.
    """

    texts: Column[str]
    groups: Column[Any] | None = None
    measures: list[str] | None = None
    at_most: dict[str, float] | None = None
    at_least: dict[str, float] | None = None
    on_limit: str = "report"
    unit: str = normal_text.UNITS[0]
    bleu_texts: int = 500
    near: float = 0.8
    embedder: Embedder | None = None
    seed: int | None = None

    group: Any = output(help="Which group; None for all texts.")
    measure: str = output(help="Which measure.")
    value: float = output(help="What it is; None where it is not defined, for example for a single text.")
    num_texts: int = output(help="How many texts it is of.")
    within: bool = output(help="Whether the limits are kept; None where there are none.")

    model_role: ClassVar[str] = "scored-by"
    origins: ClassVar[dict[str, str]] = {"*": "computed", "group": "copied:groups"}

    def setup(self) -> None:
        chosen = self._given.get("measures") or MEASURES
        for kind, citation in diversity.CITATIONS.items():
            used = any(str(name).startswith(kind) for name in chosen)
            self.register_data_card("Citation Information", citation if used else None)
        if "near_duplicate_rate" in chosen:
            self.register_data_card("Citation Information", minhash.CITATION)

    def check(self) -> None:
        who = f"Step '{self.name}'"
        every = [name for name in MEASURES if name != "embedding_distance" or self.embedder is not None]
        self._chosen = every if self.measures is None else self.measures
        limits = {**(self.at_most or {}), **(self.at_least or {})}
        for name in (*self._chosen, *limits):
            if name not in MEASURES:
                raise InvalidArgumentError(f"{who}: there is no measure '{name}'. {nearest(name, MEASURES)}")
        if "embedding_distance" in self._chosen and self.embedder is None:
            raise InvalidArgumentError(f"{who}: embedding_distance needs an embedder.")
        for name in limits:
            if name not in self._chosen:
                raise InvalidArgumentError(f"{who}: there is a limit for '{name}', which is not measured.")
        for name, given, known in (
            ("on_limit", self.on_limit, ("report", "fail")),
            ("unit", self.unit, normal_text.UNITS),
        ):
            if given not in known:
                raise InvalidArgumentError(f"{who}: {name}={given!r} is unknown. {nearest(given, known)}")
        if self.bleu_texts < 2 or not 0 < self.near <= 1 or (self.seed or 0) < 0:
            raise InvalidArgumentError(
                f"{who}: bleu_texts must be 2 or more (it is {self.bleu_texts}), near above 0 and at most 1 "
                f"({self.near}), seed 0 or more ({self.seed})."
            )

    # --- reading the result -------------------------------------------------------------------------------------------

    @property
    def within_limits(self) -> bool:
        """Whether every measure is within its limits."""
        return all(row["within"] is not False for row in self.output)

    def of(self, measure: str, group: Any = None) -> float | None:
        """The value of a measure, of all texts or of a group.

        Raises:
            InvalidArgumentError: it was not measured.
        """
        for row in self.output:
            if row["measure"] == measure and row["group"] == group:
                return row["value"]
        raise InvalidArgumentError(f"Step '{self.name}' has not measured '{measure}' of group {group!r}.")

    # --- measuring ----------------------------------------------------------------------------------------------------

    def run(self) -> Iterator[dict[str, Any]]:
        texts = _stored(self.texts)
        outside = []
        for group, rows in self._groups(texts):
            found = self._measured(rows)
            count = found.pop("texts")
            if group is None:
                shown = {name: None if value is None else round(value, 4) for name, value in found.items()}
                self.register_data_card("Diversity", {**shown, "texts": count})
            for name, value in found.items():
                within = self._within(name, value)
                if within is False:
                    outside.append(f"{name} is {value:.4g}" + ("" if group is None else f" in group {group!r}"))
                yield {"group": group, "measure": name, "value": value, "num_texts": count, "within": within}
        if outside and self.on_limit == "fail":
            raise StepError(f"Step '{self.name}': the texts are not as diverse as was asked for: {', '.join(outside)}.")

    def _within(self, name: str, value: float | None) -> bool | None:
        most, least = (self.at_most or {}).get(name), (self.at_least or {}).get(name)
        if value is None or (most is None and least is None):
            return None
        return (most is None or value <= most) and (least is None or value >= least)

    def _groups(self, texts: StoredRows) -> Iterator[tuple[Any, StoredRows]]:
        yield None, texts
        if self.groups is None:
            return
        members: dict[str, tuple[Any, list[int]]] = {}
        for row, group in enumerate(self.groups):
            if group is not None:
                members.setdefault(repr(group), (group, []))[1].append(row)
        for group, rows in members.values():
            yield group, texts.select(rows)

    def _measured(self, rows: StoredRows) -> dict[str, Any]:
        there = [
            row for first, batch in self._batches(rows) for row, text in enumerate(batch, first) if text is not None
        ]
        rows = rows if len(there) == rows.num_rows else rows.select(there)
        found: dict[str, float | None] = {}
        if set(_COUNTED) & set(self._chosen):
            found.update(self._counted(rows))
        if "self_bleu" in self._chosen:
            found["self_bleu"] = self._self_bleu(rows)
        if {"duplicate_rate", "near_duplicate_rate"} & set(self._chosen):
            found.update(self._repeated(rows))
        if "embedding_distance" in self._chosen:
            found["embedding_distance"] = self._distance(rows)
        return {**{name: found[name] for name in self._chosen}, "texts": rows.num_rows}

    def _batches(self, rows: StoredRows) -> Iterator[tuple[int, list[str]]]:
        first = 0
        for batch in rows.batches():
            texts = batch.column(0).to_pylist()
            wrong = next((text for text in texts if text is not None and not isinstance(text, str)), None)
            if wrong is not None:
                raise StepOutputTypeError(
                    f"Step '{self.name}' measures texts, not {type(wrong).__name__} {wrong!r:.80}."
                )
            yield first, texts
            first += len(texts)

    def _counted(self, rows: StoredRows) -> dict[str, float | None]:
        words = diversity.Vocabulary()
        for _, batch in self._batches(rows):
            for text in batch:
                words.add(diversity.tokens(text, self.unit))
        distinct = {name: words.distinct(size) for name, size in _DISTINCT.items()}
        return {**distinct, "vocabulary": float(words.size), "tokens": float(words.tokens)}

    def _self_bleu(self, rows: StoredRows) -> float | None:
        chosen = sample_indices(rows.num_rows, min(self.bleu_texts, rows.num_rows), self.seed or 0)
        texts = (text for _, batch in self._batches(rows.select(chosen)) for text in batch)
        return diversity.self_bleu([made for text in texts if (made := diversity.tokens(text, self.unit))])

    def _repeated(self, rows: StoredRows) -> dict[str, float | None]:
        if not rows.num_rows:
            return {"duplicate_rate": None, "near_duplicate_rate": None}
        normal = normal_text.normalizer(("nfkc", "casefold", "whitespace"))
        equal = {normal_text.key_of(normal(text)) for _, batch in self._batches(rows) for text in batch}
        found: dict[str, float | None] = {"duplicate_rate": 1 - len(equal) / rows.num_rows}
        if "near_duplicate_rate" in self._chosen:
            size = 3 if self.unit == "word" else 9
            bands, (name,) = minhash.Bands(self.near, self.unit, size, seed=self.seed or 0), rows.column_names
            batches: Any = ((first, list(map(normal, batch))) for first, batch in self._batches(rows))
            of = near_duplicates(rows.num_rows, batches, lambda row: normal(rows.row(row)[name]), bands)
            found["near_duplicate_rate"] = float((of != NONE).mean())
        return found

    def _distance(self, rows: StoredRows) -> float | None:
        assert self.embedder is not None
        with tempfile.TemporaryDirectory() as folder:
            texts = (text for _, batch in self._batches(rows) for text in batch)
            vectors, _ = embedded(self.embedder, texts, rows.num_rows, Path(folder), {"truncate": True})
            found = diversity.spread(vectors)
            del vectors
        return found


def _stored(column: Any) -> StoredRows:
    """The cells of a column; those of lazy rows are held in memory."""
    if isinstance(column, OutputDataset) or hasattr(column, "rows"):
        return column.rows
    return StoredRows.from_columns({"text": list(column)})
