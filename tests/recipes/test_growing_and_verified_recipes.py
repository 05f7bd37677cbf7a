"""Recipes that grow a pool, that verify by running, and that call tools."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from datadreamer.bundled import toy_model_path
from datadreamer.errors import InvalidArgumentError, StepError
from datadreamer.llms import FakeLLM, HFTransformers
from datadreamer.recipes import Magpie, RejectionSampling, SelfInstruct, ToolConversations
from datadreamer.recipes.rouge import RougePool
from datadreamer.steps import DataSource


def rows(step: Any) -> list[dict[str, Any]]:
    return list(step.output)


def column(*values: Any) -> Any:
    return DataSource("Given", {"x": list(values)})["x"]


# --- Self-Instruct ----------------------------------------------------------------------------------------------------

SEEDS = ["Write a short poem about rain.", "Name the capital of a country.", "Sort a list of numbers by size."]


def inventing(prompt: str, request: Any) -> str:
    if prompt.startswith("Here are tasks"):
        mark = len(prompt) % 97 + 100 * request.sample
        kinds = ("Explain rule", "Translate sentence", "Count the words of text", "Draw a picture of")
        listed = [f"{kind} {' '.join(f'w{mark}x{i}x{place}' for place in range(8))}." for i, kind in enumerate(kinds)]
        return "\n".join([listed[0], *(f"{number}. {task}" for number, task in enumerate(listed[1:], 9))])
    if prompt.startswith("Is this a task"):
        return "Yes, it is." if "Count" in prompt else "No."
    if "Choose one of its labels" in prompt:
        return "Output: few\nInput: two words"
    return "Input: none\nOutput: nothing" if "Explain" in prompt else "Input: ja\nOutput: yes"


def test_a_few_instructions_become_many_with_examples(run):
    llm = FakeLLM(inventing)

    def workflow():
        return SelfInstruct("Grow", seeds=column(*SEEDS), llm=llm, n=12)

    made = rows(run(workflow))
    assert len(made) == 12 == len({row["instruction"] for row in made})
    assert not any("picture" in row["instruction"] for row in made)
    by_kind = {row["instruction"].split()[0]: row for row in made}
    assert by_kind["Count"]["is_classification"] and by_kind["Count"]["answer"] == "few"
    assert by_kind["Explain"]["input"] == "" and by_kind["Translate"]["input"] == "ja"
    first = next(request.prompt for request in llm.requests if request.prompt.startswith("Here are"))
    assert all(seed in first for seed in SEEDS) and first.endswith("\n4.")
    asked = llm.calls
    assert rows(run(workflow)) == made and llm.calls == asked


def test_too_few_different_instructions_are_an_error_and_more_prompts_go_on(run):
    llm = FakeLLM(lambda prompt: "Write a short poem about rain and snow." if "Here are" in prompt else "Output: x")

    def workflow(n):
        return SelfInstruct("Grow", seeds=column(*SEEDS), llm=llm, n=n, max_prompts=3)

    with pytest.raises(StepError, match="3 prompts gave 0 usable instructions of 2"):
        run(lambda: workflow(2))
    with pytest.raises(InvalidArgumentError, match="at least 2 seeds, and there are 1"):
        run(lambda: SelfInstruct("One", seeds=column("x"), llm=llm, n=1))


def test_rouge_l_is_that_of_its_definition():
    def naive(a: list[str], b: list[str]) -> int:
        if not a or not b:
            return 0
        if a[-1] == b[-1]:
            return 1 + naive(a[:-1], b[:-1])
        return max(naive(a[:-1], b), naive(a, b[:-1]))

    texts = ["the cat sat on the mat", "on the mat sat a cat", "a dog", "the cat sat there", "", "mat the on sat"]
    for a in texts:
        for b in texts:
            x, y = a.split(), b.split()
            f1 = 2 * naive(x, y) / (len(x) + len(y)) if x or y else 0.0
            for threshold in (0.3, 0.5, 0.7, 1.0):
                assert RougePool([a]).has_like(b, threshold) == (f1 >= threshold and f1 > 0), (a, b, threshold)


# --- rejection sampling -----------------------------------------------------------------------------------------------


def test_right_solutions_that_differ_are_kept(run):
    drawn = [
        "3 + 4 = 7, so \\boxed{7}",
        "3+4 = 7. Thus \\boxed{7}",  # the same equation
        "4 + 3 = 7: \\boxed{7.0}",
        "3 * 4 = 12, \\boxed{12}",
    ]
    llm = FakeLLM(drawn)
    step = run(
        lambda: RejectionSampling("Solve", problems=column("3 and 4?"), references=column("7"), llm=llm, samples=4)
    )
    made = rows(step)
    assert [row["solution"] for row in made] == [drawn[0], drawn[1], drawn[2]]
    assert {row["pass_rate"] for row in made} == {0.75} and made[0]["reference"] == "7"
    assert "\\boxed{}" in llm.requests[0].prompt

    kept = run(
        lambda: RejectionSampling(
            "Own", problems=column("3 and 4?"), references=column(7), llm=llm, samples=4, keep=1, verify=ends_right
        )
    )
    assert [row["solution"] for row in rows(kept)] == [drawn[0]]


def ends_right(problem: str, solution: str, reference: int) -> bool:
    return f"{reference}" in re.findall(r"\d+", solution)[-1]


def test_code_is_run_with_its_tests(run):
    good = "Here:\n```python\ndef double(x):\n    return 2 * x\n```\nDone."
    llm = FakeLLM(
        [good, "```python\ndef double(x):\n    return x\n```", "no code at all", "```python\nwhile True: pass\n```"]
    )
    step = run(
        lambda: RejectionSampling(
            "Code",
            problems=column("Double a number."),
            references=column("assert double(4) == 8"),
            llm=llm,
            samples=4,
            verify="code",
            timeout=2,
        )
    )
    assert [row["solution"] for row in rows(step)] == [good] and rows(step)[0]["pass_rate"] == 0.25


def test_an_unknown_verifier_and_a_template_without_a_place_are_refused(run):
    given = {"llm": FakeLLM()}
    with pytest.raises(InvalidArgumentError, match="'math', 'code', 'exact' or a function, not 'maths'"):
        run(lambda: RejectionSampling("S", problems=column("a"), references=column("b"), verify="maths", **given))
    with pytest.raises(InvalidArgumentError, match=r"no place \{problem\}"):
        run(lambda: RejectionSampling("S", problems=column("a"), references=column("b"), template="Solve!", **given))


# --- tools ------------------------------------------------------------------------------------------------------------

WEATHER = {
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def calling(prompt: str) -> str:
    if prompt.startswith("Write what this person says"):
        return "Is it raining in Oslo?" if "Norway" in prompt else "Is it raining?"
    if "Which calls" in prompt:
        return json.dumps([{"name": "weather", "arguments": {"city": "Oslo"} if "Oslo" in prompt else {"town": 1}}])
    if prompt.startswith("You play a tool"):
        return '{"rain": true}'
    return "Yes" if "Yes or No" in prompt else "It rains in Oslo."


def test_calls_are_checked_done_and_answered(run):
    def workflow(**settings):
        scenarios = column("somebody in Norway", "somebody else")
        return ToolConversations("Talk", scenarios=scenarios, llm=FakeLLM(calling), tools=[WEATHER], **settings)

    made = rows(run(workflow))
    assert len(made) == 1  # the other one's arguments did not fit the schema
    messages = json.loads(made[0]["messages"])
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert messages[1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}
    assert messages[2] == {"role": "tool", "tool_call_id": "call_0", "content": '{"rain": true}'}
    assert json.loads(made[0]["tools_offered"])[0]["function"]["name"] == "weather"

    real = rows(run(lambda: workflow(functions={"weather": look_outside})))
    assert json.loads(real[0]["messages"])[2]["content"] == '"dry in Oslo"'
    with pytest.raises(InvalidArgumentError, match="a function 'wether', and no tool"):
        run(lambda: workflow(functions={"wether": look_outside}))


def look_outside(city: str) -> str:
    return f"dry in {city}"


# --- Magpie -----------------------------------------------------------------------------------------------------------


def test_a_chat_model_writes_instructions_out_of_nothing(run):
    def workflow():
        llm = HFTransformers(toy_model_path(), device="cpu")
        return Magpie("Draw", llm=llm, n=6, max_query_tokens=24, max_new_tokens=16, seed=3)

    made = rows(run(workflow))
    assert 1 <= len(made) <= 6 and all(row["instructions"].strip() for row in made)
    assert not any("<|" in row["instructions"] for row in made)
    assert rows(run(workflow)) == made


def test_other_models_need_the_beginning_of_a_turn(run):
    with pytest.raises(InvalidArgumentError, match="no template to cut"):
        run(lambda: Magpie("Draw", llm=FakeLLM(), n=1))
    writer = FakeLLM(lambda prompt, request: f"What is {request.sample}?<|end|>and more")
    step = run(lambda: Magpie("Draw", llm=FakeLLM("An answer"), n=2, query_prefix="<|user|>", writer=writer))
    assert rows(step) == [
        {"instructions": "What is 0?", "responses": "An answer"},
        {"instructions": "What is 1?", "responses": "An answer"},
    ]
