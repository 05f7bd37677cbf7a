"""FewShotPrompt: its layout, which examples it shows, and how they count."""

from __future__ import annotations

from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.errors import InvalidArgumentError, InvalidTypeError
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, FewShotPrompt

WORDS = {"en": ["cat", "dog", "cow"], "fr": ["chat", "chien", "vache"]}


def translate(llm: FakeLLM, **options: Any) -> FewShotPrompt:
    known = DataSource("Known", WORDS)
    new = DataSource("New", {"en": ["bird", "fish"]})
    given = {"input_examples": known["en"], "output_examples": known["fr"], "inputs": new["en"], "llm": llm, **options}
    return FewShotPrompt("Translate", **given)


def test_the_prompt_has_the_published_layout(session: DataDreamer) -> None:
    step = translate(FakeLLM("oiseau"), instruction="Translate.", max_in_context_examples=2)
    assert step.output.column_names == ["inputs", "prompts", "generations"]
    assert step["prompts"][0] == (
        "Translate.\n\nInput: cat\nOutput: chat\nInput: dog\nOutput: chien\nInput: bird\nOutput:"
    )
    assert list(step["inputs"]) == ["bird", "fish"]
    assert list(step["generations"]) == ["oiseau", "oiseau"]


def test_labels_and_separator_are_settings(session: DataDreamer) -> None:
    step = translate(FakeLLM(), input_label="EN:", output_label="FR:", sep=" | ", max_in_context_examples=1)
    assert step["prompts"][1] == "EN: cat | FR: chat | EN: fish | FR:"


def test_the_dictionary_spelling_is_the_same_step(session: DataDreamer) -> None:
    llm = FakeLLM("ok")
    known, new = DataSource("Known", WORDS), DataSource("New", {"en": ["bird", "fish"]})
    step = FewShotPrompt(
        "Translate",
        inputs={"input_examples": known["en"], "output_examples": known["fr"], "inputs": new["en"]},
        args={"llm": llm, "temperature": 0.0},
        outputs={"inputs": "en", "generations": "fr"},
    )
    assert step.output.column_names == ["en", "prompts", "fr"]
    assert llm.calls == 2


def test_examples_may_be_lists_of_the_script(run: Any) -> None:
    llm = FakeLLM("ok")

    def workflow(outputs: list[str]) -> Any:
        return translate(llm, input_examples=["cat"], output_examples=outputs)["prompts"][0]

    assert run(lambda: workflow(["chat"])) == "Input: cat\nOutput: chat\nInput: bird\nOutput:"
    assert llm.calls == 2
    run(lambda: workflow(["chat"]))
    assert llm.calls == 2
    run(lambda: workflow(["minou"]))  # another example, another step
    assert llm.calls == 4


def test_examples_that_do_not_fit_are_left_out(session: DataDreamer) -> None:
    step = translate(FakeLLM(max_context_length=24), max_new_tokens=1)
    assert step["prompts"][0] == "Input: cat\nOutput: chat\nInput: dog\nOutput: chien\nInput: bird\nOutput:"


def test_a_row_with_too_few_examples_is_lost(session: DataDreamer) -> None:
    new = DataSource("New", {"en": ["bird", "a very " + "long " * 9 + "bird"]})
    step = translate(FakeLLM(max_context_length=36), inputs=new["en"], min_in_context_examples=3)
    assert list(step["inputs"]) == ["bird"]


def test_unequal_examples_are_refused(session: DataDreamer) -> None:
    with pytest.raises(InvalidArgumentError, match="input_examples has 3 values and output_examples has 1"):
        translate(FakeLLM(), output_examples=["chat"])


def test_a_whole_step_is_not_a_column_of_examples(session: DataDreamer) -> None:
    with pytest.raises(InvalidTypeError, match="'input_examples' must be a column"):
        translate(FakeLLM(), input_examples=DataSource("All", WORDS))


def test_a_list_goes_into_the_arguments_of_the_dictionary_spelling(session: DataDreamer) -> None:
    new = DataSource("New", {"en": ["bird"]})
    examples = {"input_examples": ["cat"], "output_examples": ["chat"]}
    step = FewShotPrompt("Translate", inputs={"inputs": new["en"]}, args={"llm": FakeLLM(), **examples})
    assert step["prompts"][0] == "Input: cat\nOutput: chat\nInput: bird\nOutput:"
    with pytest.raises(InvalidTypeError, match="'input_examples' must be a column, not list"):
        FewShotPrompt("Translate", inputs={"inputs": new["en"], **examples}, args={"llm": FakeLLM()})


def test_rows_come_from_the_inputs_not_from_the_examples(session: DataDreamer) -> None:
    step = translate(FakeLLM())
    assert step.output.rows.lineage()["parents"].to_pylist() == [0, 1]
