"""Recipes whose rows are independent: what is asked, what comes out, what is refused, and that a rerun asks nothing."""

from __future__ import annotations

from typing import Any

import pytest

from datadreamer.errors import InvalidArgumentError
from datadreamer.llms import FakeLLM
from datadreamer.recipes import (
    ConstitutionalAI,
    EvolInstruct,
    InstructionBacktranslation,
    MultiTurnChat,
    PersonaDriven,
    PersonasFromTexts,
)
from datadreamer.recipes.evol_instruct import OPERATIONS
from datadreamer.steps import DataSource


def rows(step: Any) -> list[dict[str, Any]]:
    return list(step.output)


def column(*values: str) -> Any:
    return DataSource("Given", {"x": list(values)})["x"]


# --- Evol-Instruct ----------------------------------------------------------------------------------------------------


def evolving(prompt: str) -> str:
    if "\n\nInstruction: " in prompt:
        before = prompt.rpartition("Instruction: ")[2]
        if "nothing to add" in before:
            return before
        return "Here is the rewritten prompt" if "copy me" in before else f"{before} And why, in step{len(before)}?"
    return "I am sorry, I cannot." if prompt.count("And why") == 2 else f"Answer to {prompt}"


def test_instructions_evolve_and_what_failed_tries_again_from_where_it_was(run):
    llm = FakeLLM(evolving)

    def workflow():
        given = column("Name a fruit.", "nothing to add", "copy me")
        return EvolInstruct("Evolve", instructions=given, llm=llm, rounds=3)

    made = rows(run(workflow))
    assert [(row["evolved"], row["round"]) for row in made] == [
        ("Name a fruit.", 0),
        ("Name a fruit. And why, in step13?", 1),  # the second and third rounds were answered by a refusal
        ("nothing to add", 0),
        ("copy me", 0),
    ]
    assert made[1]["responses"] == "Answer to Name a fruit. And why, in step13?"
    assert made[0]["operation"] == "" and made[1]["operation"] in OPERATIONS
    asked = llm.calls
    assert rows(run(workflow)) == made and llm.calls == asked


def test_operations_are_chosen_by_seed_and_row(run):
    llm = FakeLLM(lambda prompt: f"{prompt.rpartition('Instruction: ')[2]} more{len(prompt)}")

    def chosen(seed, *given, operations=None):
        step = run(
            lambda: EvolInstruct(
                "Evolve", instructions=column(*given), llm=llm, rounds=6, seed=seed, operations=operations
            )
        )
        return [row["operation"] for row in rows(step) if row["round"]]

    both = chosen(1, "a", "b")
    assert chosen(1, "b") == both[6:]  # a row draws the same whatever stands beside it
    assert chosen(2, "a", "b") != both
    assert set(chosen(1, "a", operations=["deepen"])) == {"deepen"}


def test_an_unknown_operation_and_no_rounds_are_refused(run):
    with pytest.raises(InvalidArgumentError, match="there is no operation 'deepn'"):
        run(lambda: EvolInstruct("E", instructions=column("a"), llm=FakeLLM(), operations=["deepn"]))
    with pytest.raises(InvalidArgumentError, match="rounds must be at least 1, not 0"):
        run(lambda: EvolInstruct("E", instructions=column("a"), llm=FakeLLM(), rounds=0))


# --- Constitutional AI ------------------------------------------------------------------------------------------------


def test_answers_are_criticised_and_revised_by_principles(run):
    def answer(prompt: str) -> str:
        if "Say where" in prompt:
            return "It is rude."
        if "Write the answer anew" in prompt:
            assert "Critique:\nIt is rude." in prompt
            return prompt.partition("Answer:\n")[2].partition("\n")[0] + "+"
        return "first"

    step = run(
        lambda: ConstitutionalAI(
            "Revise", prompts=column("Hello?"), llm=FakeLLM(answer), revisions=3, principles=["Be nice."]
        )
    )
    assert rows(step) == [
        {
            "prompt": "Hello?",
            "rejected": "first",
            "chosen": "first+++",
            "critiques": ["It is rude."] * 3,
            "revised": ["first+", "first++", "first+++"],
            "by": ["Be nice."] * 3,
        }
    ]
    with pytest.raises(InvalidArgumentError, match="principles is empty"):
        run(lambda: ConstitutionalAI("None", prompts=column("x"), llm=FakeLLM(), principles=[]))


# --- personas ---------------------------------------------------------------------------------------------------------


def test_people_ask_for_varied_data(run):
    llm = FakeLLM(lambda prompt, request: f"{request.sample}: {prompt.splitlines()[-1]}")

    def workflow():
        people = column("a baker", "a pilot")
        return PersonaDriven("Ask", personas=people, llm=llm, request="math problem", per_persona=2)

    step = run(workflow)
    made = rows(step)
    assert [row["generations"] for row in made] == [
        "0: The person: a baker",
        "1: The person: a baker",
        "0: The person: a pilot",
        "1: The person: a pilot",
    ]
    assert made[1]["responses"] == "1: 1: The person: a baker"
    assert any("mathematical problem" in request.prompt for request in llm.requests)

    own = run(
        lambda: PersonaDriven(
            "Own", personas=column("a baker"), llm=llm, request="Write a recipe they bake.", answer=False
        )
    )
    assert rows(own)[0]["responses"] is None and "Write a recipe they bake." in llm.requests[-1].prompt


def test_people_are_imagined_behind_texts(run):
    llm = FakeLLM(lambda prompt, request: f"person {request.sample} of {len(prompt) % 7}")
    step = run(lambda: PersonasFromTexts("People", texts=column("On bread."), llm=llm, per_text=2, related=1))
    assert [row["relation"] for row in rows(step)] == ["text", "related", "text", "related"]


# --- conversations ----------------------------------------------------------------------------------------------------


def test_two_models_talk_and_the_person_ends_it(run):
    person = FakeLLM(
        lambda prompt: "[END]" if prompt.count("Assistant:") == 2 else f"question {prompt.count('Person:')}"
    )
    assistant = FakeLLM(lambda prompt, request: f"answer {len(request.messages)}", model_name="assistant")
    step = run(
        lambda: MultiTurnChat("Talk", topics=column("bread"), llm=assistant, user=person, turns=5, system="Be brief.")
    )
    talk = rows(step)[0]
    assert [(message["role"], message["content"]) for message in talk["messages"]] == [
        ("user", "question 0"),
        ("assistant", "answer 1"),
        ("user", "question 1"),
        ("assistant", "answer 3"),
    ]
    assert talk["ended"] is True and assistant.requests[0].system == "Be brief."

    opened = run(
        lambda: MultiTurnChat("Open", topics=column("What is rye?"), llm=assistant, turns=1, opens_with_topic=True)
    )
    assert rows(opened)[0]["messages"][0]["content"] == "What is rye?" and rows(opened)[0]["ended"] is False


# --- instruction back-translation -------------------------------------------------------------------------------------


def test_texts_get_instructions_and_only_good_pairs_stay(run):
    def answer(prompt: str) -> str:
        text = prompt.rpartition("\n")[2]
        if "Give a number" not in prompt:
            return f"Write: {text}"
        return {"good": "5", "fair": "I give it 4.5", "bad": "2/5"}.get(text, "no idea")

    step = run(
        lambda: InstructionBacktranslation(
            "Back", texts=column("good", "fair", "bad", "odd"), llm=FakeLLM(answer), threshold=4.5
        )
    )
    assert rows(step) == [
        {"instructions": "Write: good", "answers": "good", "scores": 5.0},
        {"instructions": "Write: fair", "answers": "fair", "scores": 4.5},
    ]
    record = step.losses() if callable(getattr(step, "losses", None)) else None
    assert record is None or [loss["reason"] for loss in record] == ["unparsed"]
