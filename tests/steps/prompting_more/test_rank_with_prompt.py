"""RankWithPrompt: scores read from answers, rows in the order of their scores, nothing silently dropped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.errors import InvalidArgumentError, InvalidTypeError, TooManyFailuresError
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, RankWithPrompt
from datadreamer.steps.prompting.rank_with_prompt import first_number

ANSWERS = {"a": "Score: 3", "b": "8/10", "c": "7.5", "d": "hard to say", "e": "3."}


def by_letter(prompt: str) -> str:
    return ANSWERS[prompt.removeprefix("Input: ")[0]]


def rank(letters: str = "abce", **options: Any) -> RankWithPrompt:
    source = DataSource("Texts", {"text": list(letters), "id": list(range(len(letters)))})
    given = {"inputs": source["text"], "llm": FakeLLM(by_letter), "instruction": "Rate it.", **options}
    return RankWithPrompt("Rank", **given)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("8", 8), ("8/10", 8), ("Score: 8.", 8), ("**9**", 9), ("7.5", 7.5), ("7.0", 7.0), (".5 of 1", 0.5),
        ("-3", -3), ("\u22123", -3), ("1,000 points", 1000), ("2e-3", 0.002), ("GPT4 says 6", 6), ("v2.0", None),
        ("得分8", 8), ("4-5", 4), ("none", None), ("", None), ("...", None), ("9" * 400, None), (4, 4), ("10%", 10),
        ("9" * 30, float("9" * 30)),
    ],
)  # fmt: skip
def test_the_first_number_of_an_answer_is_its_score(answer: Any, number: Any) -> None:
    found = first_number(answer)
    assert found == number
    assert type(found) is type(number)


def test_rows_come_with_all_their_columns_the_highest_first(session: DataDreamer) -> None:
    step = rank()
    assert step.output.column_names == ["text", "id", "scores"]
    assert step.export_to_list() == [
        {"text": "b", "id": 1, "scores": 8.0},
        {"text": "c", "id": 2, "scores": 7.5},
        {"text": "a", "id": 0, "scores": 3.0},
        {"text": "e", "id": 3, "scores": 3.0},  # equal scores keep their order
    ]
    assert step.output.rows.lineage()["parents"].to_pylist() == [1, 2, 0, 3]
    assert len(step.output.rows.lineage()["calls"][0].as_py()) == 1


def test_order_and_threshold_are_settings(session: DataDreamer) -> None:
    assert list(rank(reverse=False, score_threshold=5)["text"]) == ["c", "b"]
    assert list(rank(sort=False, score_threshold=5)["text"]) == ["b", "c"]


def test_a_step_with_a_setting_called_sort_can_still_be_sorted(session: DataDreamer) -> None:
    step = rank(sort=False)
    assert list(step.sort("scores")["text"]) == ["a", "e", "c", "b"]
    assert list(step.reverse()["text"]) == ["e", "c", "b", "a"]


def test_its_settings_are_checked_like_all_others(session: DataDreamer) -> None:
    with pytest.raises(InvalidTypeError, match="'sort' must be bool"):
        rank(sort="no")
    with pytest.raises(InvalidArgumentError, match="has no parameter 'sorted'"):
        rank(sorted=False)


def test_a_row_without_a_number_is_lost_and_said_so(tmp_path: Path) -> None:
    with DataDreamer(tmp_path / "output", verbose=False):
        assert list(rank("dab")["text"]) == ["b", "a"]
    record = json.loads((tmp_path / "output" / "rank" / "step.json").read_text())
    assert record["rows"]["failed"] == {"unparsed": 1}
    assert record["rows"]["input"] == 3


def test_a_row_without_a_number_may_be_dropped_or_kept(session: DataDreamer) -> None:
    assert list(rank("dab", unparsed="drop")["text"]) == ["b", "a"]
    kept = rank("dab", unparsed="keep", score_threshold=5)
    assert kept.export_to_list() == [{"text": "b", "id": 2, "scores": 8}, {"text": "d", "id": 0, "scores": None}]
    with pytest.raises(InvalidArgumentError, match="unparsed='kept'"):
        rank(unparsed="kept")


def test_many_lost_rows_before_the_first_row_is_given_do_not_stop_it(session: DataDreamer) -> None:
    assert list(rank("a" + "d" * 30 + "b")["text"]) == ["b", "a"]


def test_it_stops_when_more_rows_are_lost_than_allowed(session: DataDreamer) -> None:
    with pytest.raises(TooManyFailuresError, match="max_failures is 2"):
        rank("adddab", max_failures=2)
    with pytest.raises(TooManyFailuresError, match="unparsed"):
        rank("ddd")


def test_lazy_rows_can_be_ranked(session: DataDreamer) -> None:
    source = DataSource("Lazy", lambda: ({"text": letter} for letter in "abc"), total_num_rows=3)
    step = RankWithPrompt("Rank", inputs=source["text"], llm=FakeLLM(by_letter), instruction="Rate it.")
    assert list(step["text"]) == ["b", "c", "a"]


def test_several_answers_give_the_mean(session: DataDreamer) -> None:
    step = rank("ab", llm=FakeLLM(["2", "5"]), n=2)
    assert list(step["scores"]) == [3.5, 3.5]


def test_a_column_called_scores_is_not_overwritten(session: DataDreamer) -> None:
    once = rank("ab")
    with pytest.raises(InvalidArgumentError, match="has a column 'scores' already"):
        RankWithPrompt("Again", inputs=once["text"], llm=FakeLLM(by_letter), instruction="Rate it.")
