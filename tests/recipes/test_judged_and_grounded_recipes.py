"""Recipes that judge answers, and recipes that start from documents or from nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datadreamer.errors import InvalidArgumentError, TooManyFailuresError
from datadreamer.llms import FakeLLM
from datadreamer.recipes import GLAN, RAFT, Genstruct, SelfRewardingPairs, UltraFeedback
from datadreamer.steps import DataSource


def rows(step: Any) -> list[dict[str, Any]]:
    return list(step.output)


def column(*values: str) -> Any:
    return DataSource("Given", {"x": list(values)})["x"]


# --- UltraFeedback ----------------------------------------------------------------------------------------------------


def rating(prompt: str) -> str:
    if prompt == "undecided?":
        return "same"
    answer = prompt.partition("Answer:\n")[2].partition("\n")[0]
    if "free of contradictions" in prompt:
        return "3\nIt is so-so."
    return {"good": "5\nWell done.", "poor": "1\nBadly done.", "same": "2"}.get(answer, "four")


def feedback(models: list[Any], *prompts: str, **settings: Any) -> Any:
    return UltraFeedback("Rate", prompts=column(*prompts), models=models, llm=FakeLLM(rating), **settings)


def test_the_best_and_the_worst_answer_make_a_pair(run):
    good, poor = FakeLLM("good", model_name="g"), FakeLLM("poor", model_name="p")
    made = rows(run(lambda: feedback([poor, good], "why?")))
    assert [(row["prompt"], row["chosen"], row["rejected"]) for row in made] == [("why?", "good", "poor")]
    assert made[0]["margin"] == pytest.approx((5 * 3 + 3) / 4 - (1 * 3 + 3) / 4)
    told = made[0]["responses"][1]
    assert told["model"] == "FakeLLM (g)" and told["mean"] == pytest.approx(4.5)
    assert told["ratings"][0] == {"aspect": "instruction following", "rating": 5.0, "reason": "Well done."}
    assert good.requests[0].system is not None


def test_prompts_without_a_difference_are_filtered_and_unreadable_ratings_lost(run):
    same = [FakeLLM("same", model_name=name) for name in "ab"]
    step = run(lambda: feedback(same, "why?", aspects={"taste": "Is it nice?"}, principles={}))
    assert rows(step) == [] and same[0].requests[0].system is None
    odd = [FakeLLM("odd", model_name="a"), FakeLLM("good", model_name="b")]
    with pytest.raises(TooManyFailuresError, match="unparsed: 1"):
        run(lambda: feedback(odd, "why?"))


def test_too_few_models_are_refused(run):
    with pytest.raises(InvalidArgumentError, match="at least 2 answers, and there are 1 models to give 1"):
        run(lambda: feedback([FakeLLM()], "x"))
    with pytest.raises(InvalidArgumentError, match="2 models to give 3"):
        run(lambda: feedback([FakeLLM("a"), FakeLLM("b")], "x", answers=3))


# --- self-rewarding ---------------------------------------------------------------------------------------------------


def test_a_model_scores_its_own_answers(run):
    def answer(prompt: str, request: Any) -> str:
        if "Judge an answer" not in prompt:
            return f"answer {request.sample}"
        which = int(prompt.partition("Answer:\nanswer ")[2][0])
        return "no points" if request.sample == 2 else f"It is fair.\nScore: {which + request.sample}"

    step = run(lambda: SelfRewardingPairs("Pairs", prompts=column("why?"), llm=FakeLLM(answer), answers=3))
    assert rows(step) == [
        {
            "prompt": "why?",
            "chosen": "answer 2",
            "rejected": "answer 0",
            "scores": [0.5, 1.5, 2.5],
            "candidates": ["answer 0", "answer 1", "answer 2"],
        }
    ]


def test_answers_that_score_alike_give_no_pair(run):
    step = run(lambda: SelfRewardingPairs("Pairs", prompts=column("a", "b"), llm=FakeLLM("Score: 3")))
    assert rows(step) == []


# --- RAFT -------------------------------------------------------------------------------------------------------------


def reading(prompt: str) -> str:
    document = prompt.partition("Document:\n")[2].partition("\n")[0]
    if prompt.startswith("Write "):
        return json.dumps([f"What about {document} {i}?" for i in range(3)])
    return f"It says ##begin_quote##{document}##end_quote##.\n<ANSWER>: {document}"


def test_questions_stand_among_distractors_with_or_without_their_document(run):
    def workflow():
        documents = column(*(f"document {i}" for i in range(30)))
        return RAFT("Raft", documents=documents, llm=FakeLLM(reading), questions=2, distractors=3, oracle_share=0.5)

    made = rows(run(workflow))
    assert len(made) == 60
    for row in made:
        assert len(row["context"]) == len(set(row["context"])) == 3 + row["has_oracle"] + (not row["has_oracle"])
        assert (row["oracle"] in row["context"]) == row["has_oracle"] and row["answer"] == row["oracle"]
    share = sum(row["has_oracle"] for row in made) / len(made)
    assert 0.3 < share < 0.7
    assert len({row["context"].index(row["oracle"]) for row in made if row["has_oracle"]}) == 4  # anywhere
    with pytest.raises(InvalidArgumentError, match="more than 4 documents, and there are 2"):
        run(lambda: RAFT("Few", documents=column("a", "b"), llm=FakeLLM()))


# --- Genstruct --------------------------------------------------------------------------------------------------------


def test_passages_become_exchanges(run):
    chat = FakeLLM(
        lambda prompt: f"Sure.\n[[[User]]] Why {{x}}?\n[[[Assistant]]] Because {len(prompt)}.\n[[[User]]] more"
    )
    step = run(
        lambda: Genstruct("Ask", passages=column("On {braces}."), titles=column("Signs"), llm=chat, per_passage=2)
    )
    made = rows(step)
    assert made[0]["question"] == "Why {x}?" and made[0]["answer"].startswith("Because") and len(made) == 2
    assert "Title: Signs" in chat.requests[0].prompt and "On {braces}." in chat.requests[0].prompt

    trained = FakeLLM("Why?\n[[[Assistant]]] So.")
    step = run(lambda: Genstruct("Ask it", passages=column("Text."), llm=trained, format="genstruct"))
    assert rows(step) == [{"passage": "Text.", "question": "Why?", "answer": "So."}]
    assert trained.requests[0].prompt.startswith("[[[Title]]] Untitled\n[[[Content]]] Text.")
    assert trained.requests[0].prompt.endswith("[[[User]]] ")


# --- GLAN -------------------------------------------------------------------------------------------------------------


def teaching(prompt: str) -> str:
    if prompt.startswith("You are an expert"):
        return json.dumps(["Algebra", "Geometry", "Algebra"])
    if prompt.startswith("Design the syllabus"):
        return json.dumps([{"title": f"Session {i}", "concepts": [f"concept {i}{c}" for c in "ab"]} for i in range(4)])
    return "A question" if prompt.startswith("Write a homework") else "An answer"


def test_disciplines_become_questions_about_concepts(run):
    llm = FakeLLM(teaching)
    step = run(lambda: GLAN("Teach", disciplines=column("Mathematics"), llm=llm, questions=5))
    made = rows(step)
    assert len(made) == 10 and {row["subject"] for row in made} == {"Algebra", "Geometry"}
    assert all(1 <= len(row["concepts"]) <= 4 and row["response"] == "An answer" for row in made)
    assert len({tuple(row["concepts"]) for row in made}) > 3
    asked = [request.prompt for request in llm.requests if request.prompt.startswith("Write a homework")]
    assert "; ".join(made[0]["concepts"]) in asked[0]
