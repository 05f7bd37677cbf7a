"""Judges asked in both orders, ties, several judges, and how far they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer import DataDreamer
from datadreamer.cards import read_step
from datadreamer.errors import InvalidArgumentError, ModelError
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, JudgeGenerationPairsWithPrompt, JudgePairsWithPrompt
from datadreamer.steps.prompting import agreement

Run = Callable[..., Any]


def pairs() -> Any:
    return DataSource("Pairs", {"x": ["good 0", "good 1", "even 2"], "y": ["bad 0", "bad 1", "even 2"]})


def fair(prompt: str) -> str:
    first = prompt.splitlines()[0]
    return "Tie" if "even" in first else "Input A" if "good" in first else "Input B"


def judge(llm: FakeLLM, name: str = "Judge", **args: Any) -> JudgePairsWithPrompt:
    source = pairs()
    return JudgePairsWithPrompt(name, inputs={"a": source["x"], "b": source["y"]}, args={"llm": llm, **args})


def card(tmp_path: Path, kind: str) -> list[Any]:
    return read_step(tmp_path / "output" / "judge" / "step.json").data_card[kind]


def test_a_judge_may_call_a_tie_where_it_is_let(session: DataDreamer) -> None:
    step = judge(FakeLLM(fair), ties=True)
    assert list(step["judgements"]) == ["Input A", "Input A", "Tie"]
    assert 'Answer with "Input A", "Input B" or "Tie"' in step["judge_prompts"][0]
    other = judge(FakeLLM("Neither: both are equal."), "Other", ties=True, tie_label="both are equal")
    assert set(other["judgements"]) == {"both are equal"}


def test_without_ties_a_tie_is_no_judgement(session: DataDreamer) -> None:
    assert list(judge(FakeLLM(fair), unparsed="keep")["judgements"]) == ["Input A", "Input A", None]


def test_both_orders_show_a_judge_that_prefers_a_place(session: DataDreamer, tmp_path: Path) -> None:
    llm = FakeLLM("Input A")
    step = judge(llm, both_orders=True)
    assert list(step["judgements"]) == ["Tie", "Tie", "Tie"] and llm.calls == 6
    straight, swapped = step["judge_prompts"][0]
    assert straight.startswith("Input A: good 0\nInput B: bad 0") and swapped.startswith("Input A: bad 0\n")
    assert step["judge_generations"][0] == ["Input A", "Input A"]
    assert card(tmp_path, "Judgements by order") == [{"judge": "FakeLLM (fake)", "for the first place twice": 3}]


def test_both_orders_agree_on_what_a_fair_judge_says(session: DataDreamer, tmp_path: Path) -> None:
    step = judge(FakeLLM(fair), both_orders=True, ties=True)
    assert list(step["judgements"]) == ["Input A", "Input A", "Tie"]
    assert card(tmp_path, "Judgements by order") == [{"judge": "FakeLLM (fake)", "the same in both orders": 3}]


def test_an_order_without_a_judgement_leaves_the_row_without_one(session: DataDreamer) -> None:
    llm = FakeLLM(lambda prompt: "Input A" if "good" in prompt.splitlines()[0] else "Who knows?")
    step = judge(llm, both_orders=True, unparsed="keep")
    assert list(step["judgements"]) == [None, None, None] and len(step["judge_generations"][0]) == 2


def test_the_majority_of_several_judges_decides_and_equal_votes_are_a_tie(run: Run, tmp_path: Path) -> None:
    good, bad = FakeLLM(fair, model_name="good"), FakeLLM("Input B", model_name="bad")
    silent = FakeLLM("?", model_name="silent")

    def workflow() -> Any:
        step = judge(good, more_judges=[bad, silent], randomize_order=False, ties=True)
        assert step.output.column_names[-3:] == ["judgements", "votes", "agreement"]
        return [dict(row) for row in step.output]

    rows = run(workflow)
    assert [row["votes"] for row in rows] == [["Input A", "Input B", None]] * 2 + [["Tie", "Input B", None]]
    assert [row["judgements"] for row in rows] == ["Tie"] * 3
    assert [row["agreement"] for row in rows] == [0.0, 0.0, 0.5]
    assert rows[0]["judge_generations"] == ["Input A", "Input B", "?"] and isinstance(rows[0]["judge_prompts"], str)
    assert [good.calls, bad.calls, silent.calls] == [3, 3, 3]
    (found,) = card(tmp_path, "Judge agreement")
    assert found["judges"] == ["FakeLLM (good)", "FakeLLM (bad)", "FakeLLM (silent)"] and found["rows"] == 3
    assert found["observed agreement"] == 0.0 and found["Cohen's kappa"]["FakeLLM (good), FakeLLM (bad)"] == 0.0
    models = read_step(tmp_path / "output" / "judge" / "step.json").models
    assert {model.name: model.role for model in models} == dict.fromkeys(found["judges"], "judged-by")
    run(workflow)
    assert good.calls == 3


def test_two_of_three_judges_are_a_majority(session: DataDreamer) -> None:
    step = judge(FakeLLM(fair), more_judges=[FakeLLM(fair), FakeLLM("Input B")], both_orders=True, ties=True)
    assert list(step["judgements"]) == ["Input A", "Input A", "Tie"]
    assert step["votes"][0] == ["Input A", "Input A", "Tie"]
    shape = step["judge_generations"][0]
    assert len(shape) == 3 and all(len(of_judge) == 2 for of_judge in shape) and len(step["judge_prompts"][0]) == 2


def test_every_judge_counts_and_the_settings_count_only_where_they_are_given(memory: DataDreamer) -> None:
    one, two = FakeLLM("Input A"), FakeLLM("Input B")

    def prints(**args: Any) -> str:
        return judge(one, **args).fingerprint

    assert prints() == prints(both_orders=False, ties=False, tie_label="Tie", more_judges=None)
    different = [
        prints(),
        prints(both_orders=True),
        prints(more_judges=[one]),
        prints(more_judges=[two]),
        prints(ties=True),
    ]
    assert len(set(different)) == 5


def test_a_row_that_one_judge_fails_on_is_lost(session: DataDreamer) -> None:
    fails = FakeLLM("Input A", fail=lambda prompt: ModelError("no") if "good 1" in prompt else None)
    assert list(judge(FakeLLM(fair), more_judges=[fails], ties=True)["a"]) == ["good 0", "even 2"]


def test_pairs_that_do_not_fit_may_be_cut(session: DataDreamer) -> None:
    long = DataSource("Long", {"x": ["good " * 100], "y": ["bad"]})
    llm = FakeLLM(lambda prompt: "Input A" if "good" in prompt else "Input B", max_context_length=50)
    args = {"llm": llm, "instruction": "?", "randomize_order": False, "overlong": "cut"}
    step = JudgePairsWithPrompt("Judge", {"a": long["x"], "b": long["y"]}, args)
    assert step["judgements"][0] == "Input A" and step["a"][0] == "good " * 100
    assert llm.final_count_tokens(step["judge_prompts"][0]) <= 50


def test_judges_of_responses_do_all_of_it_too(session: DataDreamer) -> None:
    source = DataSource("S", {"q": ["?"], "x": ["good"], "y": ["bad"]})
    llm = FakeLLM(lambda prompt: "Response A" if "good" in prompt.splitlines()[1] else "Response B")
    step = JudgeGenerationPairsWithPrompt(
        "Judge",
        inputs={"prompts": source["q"], "a": source["x"], "b": source["y"]},
        args={"llm": llm, "both_orders": True, "ties": True, "more_judges": [FakeLLM("Tie")]},
    )
    assert list(step["votes"]) == [["Response A", "Tie"]] and list(step["judgements"]) == ["Tie"]


def test_labels_that_are_alike_are_refused(memory: DataDreamer) -> None:
    with pytest.raises(InvalidArgumentError, match="are not different"):
        judge(FakeLLM("x"), ties=True, tie_label="Input A:")


# --- agreement --------------------------------------------------------------------------------------------------------


def naive_alpha(rows: list[tuple[Any, ...]]) -> float | None:
    units = [[value for value in row if value is not None] for row in rows]
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    n = len(values)
    expected = sum(values[i] != values[j] for i in range(n) for j in range(n)) / (n * (n - 1)) if n > 1 else 0
    if not expected:
        return None
    observed = sum(
        sum(unit[i] != unit[j] for i in range(len(unit)) for j in range(len(unit))) / (len(unit) - 1) for unit in units
    )
    return 1 - observed / n / expected


ratings = st.lists(st.tuples(*[st.sampled_from(["a", "b", "tie", None])] * 3), max_size=25)


@settings(deadline=None)
@given(ratings)
def test_alpha_is_that_of_the_definition(rows: list[tuple[Any, ...]]) -> None:
    found, wanted = agreement.krippendorff_alpha(Counter(rows)), naive_alpha(rows)
    assert (found is None and wanted is None) or found == pytest.approx(wanted)


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from("abc")] * 2), min_size=1, max_size=40))
def test_kappa_of_two_judges_is_that_of_scikit_learn(rows: list[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    found = agreement.cohen_kappa(Counter(rows), 0, 1)
    if len({judgement for row in rows for judgement in row}) == 1:
        assert found is None
    else:
        assert found == pytest.approx(metrics.cohen_kappa_score(*zip(*rows, strict=True)))


def test_kappa_of_many_judges_is_that_of_the_textbook() -> None:
    counts = [  # the worked example of Fleiss 1971 as commonly printed: 10 subjects, 14 raters, 5 categories
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    rows = [tuple(category for category, count in enumerate(row) for _ in range(count)) for row in counts]
    assert agreement.fleiss_kappa(Counter(rows)) == pytest.approx(0.2099, abs=5e-5)
    assert agreement.observed_agreement(Counter(rows)) == pytest.approx(0.378, abs=5e-4)


def test_what_is_not_defined_is_none() -> None:
    for patterns in (Counter[Any](), Counter({(None, None): 3}), Counter({("a", "a"): 3})):
        assert agreement.fleiss_kappa(patterns) is None and agreement.cohen_kappa(patterns, 0, 1) is None
        assert agreement.krippendorff_alpha(patterns) is None
