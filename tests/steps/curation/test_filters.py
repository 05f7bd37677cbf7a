"""Filters by length, quality and language: what they drop, and how they say why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer import DataDreamer
from datadreamer.cards import read_step
from datadreamer.errors import InvalidArgumentError
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, FilterByLanguage, FilterByLength, FilterByQuality
from datadreamer.steps.curation.quality_rules import RULES, Text

PROSE = (
    "The house that stands at the end of our street has been empty for many years, and nobody knows who owns it. "
    "Children say that they have seen lights in the attic. I went there with a friend on a cold evening in March, and "
    "we found nothing but dust, old letters and a clock that still worked. We wound it, set the time, and went home to "
    "think about those who had lived there before us."
)


def source(*texts: Any) -> Any:
    return DataSource("Texts", {"id": list(range(len(texts))), "text": list(texts)})


def record(tmp_path: Path) -> Any:
    return read_step(tmp_path / "output" / "filter" / "step.json")


def length(*texts: Any, **args: Any) -> FilterByLength:
    return FilterByLength("Filter", inputs={"texts": source(*texts)["text"]}, args=args)


def quality(*texts: Any, **args: Any) -> FilterByQuality:
    return FilterByQuality("Filter", inputs={"texts": source(*texts)["text"]}, args=args)


def why(*texts: Any, **args: Any) -> list[list[str]]:
    return list(quality(*texts, mark=True, **args)["reasons"])


def test_every_dropped_row_has_its_reasons_on_record(session: DataDreamer, tmp_path: Path) -> None:
    step = length("one two", "", None, "one two three four", "é" * 9, max_words=3, min_words=1, max_characters=8)
    assert [dict(row) for row in step.output] == [{"id": 0, "text": "one two"}]
    found = record(tmp_path)
    assert (found.rows.input, found.rows.output, found.rows.filtered) == (5, 1, 4) and found.rows.balanced
    assert found.data_card["Dropped rows"] == [
        {"too_many_characters": 2, "too_few_words": 1, "no_text": 1, "too_many_words": 1}
    ]
    lines = (tmp_path / "output" / "filter" / "run_output" / "dropped.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"row": 1, "reasons": ["too_few_words"]},
        {"row": 2, "reasons": ["no_text"]},
        {"row": 3, "reasons": ["too_many_characters", "too_many_words"]},
        {"row": 4, "reasons": ["too_many_characters"]},
    ]


def test_lineage_names_the_rows_that_were_kept(session: DataDreamer) -> None:
    step = length(*("abc"[: n % 3 + 1] for n in range(20)), min_characters=3)
    assert step.output.rows.lineage().column("parents").to_pylist() == list(range(2, 20, 3)) == list(step["id"])


def test_rows_can_be_marked_instead(memory: DataDreamer) -> None:
    step = length("a", "abc", None, mark=True, max_characters=2)
    assert list(step["reasons"]) == [[], ["too_many_characters"], ["no_text"]] and len(step.output) == 3


def test_tokens_are_those_of_the_model(memory: DataDreamer) -> None:
    llm = FakeLLM("x")  # whose tokens are words
    assert list(length("a b c", "a b", llm=llm, max_tokens=2)["id"]) == [1]
    assert llm.calls == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "has no bound"),
        ({"min_words": 5, "max_words": 4}, "no text could pass"),
        ({"max_tokens": 4}, "give llm="),
    ],
)
def test_bounds_that_cannot_be_are_refused(memory: DataDreamer, args: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        length("a", **args)


def test_nothing_left_keeps_the_columns_and_their_types(memory: DataDreamer) -> None:
    step = length("abc", max_characters=1)
    assert len(step.output) == 0 and step.output.rows.schema.field("id").type == "int64"


# --- quality ----------------------------------------------------------------------------------------------------------


def test_prose_passes_every_rule(memory: DataDreamer) -> None:
    assert why(PROSE, rules=["gopher", "gopher_repetition", "c4"]) == [[]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Too short.", "too_few_words"),
        ("a b c d " * 50, "short_words"),
        ("internationalisation " * 60, "long_words"),
        (PROSE + " #" * 30, "many_symbols"),
        (PROSE + " ..." * 30, "many_symbols"),
        ("\n".join(f"- {word} and so on" for word in PROSE.split()), "bullet_lines"),
        ("\n".join(f"{word} and then…" for word in PROSE.split()), "ellipsis_lines"),
        (PROSE + " 12345" * 60, "few_alphabetic_words"),
        ("Katze Hund Maus Vogel Fisch " * 12, "few_stop_words"),
        ("\n".join([PROSE] * 3), "repeated_lines"),
        ("\n\n".join([PROSE] * 3), "repeated_paragraphs"),
        ("short\n" * 4 + PROSE.replace(". ", ".\n"), "repeated_lines"),
        (PROSE + "\n" + PROSE, "repeated_line_characters"),
        (PROSE + "\n\n" + PROSE, "repeated_paragraph_characters"),
        (PROSE + " good morning" * 40, "top_2_gram"),
        (PROSE + " the very same words again" * 20, "top_4_gram"),
        (PROSE + " " + PROSE, "repeated_10_grams"),
    ],
)
def test_what_is_not_prose_has_its_reason(memory: DataDreamer, text: str, expected: str) -> None:
    assert expected in why(text, rules=["gopher", "gopher_repetition"])[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One sentence that is long enough.", ["too_few_sentences"]),
        ("Please enable Javascript to see this page. It is needed. Thank you very much.", ["too_few_sentences"]),
        ("no end of the line here\n" * 9, ["too_few_sentences"]),
        (PROSE + " Lorem ipsum dolor sit amet.", ["lorem_ipsum"]),
        ("{ " + PROSE, ["curly_brackets"]),
    ],
)
def test_pages_that_c4_leaves_out(memory: DataDreamer, text: str, expected: list[str]) -> None:
    assert why(text, rules=["c4"])[0] == expected


def test_limits_and_single_rules_can_be_chosen(memory: DataDreamer) -> None:
    text = "Write a poem about the sea and the wind."
    assert why(text) == [["too_few_words"]]
    assert why(text, limits={"too_few_words": 5}) == [[]] and why(text, limits={"too_few_words": None}) == [[]]
    assert why(PROSE, limits={"too_many_words": 60}) == [["too_many_words"]]
    assert why("{a}", rules=["curly_brackets", "few_stop_words"]) == [["few_stop_words", "curly_brackets"]]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"rules": ["gofer"]}, "Did you mean 'gopher'"),
        ({"limits": {"few_words": 3}}, "Did you mean 'too_few_words'"),
        ({"limits": {"lorem_ipsum": 3}}, "not among the rules"),
        ({"limits": {"too_few_words": "3"}}, "a number or None"),
    ],
)
def test_rules_that_do_not_exist_are_refused(memory: DataDreamer, args: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        quality("a", **args)


def test_the_card_cites_the_paper_of_every_preset(session: DataDreamer, tmp_path: Path) -> None:
    quality(PROSE)
    assert [citation.split("{")[1][:8] for citation in record(tmp_path).data_card["Citation Information"]] == [
        "rae2021s"
    ]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=30), st.integers(2, 6))
def test_repetition_is_that_of_the_definition(words: list[str], size: int) -> None:
    ngrams = [tuple(words[at : at + size]) for at in range(len(words) - size + 1)]
    covered = {at + step for at, own in enumerate(ngrams) if own in ngrams[:at] for step in range(size)}
    total = sum(map(len, words))
    text = Text(" ".join(words))
    share = sum(len(words[at]) for at in covered) / total if total else 0.0
    for name, limit in (("repeated_5_grams", 5), ("repeated_6_grams", 6)):
        if size == limit:
            assert RULES[name].measure(text) == pytest.approx(share)
    if size in (2, 3, 4):
        most = max((ngrams.count(own) for own in ngrams), default=0)
        top = max((most * sum(map(len, own)) for own in ngrams if ngrams.count(own) == most), default=0)
        expected = min(1.0, top / total) if most > 1 else 0.0
        assert RULES[f"top_{size}_gram"].measure(text) == pytest.approx(expected)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=80))
def test_every_rule_gives_a_number_for_any_text(text: str) -> None:
    assert all(rule.measure(Text(text)) >= 0 for rule in RULES.values())


# --- language ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def language(memory: DataDreamer) -> Callable[..., FilterByLanguage]:
    pytest.importorskip("py3langid")

    def made(*texts: Any, **args: Any) -> FilterByLanguage:
        return FilterByLanguage("Filter", inputs={"texts": source(*texts)["text"]}, args=args)

    return made


TEXTS = [
    "The weather in the mountains changes quickly.",
    "Das Wetter in den Bergen ändert sich schnell.",
    "Le temps change vite en montagne, surtout en été.",
    "山の天気は変わりやすいです。",
    None,
]


def test_languages_are_told_apart(language: Callable[..., FilterByLanguage]) -> None:
    assert list(language(*TEXTS, languages=["en", "ja"])["id"]) == [0, 3]
    step = language(*TEXTS, languages=["en"], mark=True)
    assert list(step["reasons"]) == [[], ["language_de"], ["language_fr"], ["language_ja"], ["no_text"]]


def test_an_uncertain_language_is_a_reason_of_its_own(language: Callable[..., FilterByLanguage]) -> None:
    step = language("taxi", TEXTS[0], languages=["en", "uz"], min_probability=0.9, mark=True)
    assert list(step["reasons"]) == [["uncertain_language"], []]


def test_a_language_that_does_not_exist_is_refused(language: Callable[..., FilterByLanguage]) -> None:
    with pytest.raises(InvalidArgumentError, match="does not know the language 'xx'"):
        language("a", languages=["xx"])
    with pytest.raises(InvalidArgumentError, match="languages is empty"):
        language("a", languages=[])
