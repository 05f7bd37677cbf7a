"""What becomes of rows whose prompt does not fit the context. `FakeLLM` counts words, and 6 more around a prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.cards import read_step
from datadreamer.errors import InvalidArgumentError
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, FewShotPrompt, FilterWithPrompt, ProcessWithPrompt, Prompt

Run = Callable[..., Any]
LONG = " ".join(f"w{n}" for n in range(200))


def source(*texts: str) -> Any:
    return DataSource("Texts", {"text": list(texts), "id": list(range(len(texts)))})


def room(llm: FakeLLM, step: Any) -> list[bool]:
    return [llm.final_count_tokens(prompt) <= llm.get_max_context_length(10) for prompt in step["prompts"]]


def lost(tmp_path: Path, label: str) -> dict[str, int]:
    return read_step(tmp_path / "output" / label / "step.json").rows.failed


def card(tmp_path: Path, label: str) -> list[str]:
    record = read_step(tmp_path / "output" / label / "step.json")
    return record.data_card.get("Prompts that did not fit", [])


def test_by_default_the_row_is_lost_with_its_reason(session: DataDreamer, tmp_path: Path) -> None:
    llm = FakeLLM("ok", max_context_length=60)
    step = ProcessWithPrompt("Ask", {"inputs": source("short", LONG)["text"]}, {"llm": llm, "instruction": "Go."})
    assert list(step["inputs"]) == ["short"] and lost(tmp_path, "ask") == {"context_length": 1}
    templated = Prompt("T", {"x": source("short", LONG)["text"]}, {"llm": llm, "template": "Read {x}"})
    assert list(templated["x"]) == ["short"] and lost(tmp_path, "t") == {"context_length": 1}
    assert card(tmp_path, "ask") == [] and llm.calls == 2


def test_cutting_shortens_the_text_as_little_as_must_be_and_never_the_instruction(
    session: DataDreamer, tmp_path: Path
) -> None:
    llm = FakeLLM("ok", max_context_length=60)
    args = {"llm": llm, "instruction": "Go on.", "overlong": "cut", "max_new_tokens": 10}
    step = ProcessWithPrompt("Ask", {"inputs": source("short", LONG)["text"]}, args)
    assert list(step["inputs"]) == ["short", LONG]  # the row's value is whole
    prompt = step["prompts"][1]
    assert prompt.endswith("\n\nInstruction: Go on.") and all(room(llm, step))
    kept = prompt.removeprefix("Input: ").removesuffix("\n\nInstruction: Go on.")
    assert LONG.startswith(kept) and llm.final_count_tokens(prompt) == 50
    assert card(tmp_path, "ask") == ["1 had their texts cut"]


def test_all_long_texts_are_cut_to_one_length_and_short_ones_stay(session: DataDreamer) -> None:
    llm = FakeLLM("ok", max_context_length=60)
    rows = DataSource("S", {"a": [LONG], "b": [LONG.upper()], "c": ["whole"], "d": [7]})
    step = Prompt(
        "Ask",
        {name: rows[name] for name in "abcd"},
        {"llm": llm, "template": "{a}|{b}|{c}|{d}", "overlong": "cut", "max_new_tokens": 10},
    )
    a, b, c, d = step["prompts"][0].split("|")
    assert a.upper() == b and (c, d) == ("whole", "7") and room(llm, step) == [True]


def test_a_system_prompt_of_the_row_takes_room_too(session: DataDreamer, tmp_path: Path) -> None:
    llm = FakeLLM("ok", max_context_length=60)
    rows = DataSource("S", {"text": ["a", "b"], "system": ["short", LONG]})
    step = Prompt("Ask", {"prompts": rows["text"], "system": rows["system"]}, {"llm": llm})
    assert list(step["prompts"]) == ["a"] and lost(tmp_path, "ask") == {"context_length": 1}


def test_a_row_is_lost_where_nothing_that_may_be_cut_makes_it_fit(session: DataDreamer, tmp_path: Path) -> None:
    llm = FakeLLM("ok", max_context_length=60)
    rows = DataSource("S", {"text": ["a", "b"], "numbers": [[1], list(range(50))]})
    args = {"llm": llm, "instruction": "{numbers}", "overlong": "cut"}
    step = ProcessWithPrompt("Ask", {"inputs": rows["text"], "numbers": rows["numbers"]}, args)
    assert list(step["inputs"]) == ["a"] and lost(tmp_path, "ask") == {"context_length": 1}


def test_prompts_that_are_texts_are_cut_at_their_end(session: DataDreamer) -> None:
    llm = FakeLLM("ok", max_context_length=60)
    step = Prompt("Ask", {"prompts": source("a", LONG)["text"]}, {"llm": llm, "overlong": "cut", "max_new_tokens": 10})
    assert step["prompts"][0] == "a" and LONG.startswith(step["prompts"][1]) and all(room(llm, step))


def test_whole_rows_are_kept_where_the_text_was_cut_for_the_judge(session: DataDreamer) -> None:
    llm = FakeLLM("yes", max_context_length=60)
    step = FilterWithPrompt(
        "F", {"inputs": source("a", LONG)["text"]}, {"llm": llm, "instruction": "?", "overlong": "cut"}
    )
    assert list(step["text"]) == ["a", LONG]


EXAMPLES = {
    "input_examples": [f"in{n} " + "x " * 10 for n in range(5)],
    "output_examples": [f"out{n}" for n in range(5)],
}


def few_shot(llm: FakeLLM, *texts: str, name: str = "Ask", **args: Any) -> FewShotPrompt:
    return FewShotPrompt(name, inputs=source(*texts)["text"], args={"llm": llm, **EXAMPLES, **args})


def test_examples_are_left_out_by_default_and_counted(session: DataDreamer, tmp_path: Path) -> None:
    llm = FakeLLM("ok", max_context_length=60)
    step = few_shot(llm, "a", LONG)
    assert step["prompts"][0].count("in") == 3 and lost(tmp_path, "ask") == {"context_length": 1}
    assert card(tmp_path, "ask") == ["1 had examples left out"]


def test_a_row_can_be_lost_rather_than_shown_fewer_examples(session: DataDreamer, tmp_path: Path) -> None:
    llm = FakeLLM("ok", max_context_length=90)
    step = few_shot(llm, "a", " ".join("abcdefghij"), overlong="fail")
    assert list(step["inputs"]) == ["a"] and step["prompts"][0].count("in") == 5
    assert lost(tmp_path, "ask") == {"context_length": 1}


def test_a_value_is_cut_when_the_fewest_examples_are_still_too_much(session: DataDreamer, tmp_path: Path) -> None:
    llm = FakeLLM("ok", max_context_length=60)
    step = few_shot(llm, "a", LONG, overlong="cut", min_in_context_examples=2)
    assert [prompt.count("in") for prompt in step["prompts"]] == [3, 2] and len(step.output) == 2
    assert card(tmp_path, "ask") == ["2 had examples left out, 1 had their value cut"]


def test_an_unknown_policy_is_refused(memory: DataDreamer) -> None:
    with pytest.raises(InvalidArgumentError, match="overlong='drop' is unknown"):
        few_shot(FakeLLM("x"), "a", overlong="drop")
    with pytest.raises(InvalidArgumentError, match="overlong='shorten' is unknown"):
        Prompt("P", {"prompts": source("a")["text"]}, {"llm": FakeLLM("x"), "overlong": "shorten"})


def test_the_policy_counts_only_where_it_is_given(run: Run) -> None:
    llm = FakeLLM("ok", max_context_length=500)

    def prints(**args: Any) -> str:
        return run(lambda: few_shot(llm, "a", **args).fingerprint)

    assert prints() == prints(overlong="drop_examples") != prints(overlong="cut")
