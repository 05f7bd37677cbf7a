"""Measures of diversity against their definitions, and the stop rules made of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer import DataDreamer
from datadreamer.cards import read_step
from datadreamer.errors import InvalidArgumentError, StepError, StepOutputTypeError
from datadreamer.steps import DataSource, MeasureDiversity, concat
from datadreamer.steps.curation import diversity

Run = Callable[..., Any]


def measured(
    texts: list[Any], name: str = "Diversity", groups: list[Any] | None = None, **args: Any
) -> MeasureDiversity:
    source = DataSource("Texts", {"text": texts, "group": groups or [None] * len(texts)})
    inputs = {"texts": source["text"], **({} if groups is None else {"groups": source["group"]})}
    return MeasureDiversity(name, inputs=inputs, args=args)


tokenised = st.lists(st.lists(st.sampled_from("abc"), max_size=9), max_size=9)


@settings(deadline=None)
@given(tokenised)
def test_distinct_ngrams_are_those_of_a_plain_count(texts: list[list[str]]) -> None:
    words = diversity.Vocabulary()
    for text in texts:
        words.add(text)
    for size in (1, 2, 3):
        ngrams = [tuple(text[at : at + size]) for text in texts for at in range(len(text) - size + 1)]
        assert words.distinct(size) == (len(set(ngrams)) / len(ngrams) if ngrams else None)
    assert words.tokens == sum(map(len, texts)) and words.size == len({token for text in texts for token in text})


def bleu_by_definition(hypothesis: list[str], references: list[list[str]]) -> float:
    precisions = []
    for size in range(1, 5):
        counts = Counter(tuple(hypothesis[at : at + size]) for at in range(len(hypothesis) - size + 1))
        most: Counter[tuple[str, ...]] = Counter()
        for reference in references:
            most |= Counter(tuple(reference[at : at + size]) for at in range(len(reference) - size + 1))
        precisions.append((sum((counts & most).values()), max(1, sum(counts.values()))))
    if not precisions[0][0]:
        return 0.0
    closest = min((len(reference) for reference in references), key=lambda own: (abs(own - len(hypothesis)), own))
    brevity = 1.0 if len(hypothesis) > closest else math.exp(1 - closest / len(hypothesis))
    return brevity * math.exp(sum(math.log((matched or 0.1) / total) for matched, total in precisions) / 4)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), max_size=8))
def test_self_bleu_is_the_mean_bleu_against_all_others(texts: list[list[str]]) -> None:
    if len(texts) < 2:
        assert diversity.self_bleu(texts) is None
        return
    scores = [bleu_by_definition(text, texts[:at] + texts[at + 1 :]) for at, text in enumerate(texts)]
    assert diversity.self_bleu(texts) == pytest.approx(sum(scores) / len(scores))


@settings(deadline=None)
@given(st.integers(2, 20), st.integers(0, 1000))
def test_spread_is_the_mean_distance_of_all_pairs(count: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [1 - vectors[one] @ vectors[other] for one in range(count) for other in range(one)]
    assert diversity.spread(vectors) == pytest.approx(np.mean(pairs))
    assert diversity.spread(vectors[:1]) is None


def test_one_row_for_every_measure_of_all_texts_and_of_every_group(session: DataDreamer, tmp_path: Path) -> None:
    texts = ["a b", "a b", "c d e", None, "A  b"]
    step = measured(texts, groups=["x", "x", "y", "y", None])
    rows = [dict(row) for row in step.output]
    assert step.output.column_names == ["group", "measure", "value", "num_texts", "within"]
    assert {row["group"]: row["num_texts"] for row in rows} == {None: 4, "x": 2, "y": 1}
    assert step.of("distinct_1") == 5 / 9 and step.of("distinct_2", "x") == 1 / 2 and step.of("vocabulary") == 5.0
    assert step.of("duplicate_rate") == 0.5 and step.of("duplicate_rate", "x") == 0.5
    assert step.of("self_bleu", "y") is None and step.of("tokens", "y") == 3.0
    assert all(row["within"] is None for row in rows) and step.within_limits
    with pytest.raises(InvalidArgumentError, match="has not measured 'embedding_distance'"):
        step.of("embedding_distance")
    record = read_step(tmp_path / "output" / "diversity" / "step.json")
    assert record.data_card["Diversity"][0]["duplicate_rate"] == 0.5 and record.data_card["Diversity"][0]["texts"] == 4
    assert [text.split("{")[1].split(",")[0] for text in record.data_card["Citation Information"]] == [
        "li2016diversity", "zhu2018texygen", "broder1997resemblance",
    ]  # fmt: skip


def test_repetitive_texts_measure_as_repetitive(memory: DataDreamer) -> None:
    words = [f"w{number}" for number in range(400)]
    random = np.random.default_rng(0)
    varied = [" ".join(random.choice(words, 30)) for _ in range(40)]
    alike = [f"{varied[0]} and so on number {number}" for number in range(40)]
    one, other = measured(varied, "Varied"), measured(alike, "Alike")
    for name in ("distinct_1", "distinct_2", "distinct_3"):
        assert one.of(name) > 2 * other.of(name)  # type: ignore[operator]
    assert one.of("self_bleu") < 0.3 < 0.9 < other.of("self_bleu")  # type: ignore[operator]
    assert one.of("near_duplicate_rate") == 0 and other.of("near_duplicate_rate") == 39 / 40


def test_embeddings_of_like_texts_lie_close_together(memory: DataDreamer, minilm: Any) -> None:
    alike = ["A cat sits.", "A cat is sitting.", "The cat sits."]
    varied = ["A cat sits.", "Inflation rose again in May.", "How to boil an egg"]
    one, other = (
        measured(texts, str(len(texts[1])), measures=["embedding_distance"], embedder=minilm).of("embedding_distance")
        for texts in (alike, varied)
    )
    assert one < 0.25 < 0.7 < other  # type: ignore[operator]


def test_a_loop_can_stop_when_what_it_makes_repeats_itself(memory: DataDreamer) -> None:
    made: list[Any] = []
    for number in range(5):
        made.append(DataSource(f"Round {number}", {"text": [f"text {n} of {number // 2}" for n in range(4)]}))
        everything = concat(*made, name=f"All {number}")
        step = MeasureDiversity(f"Measure {number}", texts=everything["text"], at_most={"duplicate_rate": 0.2})
        if not step.within_limits:
            break
    assert number == 1 and step.of("duplicate_rate") == 0.5


def test_a_limit_may_stop_the_workflow(memory: DataDreamer) -> None:
    args = {"at_least": {"distinct_1": 0.9}, "on_limit": "fail"}
    assert measured(["a b c"], "Fine", **args).within_limits
    with pytest.raises(StepError, match=r"not as diverse .*: distinct_1 is 0.3333, distinct_1 is 0.3333 in group 'x'"):
        measured(["a a a"], "Poor", groups=["x"], **args)


def test_characters_are_tokens_where_words_have_no_spaces_between_them(memory: DataDreamer) -> None:
    texts = ["今日は良い天気です", "今日は寒い天気です"]
    assert measured(texts, "W").of("tokens") == 2 and measured(texts, "C", unit="character").of("tokens") == 18


def test_nothing_to_measure_gives_measures_that_are_not_defined(memory: DataDreamer) -> None:
    step = measured([None, None])
    values = {row["measure"]: row["value"] for row in step.output}
    assert values.pop("vocabulary") == values.pop("tokens") == 0.0 and set(values.values()) == {None}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"measures": ["self_blue"]}, "Did you mean 'self_bleu'"),
        ({"measures": ["embedding_distance"]}, "needs an embedder"),
        ({"at_most": {"selfbleu": 1.0}}, "Did you mean 'self_bleu'"),
        ({"measures": ["tokens"], "at_most": {"self_bleu": 0.5}}, "which is not measured"),
        ({"on_limit": "stop"}, "on_limit='stop'"),
        ({"bleu_texts": 1}, "bleu_texts must be 2 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(memory: DataDreamer, args: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        measured(["a"], **args)


def test_what_is_not_a_text_is_refused(memory: DataDreamer) -> None:
    with pytest.raises(StepOutputTypeError, match="measures texts, not int 1"):
        measured([1, 2])
