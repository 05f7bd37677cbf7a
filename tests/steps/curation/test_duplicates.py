"""Duplicates: which rows are dropped, for which kept row, and that nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer import DataDreamer
from datadreamer.cards import read_step
from datadreamer.errors import InvalidArgumentError, InvalidTypeError, StepOutputTypeError
from datadreamer.steps import DataSource, Deduplicate, SemanticDeduplicate
from datadreamer.steps.curation.minhash import FOUND, Bands, banding
from datadreamer.steps.curation.normal_text import jaccard, normalizer, shingles

Run = Callable[..., Any]


def of(step: Any) -> list[int | None]:
    return list(step["duplicate_of"])


def dedup(texts: list[Any], name: str = "Dedup", **args: Any) -> Deduplicate:
    source = DataSource("Texts", {"id": list(range(len(texts))), "text": texts})
    return Deduplicate(name, inputs={"texts": source["text"]}, args=args)


def test_the_first_of_equal_texts_is_kept_with_all_its_columns(session: DataDreamer, tmp_path: Path) -> None:
    step = dedup(["A b", "c", "a  B ", None, "C", "d", None])
    assert [dict(row) for row in step.output] == [
        {"id": 0, "text": "A b"},
        {"id": 1, "text": "c"},
        {"id": 3, "text": None},
        {"id": 5, "text": "d"},
        {"id": 6, "text": None},
    ]
    record = read_step(tmp_path / "output" / "dedup" / "step.json")
    assert (record.rows.input, record.rows.output, record.rows.filtered) == (7, 5, 2) and record.rows.balanced
    assert record.data_card["Duplicates"] == ["2 of 7 rows are like an earlier one"]


def test_every_dropped_row_can_be_traced_to_the_row_that_stands_for_it(session: DataDreamer, tmp_path: Path) -> None:
    step = dedup(["a", "b", "A", "a ", "B", "c"])
    assert step.output.rows.lineage().column("parents").to_pylist() == [[0, 2, 3], [1, 4], [5]]
    file = tmp_path / "output" / "dedup" / "run_output" / "dropped.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert found == [{"row": 2, "duplicate_of": 0}, {"row": 3, "duplicate_of": 0}, {"row": 4, "duplicate_of": 1}]


def test_rows_can_be_marked_instead_of_dropped(memory: DataDreamer) -> None:
    step = dedup(["a", "b", "A", None, "a "], mark=True)
    assert of(step) == [None, None, 0, None, 0] and list(step["id"]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("names", "same"),
    [
        ([], []),
        (["casefold"], [("a b", "A b"), ("straße", "STRASSE")]),
        (["nfkc"], [("①", "1"), ("e\u0301", "é")]),
        (["whitespace"], [("a b", " a\t\n b ")]),
        (["punctuation"], [("a-b!", "ab"), ("a\u200bb", "ab")]),
        (["digits"], [("room 12", "room 47"), ("٣", "7")]),
    ],
)
def test_texts_are_compared_after_what_was_asked_for_and_nothing_else(names: list[str], same: list[Any]) -> None:
    every = [("a b", "A b"), ("straße", "STRASSE"), ("①", "1"), ("e\u0301", "é"), ("a b", " a\t\n b "),
             ("a-b!", "ab"), ("a\u200bb", "ab"), ("room 12", "room 47"), ("٣", "7")]  # fmt: skip
    normal = normalizer(names)
    assert [pair for pair in every if normal(pair[0]) == normal(pair[1])] == same


words = st.lists(st.sampled_from("abcdefgh"), max_size=14).map(" ".join)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(words, st.none()), max_size=25), st.sampled_from([0.3, 0.6, 0.8, 1.0]), st.integers(1, 3))
def test_near_duplicates_are_those_of_a_plain_search_or_missed_by_chance_but_never_wrong(
    texts: list[str | None], threshold: float, ngram: int
) -> None:
    with DataDreamer(":memory:", verbose=False):
        step = dedup(texts, method="minhash", threshold=threshold, ngram=ngram, mark=True)
        found = of(step)
    pieces = [None if text is None else shingles(text, "word", ngram) for text in texts]
    for row, leader in enumerate(found):
        if leader is not None:
            assert leader < row and found[leader] is None
            assert jaccard(pieces[row], pieces[leader]) >= threshold  # type: ignore[arg-type]
    equal = [row for row, own in enumerate(pieces) if own is not None and own in pieces[:row]]
    assert all(found[row] is not None for row in equal)  # equal sets share every band


def test_a_plain_search_finds_the_same_on_texts_with_planted_copies(memory: DataDreamer) -> None:
    random = np.random.default_rng(3)
    originals = [[f"w{n}" for n in random.integers(0, 5000, 60)] for _ in range(150)]
    texts = [" ".join(own) for own in originals]
    for original in originals[:80]:
        changed = list(original)
        for place in random.integers(0, 60, random.integers(0, 6)):
            changed[place] = "changed"
        texts.append(" ".join(changed))
    pieces = [shingles(text, "word", 2) for text in texts]
    kept: list[int] = []
    expected: list[int | None] = []
    for row, own in enumerate(pieces):
        leader = next((earlier for earlier in kept if jaccard(own, pieces[earlier]) >= 0.7), None)
        expected.append(leader)
        kept += [row] if leader is None else []
    found = of(dedup(texts, method="minhash", threshold=0.7, ngram=2, mark=True))
    assert sum(leader is not None for leader in expected) > 50
    assert sum(one != other for one, other in zip(found, expected, strict=True)) <= 1


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
def test_pairs_at_the_threshold_share_a_band(threshold: float) -> None:
    bands, values = banding(threshold, 128)
    assert bands * values <= 128 and 1 - (1 - threshold**values) ** bands >= FOUND
    maker, shared, size = Bands(threshold, "word", 1, seed=7), 0, 100
    common = int(np.ceil(2 * size * threshold / (1 + threshold)))
    for number in range(300):
        pool = [f"{number}-{word}" for word in range(2 * size - common)]
        one, other = maker.keys([" ".join(pool[:size]), " ".join(pool[size - common :])])
        shared += bool((one == other).any())
    assert shared >= 290


def test_band_keys_are_the_same_everywhere_for_a_seed() -> None:
    texts = ["one two three", "four", ""]
    assert (Bands(0.8, "word", 2, seed=1).keys(texts) == Bands(0.8, "word", 2, seed=1).keys(texts)).all()
    assert (Bands(0.8, "word", 2, seed=1).keys(texts) != Bands(0.8, "word", 2, seed=2).keys(texts)).any()


def test_characters_find_copies_that_words_do_not(memory: DataDreamer) -> None:
    texts = ["thisisaverylongword", "thisisaverylongwords", "somethingelse"]
    assert of(dedup(texts, "W", method="minhash", threshold=0.7, mark=True)) == [None, None, None]
    step = dedup(texts, "C", method="minhash", threshold=0.7, unit="character", ngram=3, mark=True)
    assert of(step) == [None, 0, None]


def test_lazy_rows_and_no_rows(memory: DataDreamer) -> None:
    lazy = DataSource("Lazy", lambda: ({"text": text} for text in ["a", "A", "b"])).map(lambda row: row)
    assert list(Deduplicate("D", inputs={"texts": lazy["text"]})["text"]) == ["a", "b"]
    none = DataSource("None", {"text": ["a"]}).filter(lambda row: False, lazy=False)
    for method in ("exact", "minhash"):
        step = Deduplicate(f"N {method}", inputs={"texts": none["text"]}, args={"method": method})
        assert len(step.output) == 0 and step.output.column_names == ["text"]


def test_columns_keep_their_types_and_may_be_renamed(memory: DataDreamer) -> None:
    source = DataSource("S", {"text": ["a", "b", "A"], "when": [None, [{"x": 1.5}], None]})
    step = Deduplicate("D", inputs={"texts": source["text"]}, outputs={"when": "then"})
    assert [dict(row) for row in step.output] == [{"text": "a", "then": None}, {"text": "b", "then": [{"x": 1.5}]}]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"method": "min-hash"}, "Did you mean 'minhash'"),
        ({"unit": "words"}, "Did you mean 'word'"),
        ({"threshold": 0.0}, "threshold must be above 0"),
        ({"threshold": 1.5}, "threshold must be above 0"),
        ({"ngram": 0}, "ngram must be 1 or more"),
        ({"normalize": ["nfc"]}, "Did you mean 'nfkc'"),
        ({"seed": -1}, "seed must be 0 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(memory: DataDreamer, args: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        dedup(["a"], **args)


def test_what_is_not_a_text_is_refused_by_row(memory: DataDreamer) -> None:
    with pytest.raises(StepOutputTypeError, match=r"row 0 of column 'text' is int 1"):
        dedup([1, 2])


def test_a_name_that_is_taken_is_refused(memory: DataDreamer) -> None:
    source = DataSource("S", {"text": ["a"], "duplicate_of": [1]})
    with pytest.raises(InvalidArgumentError, match="a column 'duplicate_of' already"):
        Deduplicate("D", inputs={"texts": source["text"]}, args={"mark": True})
    assert len(Deduplicate("D", inputs={"texts": source["text"]}).output) == 1


def test_the_cards_cite_where_the_methods_come_from(session: DataDreamer, tmp_path: Path) -> None:
    dedup(["a"], method="minhash")
    record = read_step(tmp_path / "output" / "dedup" / "step.json")
    assert [citation.split("{")[1].split(",")[0] for citation in record.data_card["Citation Information"]] == [
        "lee2022deduplicating",
        "broder1997resemblance",
    ]
    assert {column.name: column.origin for column in record.outputs} == {"id": "copied", "text": "copied"}


# --- by meaning -------------------------------------------------------------------------------------------------------

vectors = st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), max_size=30)


@settings(deadline=None, max_examples=60)
@given(vectors, st.sampled_from([-0.5, 0.3, 0.8, 0.99]))
def test_close_embeddings_are_those_of_a_plain_search(cells: list[list[int]], threshold: float) -> None:
    if not cells:
        return
    with DataDreamer(":memory:", verbose=False):
        source = DataSource("V", {"v": [[float(x) for x in cell] for cell in cells]})
        step = SemanticDeduplicate("D", embeddings=source["v"], threshold=threshold, mark=True)
        found = of(step)
    kept: list[int] = []
    for row, cell in enumerate(cells):
        norm = np.linalg.norm(cell)
        cosines = {
            earlier: np.dot(cell, cells[earlier]) / norm / np.linalg.norm(cells[earlier]) for earlier in kept if norm
        }
        cosines = {earlier: value for earlier, value in cosines.items() if np.isfinite(value)}
        if any(abs(value - threshold) < 1e-6 for value in cosines.values()):
            return  # rounding decides
        leader = next((earlier for earlier, value in cosines.items() if value >= threshold), None)
        assert found[row] == leader
        kept += [row] if leader is None and norm else []


def test_texts_that_mean_the_same_are_dropped(session: DataDreamer, tmp_path: Path, minilm: Any) -> None:
    texts = ["A cat sits on the mat.", "The stock market fell.", "A cat is sitting on the mat.", None]
    source = DataSource("Texts", {"text": texts, "id": [0, 1, 2, 3]})
    step = SemanticDeduplicate("D", inputs={"texts": source["text"]}, args={"embedder": minilm, "threshold": 0.85})
    assert list(step["id"]) == [0, 1, 3]
    record = read_step(tmp_path / "output" / "d" / "step.json")
    assert [model.role for model in record.models] == ["scored-by"]
    assert record.data_card["Rows without a vector"] == ["1 were kept"]


@pytest.mark.parametrize("given", ["nothing", "texts", "both"])
def test_texts_need_an_embedder_and_embeddings_none(memory: DataDreamer, given: str) -> None:
    source = DataSource("S", {"text": ["a"], "v": [[1.0]]})
    inputs = {
        "nothing": {},
        "texts": {"texts": source["text"]},
        "both": {"texts": source["text"], "embeddings": source["v"]},
    }
    with pytest.raises((InvalidArgumentError, InvalidTypeError), match="embed"):
        SemanticDeduplicate("D", inputs=inputs[given])


def test_vectors_of_different_lengths_are_refused(memory: DataDreamer) -> None:
    source = DataSource("S", {"v": [[1.0], [1.0, 2.0]]})
    with pytest.raises(StepOutputTypeError, match="row 1 of its embeddings"):
        SemanticDeduplicate("D", embeddings=source["v"])
