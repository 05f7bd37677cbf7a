"""`RAGPrompt` and `FewShotPromptWithRetrieval`: the layout of prompts, what fits, lost rows, reruns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from directions import DOCS, Directions

from datadreamer.cards import read_run, read_step
from datadreamer.llms import FakeLLM
from datadreamer.retrievers import BM25Retriever, EmbeddingRetriever
from datadreamer.runs import lost_rows
from datadreamer.steps import DataSource, FewShotPromptWithRetrieval, RAGPrompt

Run = Callable[..., Any]


def questions(values: list[Any]) -> Any:
    return DataSource("Questions", {"q": values})["q"]


def rag(values: list[Any], docs: Any = None, **given: Any) -> Any:
    corpus = DataSource("Docs", {"d": DOCS})["d"] if docs is None else docs
    args = {"llm": FakeLLM(lambda prompt: f"[{len(prompt)}]"), "k": 2, **given}
    args.setdefault("retriever", EmbeddingRetriever(corpus, Directions()))
    return RAGPrompt("Answer", inputs={"prompts": questions(values)}, args=args)


def test_documents_stand_before_the_question(run: Run) -> None:
    step = run(lambda: rag(["Where is Paris?"]))
    assert step.output["prompts"][0] == (
        "Document: Paris is in France.\nDocument: A cat and a dog.\n\nQuestion: Where is Paris?"
    )
    assert step.output.column_names == ["prompts", "generations"]
    assert step.output["generations"][0] == f"[{len(step.output['prompts'][0])}]"


def test_labels_separator_and_instruction_are_settings(run: Run) -> None:
    given = {"retrieved_text_label": "D", "prompt_label": "Q", "sep": "|", "beg_instruction": "Answer.", "k": 1}
    step = run(lambda: rag(["Paris?"], **given))
    assert step.output["prompts"][0] == "Answer.||D Paris is in France.||Q Paris?"


def test_bounds_on_documents_and_documents_that_do_not_fit(run: Run, tmp_path: Path) -> None:
    step = run(lambda: rag(["Paris?"], k=4, max_in_context_retrieved_texts=1))
    assert step.output["prompts"][0] == "Document: Paris is in France.\n\nQuestion: Paris?"
    small = FakeLLM("x", max_context_length=24)
    retriever = EmbeddingRetriever(DOCS, Directions(longest=99))
    step = run(lambda: rag(["Paris?", "Paris? " * 30], llm=small, retriever=retriever, k=4, max_new_tokens=1))
    assert step.output.num_rows == 1
    assert 1 <= step.output["prompts"][0].count("Document:") < 4
    (lost,) = [row for row in lost_rows(tmp_path / "output") if row.step == "Answer"]
    assert lost.reason == "context_length" and lost.row == 1


def test_a_question_without_a_document_is_asked_alone(run: Run) -> None:
    step = run(lambda: rag(["zzz", "cat"], retriever=BM25Retriever(DOCS), k=1))
    assert step.output["prompts"][:] == ["Question: zzz", "Document: A cat and a dog.\n\nQuestion: cat"]


def test_a_row_without_a_question_is_lost_and_the_others_keep_their_documents(run: Run, tmp_path: Path) -> None:
    step = run(lambda: rag([None, "Paris?", None, "cat", "London?"], k=1))
    documents = [prompt.split("\n")[0] for prompt in step.output["prompts"]]
    assert documents == [
        "Document: Paris is in France.",
        "Document: A cat and a dog.",
        "Document: The tower of London.",
    ]
    record = read_step(tmp_path / "output" / "answer" / "step.json")
    assert record.rows.failed == {"no_input": 2} and record.rows.balanced
    parents = step.output.rows.lineage().column("parents").to_pylist()
    assert parents == [1, 3, 4]


def test_a_rerun_asks_nothing_and_what_counts_asks_again(run: Run) -> None:
    asked: list[str] = []

    def workflow(docs: list[str] = DOCS, **given: Any) -> Any:
        step = rag(["Paris?"], DataSource("Docs", {"d": docs})["d"], llm=FakeLLM("an answer"), **given)
        asked.append(step.fingerprint)
        return step

    run(workflow)
    run(workflow)
    assert asked[0] == asked[1]
    run(lambda: workflow(["Paris!", *DOCS]))
    run(lambda: workflow(k=1))
    run(lambda: workflow(sep="\n\n"))
    assert len(set(asked)) == 4


def test_the_card_has_the_corpus_and_the_paper(run: Run, tmp_path: Path) -> None:
    run(lambda: rag(["Paris?"]))
    record = read_step(tmp_path / "output" / "answer" / "step.json")
    assert set(record.parents) == {"Questions", "Docs"}
    assert "REALM" in str(record.data_card["Citation Information"])
    assert [model.role for model in record.models] == ["generated-by"]
    steps = {step.name: step for step in read_run(tmp_path / "output" / "datadreamer.json").steps}
    assert [model.role for model in steps["Answer / Retrieve"].models] == ["scored-by"]
    assert steps["Answer"].synthetic["generations"].depth == 1
    assert steps["Answer"].synthetic["prompts"].share == "none"


# --- few-shot -------------------------------------------------------------------------------------------------------

INPUTS, OUTPUTS = ["cat", "dog", "paris", "london", "cat dog"], [1, 2, 3, 4, 5]


def few_shot(values: list[Any], as_lists: bool = False, **given: Any) -> Any:
    examples = DataSource("Examples", {"i": INPUTS, "o": OUTPUTS})
    columns = {"input_examples": examples["i"], "output_examples": examples["o"]}
    lists = {"input_examples": INPUTS, "output_examples": OUTPUTS}
    args = {"llm": FakeLLM("x"), "embedder": Directions(), "k": 2, **(lists if as_lists else {}), **given}
    inputs = {"inputs": questions(values), **({} if as_lists else columns)}
    return FewShotPromptWithRetrieval("Few", inputs=inputs, args=args)


def test_the_nearest_examples_come_first(run: Run) -> None:
    step = run(lambda: few_shot(["a dog", "London!"], instruction="Count."))
    assert step.output["prompts"][0] == (
        "Count.\n\nInput: dog\nOutput: 2\nInput: cat dog\nOutput: 5\nInput: a dog\nOutput:"
    )
    assert "Input: london\nOutput: 4" in step.output["prompts"][1]
    assert step.output.column_names == ["inputs", "prompts", "generations"]
    assert (
        run(lambda: few_shot(["a dog", "London!"], as_lists=True, instruction="Count.")).output["prompts"][:]
        == (step.output["prompts"][:])
    )


def test_diverse_examples_are_not_all_alike(run: Run) -> None:
    nearest = run(lambda: few_shot(["cat dog"])).output["prompts"][0]
    assert "Input: cat dog\nOutput: 5\nInput: cat\n" in nearest
    diverse = run(lambda: few_shot(["cat dog"], diversity=0.8)).output["prompts"][0]
    assert "Input: cat dog\nOutput: 5\nInput: paris\n" in diverse


def test_examples_that_do_not_fit_are_those_that_are_least_alike(run: Run) -> None:
    small = FakeLLM("x", max_context_length=32)
    step = run(lambda: few_shot(["a dog"], llm=small, k=5))
    assert step.output["prompts"][0].startswith("Input: dog\nOutput: 2\n")
    assert step.output["prompts"][0].count("Input:") < 6


def test_bounds_and_lost_rows(run: Run, tmp_path: Path) -> None:
    step = run(lambda: few_shot([None, "a dog"], k=3, max_in_context_examples=1))
    assert step.output["prompts"][:] == ["Input: dog\nOutput: 2\nInput: a dog\nOutput:"]
    record = read_step(tmp_path / "output" / "few" / "step.json")
    assert record.rows.failed == {"no_input": 1}
    card = str(record.data_card["Citation Information"])
    assert "Nearest Neighbor Zero-Shot Inference" in card
    with pytest.raises(ValueError, match="Text 0 has 13 tokens"):
        run(lambda: few_shot(["dog " * 13]))
    assert run(lambda: few_shot(["dog " * 13], truncate=True)).output.num_rows == 1
