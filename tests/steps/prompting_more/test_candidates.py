"""Exactly n accepted rows: which draws they are, how many are asked for, and what a rerun asks again."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer import DataDreamer
from datadreamer.cards import read_step
from datadreamer.errors import InvalidArgumentError, ModelError, StepError
from datadreamer.llms import FakeLLM, Request
from datadreamer.steps import DataFromAttributedPrompt, DataFromPrompt, DataSource
from datadreamer.steps.curation.seen import Seen
from datadreamer.steps.prompting.candidates import OVERSHOOT, Candidates

Run = Callable[..., Any]


def numbers(prompt: str, request: Request) -> str:
    return str(request.sample)


def draw(llm: FakeLLM, n: int = 10, **args: Any) -> DataFromPrompt:
    return DataFromPrompt("Draw", args={"llm": llm, "n": n, "instruction": "Write a number.", **args})


def third(row: dict[str, Any]) -> bool:
    return int(row["generations"]) % 3 == 0


def record(tmp_path: Path) -> Any:
    return read_step(tmp_path / "output" / "draw" / "step.json")


def test_the_rows_are_the_first_acceptable_draws(session: DataDreamer, tmp_path: Path) -> None:
    llm = FakeLLM(numbers)
    step = draw(llm, accept=third)
    assert list(step["generations"]) == [str(number) for number in range(0, 30, 3)]
    rows = record(tmp_path).rows
    assert (rows.output, rows.filtered, rows.lost) == (10, 18, 0) and rows.balanced
    assert record(tmp_path).data_card["Candidates"] == ["10 accepted of 28, 18 refused by accept"]
    assert 28 <= llm.calls <= 28 + OVERSHOOT


def test_the_order_does_not_depend_on_which_answer_arrives_first(memory: DataDreamer) -> None:
    import asyncio

    class Slow(FakeLLM):
        async def _answer(self, request: Request) -> Any:
            await asyncio.sleep(random.Random(request.sample).random() / 50)
            return await super()._answer(request)

    step = draw(Slow(numbers), n=40, accept=third)
    assert list(step["generations"]) == [str(number) for number in range(0, 120, 3)]


def test_no_more_are_asked_for_than_needed_when_all_are_accepted(memory: DataDreamer) -> None:
    llm = FakeLLM(numbers)
    assert len(draw(llm, n=100, accept=lambda row: True).output) == 100
    assert llm.calls == 100


def test_draws_are_shared_with_a_run_without_a_condition(run: Run) -> None:
    llm = FakeLLM(numbers)
    run(lambda: draw(llm, n=40))
    asked = llm.calls
    run(lambda: draw(llm, n=5, accept=third))
    assert asked == llm.calls == 40
    run(lambda: draw(llm, n=6, accept=third, max_candidates=16))
    assert llm.calls == 40


def test_a_run_that_broke_off_asks_for_nothing_again(run: Run) -> None:
    class StopError(Exception):
        pass

    llm, seen = FakeLLM(numbers), []

    def breaks(row: dict[str, Any]) -> bool:
        seen.append(row)
        if len(seen) == 17:
            raise KeyboardInterrupt
        return third(row)

    with pytest.raises(KeyboardInterrupt):
        run(lambda: draw(llm, accept=breaks))
    before = {request.sample for request in llm.requests}
    made = run(lambda: list(draw(llm, accept=breaks)["generations"]))
    assert made == [str(number) for number in range(0, 30, 3)]
    assert len(llm.requests) == len({request.sample for request in llm.requests}) and len(before) < len(llm.requests)


def test_too_few_acceptable_draws_are_an_error_that_costs_nothing_to_mend(run: Run) -> None:
    llm = FakeLLM(numbers)
    with pytest.raises(StepError, match=r"has not found n=10 .*: 4 accepted of 12, 8 refused by accept candidates"):
        run(lambda: draw(llm, accept=third, max_candidates=12))
    assert llm.calls == 12
    assert len(run(lambda: list(draw(llm, accept=third)["generations"]))) == 10
    assert len({request.sample for request in llm.requests}) == llm.calls


def test_the_budget_does_not_count_and_the_condition_does(memory: DataDreamer) -> None:
    llm = FakeLLM(numbers)
    prints = [
        draw(llm, **args).fingerprint
        for args in (
            {"accept": third},
            {"accept": third, "max_candidates": 50},
            {"distinct": True},
            {"distinct": 0.5},
            {},
        )
    ]
    assert prints[0] == prints[1] and len(set(prints)) == 4


def test_repeated_answers_are_not_accepted(session: DataDreamer, tmp_path: Path) -> None:
    answers = ["One  thing.", "one thing.", "Another", "ONE THING.", "A third one"]
    step = draw(FakeLLM(answers), n=3, distinct=True)
    assert list(step["generations"]) == ["One  thing.", "Another", "A third one"]
    assert record(tmp_path).data_card["Candidates"] == ["3 accepted of 5, 2 like an accepted one"]


def test_near_repetitions_are_not_accepted_either(memory: DataDreamer) -> None:
    words = [f"word{place}" for place in range(16)]
    near = [*words[:-1], "tomorrow"]
    answers = [" ".join(words), " ".join(near), "something else entirely", " ".join(reversed(words))]
    assert list(draw(FakeLLM(answers), n=3, distinct=0.8)["generations"]) == [answers[0], answers[2], answers[3]]
    equal_only = DataFromPrompt("Equal", llm=FakeLLM(answers), n=3, instruction="Write.", distinct=True)
    assert list(equal_only["generations"]) == answers[:3]


def test_failures_and_errors_of_the_condition_are_lost_rows_and_others_are_drawn(
    session: DataDreamer, tmp_path: Path
) -> None:
    class SometimesFails(FakeLLM):
        async def _answer(self, request: Request) -> Any:
            if request.sample == 2:
                raise ModelError("no")
            return await super()._answer(request)

    def picky(row: dict[str, Any]) -> bool:
        if row["generations"] == "5":
            raise ValueError("five")
        return True

    step = draw(SometimesFails(numbers), accept=picky)
    assert list(step["generations"]) == ["0", "1", "3", "4", "6", "7", "8", "9", "10", "11"]
    assert sum(record(tmp_path).rows.failed.values()) == 2 and record(tmp_path).rows.failed["accept"] == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"max_candidates": 20}, "only together with accept or distinct"),
        ({"max_candidates": 2, "accept": third}, "max_candidates=2 is less than n=10"),
        ({"distinct": 1.5}, "distinct is True, False or a similarity"),
        ({"distinct": 0}, "distinct is True, False or a similarity"),
    ],
)
def test_settings_that_cannot_work_are_refused(memory: DataDreamer, args: dict[str, Any], message: str) -> None:
    llm = FakeLLM("x")
    with pytest.raises(InvalidArgumentError, match=message):
        draw(llm, **args)
    assert llm.calls == 0


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=400), st.integers(0, 60))
def test_waves_find_what_there_is_and_overshoot_by_a_bound(acceptable: list[bool], wanted: int) -> None:
    candidates, found = Candidates(wanted, len(acceptable)), []
    asked = 0
    while size := candidates.next_wave():
        asked += size
        for place in range(candidates.tried, candidates.tried + size):
            if not candidates.missing:
                break
            candidates.tried += 1
            candidates.accepted += acceptable[place]
            found += [place] if acceptable[place] else []
    assert found == [place for place, good in enumerate(acceptable) if good][:wanted]
    assert asked <= len(acceptable) and asked - candidates.tried <= OVERSHOOT
    assert candidates.missing == 0 or asked == len(acceptable)


@settings(deadline=None)
@given(st.lists(st.text("ab ", max_size=12), max_size=30), st.sampled_from([True, 0.5, 1.0]))
def test_seen_texts_are_those_that_a_plain_search_finds(texts: list[str], distinct: bool | float) -> None:
    from datadreamer.steps.curation.normal_text import jaccard, shingles

    seen, kept = Seen(distinct), []
    for text in texts:
        plain = " ".join(text.casefold().split())
        pieces = shingles(plain, "word", 3)
        near = any(plain == other for other in kept)
        if distinct is not True:
            near = near or any(jaccard(pieces, shingles(other, "word", 3)) >= distinct for other in kept)
        assert seen.has(text) <= near  # what it finds is there; that it finds it is a matter of probability
        if not near:
            seen.add(text)
            kept.append(plain)


# --- attributes from other steps --------------------------------------------------------------------------------------


def test_a_column_may_give_the_values_of_an_attribute(run: Run, tmp_path: Path) -> None:
    def attributed(topics: list[Any], **changed: Any) -> Callable[[], Any]:
        def workflow() -> Any:
            source = DataSource("Topics", {"topic": topics})
            attributes = {"n": ["glad ", "sad"], "topic": source["topic"]}
            args = {"llm": FakeLLM("x"), "n": 6, "instruction": "A {n} text on {topic}.", "attributes": attributes}
            return DataFromAttributedPrompt("Draw", args={**args, **changed})

        return workflow

    step = run(attributed([" cats", None, "dogs\n"]))
    with DataDreamer(tmp_path / "output", verbose=False):
        again = attributed([" cats", None, "dogs\n"])()
        prompts = list(again["prompts"])
        parents = again.output.rows.lineage().column("parents").to_pylist()
    combinations = [("glad", "cats"), ("glad", "dogs"), ("sad", "cats"), ("sad", "dogs")]
    assert prompts == [f"A {mood} text on {topic}." for mood, topic in [*combinations, *combinations[:2]]]
    assert parents == [0, 2, 0, 2, 0, 2]
    inputs = record(tmp_path).inputs
    assert [(use.name, use.step) for use in inputs] == [("attributes.topic", "Topics")]
    assert step.fingerprint != run(attributed(["cats"])).fingerprint


def test_a_column_may_give_the_combinations(memory: DataDreamer) -> None:
    source = DataSource("People", {"who": [{"name": "Ada ", "job": "poet"}, {"name": "Bo", "job": "cook"}]})
    step = DataFromAttributedPrompt(
        "Draw", llm=FakeLLM("x"), n=3, instruction="{name}, {job}", attributes=source["who"]
    )
    assert list(step["prompts"]) == ["Ada, poet", "Bo, cook", "Ada, poet"]
    assert step["attributes"][0] == {"name": "Ada", "job": "poet"}


def test_candidates_go_on_through_the_combinations(memory: DataDreamer) -> None:
    step = DataFromAttributedPrompt(
        "Draw",
        llm=FakeLLM(lambda prompt, request: f"{prompt}{request.sample}"),
        n=4,
        instruction="{x}",
        attributes={"x": ["a", "b", "c"]},
        accept=lambda row: row["attributes"]["x"] != "b",
    )
    assert list(step["generations"]) == ["a0", "c0", "a1", "c1"]
