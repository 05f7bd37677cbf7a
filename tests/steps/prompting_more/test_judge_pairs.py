"""The two pair judges: prompts, the drawn order, and judgements that name columns."""

from __future__ import annotations

from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.errors import InvalidArgumentError, TooManyFailuresError
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, JudgeGenerationPairsWithPrompt, JudgePairsWithPrompt
from datadreamer.steps.prompting.verdict import named, verdict

ROWS = 40


def prefers_the_good_one(prompt: str) -> str:
    first = prompt.splitlines()[0]
    return "Input A" if "good" in first else "Input B"


def judge(llm: FakeLLM, rows: int = ROWS, **options: Any) -> JudgePairsWithPrompt:
    pairs = DataSource("Pairs", {"x": [f"good {n}" for n in range(rows)], "y": [f"bad {n}" for n in range(rows)]})
    return JudgePairsWithPrompt("Judge", a=pairs["x"], b=pairs["y"], llm=llm, **options)


def test_the_prompt_has_both_texts_under_their_labels(session: DataDreamer) -> None:
    step = judge(FakeLLM("Input A"), rows=1, instruction="Choose.", randomize_order=False)
    assert step.output.column_names == ["a", "b", "judge_prompts", "judge_generations", "judgements"]
    assert step["judge_prompts"][0] == "Input A: good 0\nInput B: bad 0\nInstruction: Choose."


def test_a_judgement_names_the_column_whatever_was_shown_first(session: DataDreamer) -> None:
    step = judge(FakeLLM(prefers_the_good_one))
    shown_first = {prompt.splitlines()[0].split()[2] for prompt in step["judge_prompts"]}
    assert shown_first == {"good", "bad"}  # the order is drawn
    assert set(step["judge_generations"]) == {"Input A", "Input B"}
    assert set(step["judgements"]) == {"Input A"}
    assert list(step["a"])[:2] == ["good 0", "good 1"]


def test_the_order_is_the_same_in_every_run(run: Any) -> None:
    llm = FakeLLM(prefers_the_good_one)
    first = run(lambda: list(judge(llm)["judge_prompts"]))
    assert run(lambda: list(judge(llm, force=True)["judge_prompts"])) == first
    assert llm.calls == ROWS


def test_a_judge_that_prefers_a_place_is_not_taken_for_one_that_prefers_a_text(session: DataDreamer) -> None:
    step = judge(FakeLLM("Input A"))
    assert 0.25 < list(step["judgements"]).count("Input A") / ROWS < 0.75


def test_the_default_instruction_follows_the_labels(session: DataDreamer) -> None:
    step = judge(FakeLLM("Eins"), rows=1, a_label="Eins:", b_label="Zwei:", randomize_order=False)
    assert '"Eins" or "Zwei"' in step["judge_prompts"][0]
    assert list(step["judgements"]) == ["Eins"]


def test_a_function_of_the_script_gets_the_answer_and_the_order(session: DataDreamer) -> None:
    def read(generation: str, swapped: bool) -> str:
        return "b wins" if (generation == "1") == swapped else "a wins"

    step = judge(FakeLLM(lambda prompt: "1" if "good" in prompt.splitlines()[0] else "2"), judgement_func=read)
    assert set(step["judgements"]) == {"a wins"}


def test_an_answer_without_a_verdict_is_lost_dropped_or_kept(session: DataDreamer) -> None:
    llm = FakeLLM(lambda prompt: "Input A" if " 0\n" in prompt else "Both have their merits.")
    assert len(judge(llm, rows=3).output) == 1
    assert len(judge(llm, rows=3, unparsed="drop").output) == 1
    assert list(judge(llm, rows=3, unparsed="keep", randomize_order=False)["judgements"]) == ["Input A", None, None]
    with pytest.raises(TooManyFailuresError, match="unparsed"):
        judge(FakeLLM("Both."), rows=3)
    with pytest.raises(InvalidArgumentError, match="unparsed"):
        judge(llm, unparsed="coin")


def test_several_answers_are_a_vote(session: DataDreamer) -> None:
    step = judge(FakeLLM(["Input A", "Input B", "Input B"]), rows=1, n=3, randomize_order=False)
    assert step["judgements"][0] == "Input B"
    assert len(step["judge_generations"][0]) == 3


def test_generation_pairs_show_the_prompt_first(session: DataDreamer) -> None:
    rows = DataSource("Rows", {"p": ["Why?"], "one": ["Because."], "two": ["No idea."]})
    step = JudgeGenerationPairsWithPrompt(
        "Judge",
        inputs={"prompts": rows["p"], "a": rows["one"], "b": rows["two"]},
        args={"llm": FakeLLM("Response B"), "instruction": "Choose.", "randomize_order": False, "max_new_tokens": 5},
        outputs={"judgements": "better"},
    )
    assert step.output.column_names == ["prompts", "a", "b", "judge_prompts", "judge_generations", "better"]
    assert step["judge_prompts"][0] == (
        "Prompt: Why?\nResponse A: Because.\nResponse B: No idea.\nInstruction: Choose."
    )
    assert list(step["better"]) == ["Response B"]


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ("Input A", 0), ("input b.", 1), ("**Input B**", 1), ("A", 0), ("(B)", 1), ("'a'", 0),
        ("Input A is better than Input B.", 0), ("I think Input B is clearer.", 1),
        ("Input B is long.\nInput A is short.", 1), ("Between Input A and Input B:\nInput B", 1),
        ("Both Input A and Input B are fine.", None), ("Neither.", None), ("", None), ("Input Ab", None),
    ],
)  # fmt: skip
def test_a_verdict_is_read_only_where_there_is_one(answer: str, place: int | None) -> None:
    assert verdict(answer, *named("Input A:", "Input B:")) == place
