"""Scores by a rubric: what is asked, how answers are read, and what becomes of those that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.cards import read_step
from datadreamer.errors import InvalidArgumentError
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, FilterWithPrompt, ScoreWithRubric
from datadreamer.steps.prompting.rubric import Rubric

RUBRIC = {"clarity": "easy to read", "truth": "no mistakes"}


def score(llm: FakeLLM, *texts: str, name: str = "Score", **args: Any) -> ScoreWithRubric:
    source = DataSource("Texts", {"text": list(texts or ("a",)), "id": list(range(len(texts or "a")))})
    return ScoreWithRubric(name, inputs={"inputs": source["text"]}, args={"llm": llm, "rubric": RUBRIC, **args})


def test_the_prompt_has_the_criteria_the_scale_and_the_form(session: DataDreamer, tmp_path: Path) -> None:
    llm = FakeLLM("clarity: 4\ntruth: 2")
    step = score(llm, "some {text}", scale=[0, 10])
    assert llm.requests[0].prompt == (
        "Input: some {text}\n\nInstruction: Judge the input above.\n\n"
        "Give every criterion a score from 0 (lowest) to 10 (highest):\n- clarity: easy to read\n"
        "- truth: no mistakes\n\n"
        "Answer with these lines and nothing else:\nclarity: <score>\ntruth: <score>"
    )
    expected = {"text": "some {text}", "id": 0, "rubric_scores": {"clarity": 4.0, "truth": 2.0}, "scores": 3.0}
    assert [dict(row) for row in step.output] == [expected]
    record = read_step(tmp_path / "output" / "score" / "step.json")
    assert record.data_card["Mean scores"] == [{"clarity": 4.0, "truth": 2.0, "rows": 1}]
    assert [text.role for text in record.prompts] == ["instruction", "layout", "rubric"]


@pytest.mark.parametrize(
    "answer",
    [
        "clarity: 4\ntruth: 2",
        "**Clarity**: 4/5\n**Truth** (1-5): 2 out of 5",
        '```json\n{"clarity": 4, "truth": "2"}\n```',
        "I would say clarity: 1 at first.\nBut then:\nclarity = 4.0\ntruth = 2",
        "- Clarity : 4 because 7 words\n- Truth : 2\n",
    ],
)
def test_scores_are_read_however_they_are_written(answer: str) -> None:
    assert Rubric("A step", RUBRIC, [1, 5], None).read(answer) == {"clarity": 4, "truth": 2}


@pytest.mark.parametrize(
    "answer", ["clarity: 4", "clarity: 4\ntruth: 6", "4\n2", "", "clarity: high\ntruth: low", "{}"]
)
def test_what_lacks_a_criterion_or_is_off_the_scale_is_not_a_score(answer: str) -> None:
    assert Rubric("A step", RUBRIC, [1, 5], None).read(answer) is None


def test_unparsed_answers_are_lost_dropped_or_kept(session: DataDreamer, tmp_path: Path) -> None:
    llm = FakeLLM(lambda prompt: "clarity: 1\ntruth: 1" if "good" in prompt else "Fine.")
    assert len(score(llm, "good", "bad").output) == 1
    assert read_step(tmp_path / "output" / "score" / "step.json").rows.failed == {"unparsed": 1}
    assert len(score(llm, "good", "bad", name="Drop", unparsed="drop").output) == 1
    assert list(score(llm, "good", "bad", name="Keep", unparsed="keep")["scores"]) == [1.0, None]


def test_weights_and_several_answers(memory: DataDreamer) -> None:
    llm = FakeLLM(["clarity: 1\ntruth: 5", "clarity: 3\ntruth: 5", "nothing"])
    step = score(llm, weights={"truth": 3}, n=3)
    assert step["rubric_scores"][0] == {"clarity": 2.0, "truth": 5.0}
    assert step["scores"][0] == pytest.approx((2 + 3 * 5) / 4)


def test_structured_scores_ask_for_json_by_a_schema(memory: DataDreamer) -> None:
    llm = FakeLLM(json.dumps({"clarity": 4, "truth": 5}))
    step = score(llm, structured=True)
    request = llm.requests[0]
    assert request.response_format is not None and request.response_format["schema"]["required"] == list(RUBRIC)
    assert "JSON object" in request.prompt and step["scores"][0] == 4.5


def test_further_inputs_are_for_the_instruction(memory: DataDreamer) -> None:
    source = DataSource("S", {"q": ["1+1"], "a": ["2"]})
    llm = FakeLLM("right: 5")
    args = {"llm": llm, "rubric": ["right"], "instruction": "Does it answer {q}?"}
    ScoreWithRubric("Score", inputs={"inputs": source["a"], "q": source["q"]}, args=args)
    assert "Instruction: Does it answer 1+1?\n\nGive every criterion" in llm.requests[0].prompt


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"rubric": []}, "at least one criterion"),
        ({"scale": [5, 1]}, "scale is the lowest and the highest"),
        ({"scale": [1, 2, 3]}, "scale is the lowest and the highest"),
        ({"weights": {"speed": 1}}, "'speed', which is not a criterion"),
        ({"weights": {"truth": 0}}, "must be above 0"),
        ({"unparsed": "coin"}, "unparsed='coin'"),
    ],
)
def test_a_rubric_that_cannot_work_is_refused(memory: DataDreamer, args: dict[str, Any], message: str) -> None:
    llm = FakeLLM("x")
    with pytest.raises(InvalidArgumentError, match=message):
        score(llm, **args)
    assert llm.calls == 0


def test_a_filter_says_what_becomes_of_answers_that_are_neither_yes_nor_no(memory: DataDreamer) -> None:
    source = DataSource("S", {"text": ["Yes.", "No!", "Maybe", "yes and no"]})
    llm = FakeLLM(lambda prompt: prompt.split("\n")[0].removeprefix("Input: "))

    def kept(**args: Any) -> list[str]:
        given = {"llm": llm, "instruction": "?", **args}
        return list(FilterWithPrompt(f"F {len(given)} {args}", {"inputs": source["text"]}, given)["text"])

    assert kept() == kept(unparsed="drop") == kept(unparsed="fail") == ["Yes.", "yes and no"]
    assert kept(unparsed="keep") == ["Yes.", "Maybe", "yes and no"]
    assert kept(filter_func=lambda text: None if text == "No!" else True, unparsed="keep") == list(source["text"])
