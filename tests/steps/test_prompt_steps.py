"""What prompt steps ask word for word, what columns they give, and where rows go that get no answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.cards import StepRecord, read_step
from datadreamer.errors import AuthenticationError, BadRequestError, ModelError, TooManyFailuresError
from datadreamer.llms import FakeLLM, Request
from datadreamer.steps import (
    DataFromAttributedPrompt,
    DataFromPrompt,
    DataSource,
    FilterWithPrompt,
    ProcessWithPrompt,
    Prompt,
)

Run = Callable[..., Any]


def texts(*values: Any, name: str = "Texts") -> Any:
    return DataSource(name, {"text": list(values)}).output["text"]


def asked(llm: FakeLLM) -> list[Any]:
    """The prompts that reached a model: the text of the only message, or all messages."""
    prompts = [[dict(message) for message in request.messages] for request in llm.requests]
    return [
        prompt[0]["content"] if len(prompt) == 1 and prompt[0]["role"] == "user" else prompt
        for prompt in sorted(prompts, key=json.dumps)
    ]


def rows(step: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in step.output]


# --- prompt texts and columns -----------------------------------------------------------------------------------------


def test_prompt_asks_the_prompts_as_they_are(memory: DataDreamer) -> None:
    llm = FakeLLM(str.upper)
    step = Prompt("Ask", inputs={"prompts": texts("a {b}", "  c\n")}, args={"llm": llm})
    assert rows(step) == [
        {"prompts": "a {b}", "generations": "A {B}"},
        {"prompts": "  c\n", "generations": "  C\n"},
    ]
    assert asked(llm) == ["  c\n", "a {b}"]


def test_process_with_prompt_puts_the_instruction_behind_the_input(memory: DataDreamer) -> None:
    llm = FakeLLM("ok")
    step = ProcessWithPrompt("Ask", {"inputs": texts("a {b} %s")}, {"llm": llm, "instruction": "Do {it}."})
    prompt = "Input: a {b} %s\n\nInstruction: Do {it}."
    assert rows(step) == [{"inputs": "a {b} %s", "prompts": prompt, "generations": "ok"}]
    assert asked(llm) == [prompt]


def test_labels_and_separator_of_process_with_prompt(memory: DataDreamer) -> None:
    step = ProcessWithPrompt(
        "Ask",
        inputs=texts(7),
        llm=FakeLLM("ok"),
        instruction="Go.",
        input_label="Number:",
        instruction_label="Task:",
        sep=" | ",
        outputs={"inputs": "number", "generations": "said"},
    )
    assert rows(step) == [{"number": 7, "prompts": "Number: 7 | Task: Go.", "said": "ok"}]


def test_data_from_prompt_draws_independently(memory: DataDreamer) -> None:
    llm = FakeLLM(["one", "two", "three"])
    step = DataFromPrompt("Draw", args={"llm": llm, "n": 3, "instruction": "Write {x}."})
    assert [row["generations"] for row in rows(step)] == ["one", "two", "three"]
    assert step.output.column_names == ["prompts", "generations"]
    assert asked(llm) == ["Write {x}."] * 3
    assert sorted(request.sample for request in llm.requests) == [0, 1, 2]
    assert {(request.temperature, request.top_p) for request in llm.requests} == {(1.0, 1.0)}


def test_draws_with_a_seed_get_seeds_of_their_own(memory: DataDreamer) -> None:
    llm = FakeLLM("x")
    for name in ("seed", "_seed"):  # the second is an earlier spelling of the first, and asks nothing new
        DataFromPrompt(f"Draw by {name}", args={"llm": llm, "n": 3, "instruction": "Write.", name: 5})
        assert sorted(request.seed or 0 for request in llm.requests) == [5, 6, 7]


def test_attributes_are_combined_and_cycled_through(memory: DataDreamer) -> None:
    llm = FakeLLM(str.upper)
    step = DataFromAttributedPrompt(
        "Draw",
        args={
            "llm": llm,
            "n": 5,
            "instruction": "A {mood} text on {topic}.",
            "attributes": {"mood": [" glad ", "sad"], "topic": ["{x}", "dogs\n"]},
        },
    )
    made = rows(step)
    assert step.output.column_names == ["attributes", "prompts", "generations"]
    assert [row["attributes"] for row in made] == [
        {"mood": "glad", "topic": "{x}"},
        {"mood": "glad", "topic": "dogs"},
        {"mood": "sad", "topic": "{x}"},
        {"mood": "sad", "topic": "dogs"},
        {"mood": "glad", "topic": "{x}"},
    ]
    assert made[0]["prompts"] == "A glad text on {x}." and made[0]["generations"] == "A GLAD TEXT ON {X}."
    assert llm.calls == 5


def test_attributes_as_a_list_of_combinations(memory: DataDreamer) -> None:
    step = DataFromAttributedPrompt(
        "Draw", llm=FakeLLM("x"), n=3, instruction="{a}{b}", attributes=[{"a": " x", "b": 1}, {"a": "y ", "b": 2}]
    )
    assert [row["prompts"] for row in rows(step)] == ["x1", "y2", "x1"]
    assert rows(step)[1]["attributes"] == {"a": "y", "b": 2}


@pytest.mark.parametrize(
    ("instruction", "attributes", "message"),
    [
        ("{a} {c}", {"a": ["x"], "b": ["y"]}, r"\{c\} is not among the attributes\. Attributes: a, b"),
        ("{a}", {"a": ["x"], "b": ["y"]}, r"it has no \{b\}"),
        ("{a}", {"a": []}, r"attributes are empty"),
        ("{a}", {}, r"attributes are empty"),
        ("{a}", [], r"attributes are empty"),
        ("{a}", {"a": "xyz"}, r"'a' must be a list of values, not 'xyz'"),
        ("{a}", [{"a": 1}, {"b": 1}], r"must have the same names"),
        ("{a}", "abc", r"attributes must be a dictionary of lists or a list of dictionaries, not str"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(
    memory: DataDreamer, instruction: str, attributes: Any, message: str
) -> None:
    llm = FakeLLM("x")
    with pytest.raises((ValueError, TypeError), match=message):
        DataFromAttributedPrompt("D", llm=llm, n=1, instruction=instruction, attributes=attributes)
    assert llm.calls == 0


def test_filter_with_prompt_keeps_all_columns_of_the_rows_it_keeps(memory: DataDreamer) -> None:
    source = DataSource("S", {"id": [1, 2, 3, 4], "text": ["Yes!", "no", "oh YES", "yesterday"], "x": [None] * 4})
    llm = FakeLLM(lambda prompt: prompt.split("\n\n")[0].removeprefix("Input: "))
    step = FilterWithPrompt("F", inputs={"inputs": source.output["text"]}, args={"llm": llm, "instruction": "Good?"})
    assert rows(step) == [{"id": 1, "text": "Yes!", "x": None}, {"id": 3, "text": "oh YES", "x": None}]
    assert asked(llm)[-1] == "Input: yesterday\n\nInstruction: Good?"
    kept = FilterWithPrompt(
        "G", inputs=source["text"], llm=llm, instruction="Good?", filter_func=lambda answer: answer == "no"
    )
    assert [row["id"] for row in rows(kept)] == [2]
    assert llm.calls == 4  # another rule asks nothing again
    renamed = FilterWithPrompt("H", inputs=source["text"], llm=llm, instruction="Good?", outputs={"id": "number"})
    assert renamed.output.column_names == ["number", "text", "x"]


def test_filter_with_prompt_on_a_renamed_column_of_a_view(memory: DataDreamer) -> None:
    source = DataSource("S", {"id": [1, 2], "text": ["yes", "no"]}).rename_column("text", "words").reverse()
    step = FilterWithPrompt("F", inputs=source["words"], llm=FakeLLM(lambda p: p[7:10]), instruction="Good?")
    assert rows(step) == [{"id": 1, "words": "yes"}]


def test_messages_are_prompts_too(memory: DataDreamer) -> None:
    chats = [
        [{"role": "user", "content": "hi"}],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
    ]
    llm = FakeLLM("ok")
    step = Prompt("Ask", inputs={"prompts": texts(*chats)}, args={"llm": llm})
    assert [row["prompts"] for row in rows(step)] == chats
    systems = {request.system for request in llm.requests}
    assert systems == {None, "Be brief."} and max(len(request.messages) for request in llm.requests) == 3


# --- settings ---------------------------------------------------------------------------------------------------------


def test_settings_reach_the_model(memory: DataDreamer) -> None:
    llm = FakeLLM("ok")
    settings = {
        "max_new_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": "END",
        "repetition_penalty": 1.1,
        "logit_bias": {"3": 1.0},
        "seed": 8,
        "batch_size": 2,
    }
    Prompt("Ask", {"prompts": texts("a")}, {"llm": llm, **settings})
    request = llm.requests[0]
    assert (request.max_new_tokens, request.temperature, request.top_p, request.seed) == (5, 0.5, 0.9, 8)
    assert tuple(request.stop or ()) == ("END",) and request.repetition_penalty == 1.1
    assert request.logit_bias == {"3": 1.0}


def test_settings_left_out_are_left_to_the_model(memory: DataDreamer) -> None:
    llm = FakeLLM("ok")
    Prompt("Ask", {"prompts": texts("a")}, {"llm": llm})
    request = llm.requests[0]
    assert (request.max_new_tokens, request.top_p, request.stop, request.seed) == (None, None, None, None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temprature": 1.0}, r"'temprature'.*Did you mean 'temperature'"),
        ({"temperature": "hot"}, r"'temperature' must be float"),
        ({"temperature": -1.0}, r"temperature"),
        ({"max_new_tokens": 0}, r"max_new_tokens"),
        ({"n": 0}, r"'?n'?"),
        ({"post_process": "upper"}, r"'post_process' must be Callable"),
        ({"llm": "gpt-4"}, r"'llm' must be LLM, not str 'gpt-4'"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_asked(
    memory: DataDreamer, settings: dict[str, Any], message: str
) -> None:
    llm = FakeLLM("ok")
    with pytest.raises((ValueError, TypeError), match=message):
        Prompt("Ask", {"prompts": texts("a")}, {"llm": llm, **settings})
    assert llm.calls == 0


def test_a_step_needs_its_model_and_instruction(memory: DataDreamer) -> None:
    with pytest.raises(ValueError, match="needs the argument 'llm'"):
        Prompt("Ask", {"prompts": texts("a")})  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="needs the argument 'instruction'"):
        ProcessWithPrompt("Ask", {"inputs": texts("a")}, {"llm": FakeLLM("x")})  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="n must be 0 or more, not -1"):
        DataFromPrompt("Ask", llm=FakeLLM("x"), n=-1, instruction="Go.")


def test_several_answers_are_a_list(memory: DataDreamer) -> None:
    llm = FakeLLM(["1", "2", "3"])
    step = Prompt("Ask", prompts=texts("a", "b"), llm=llm, n=3, post_process=int)
    assert [row["generations"] for row in rows(step)] == [[1, 2, 3], [1, 2, 3]]
    assert llm.calls == 6


def test_no_rows_ask_nothing(memory: DataDreamer) -> None:
    llm = FakeLLM("x")
    source = DataSource("S", {"text": ["a"]}).filter(lambda row: False, lazy=False)
    step = ProcessWithPrompt("Ask", {"inputs": source.output["text"]}, {"llm": llm, "instruction": "Go."})
    assert rows(step) == [] and step.output.column_names == ["inputs", "prompts", "generations"]
    assert rows(DataFromPrompt("Draw", llm=llm, n=0, instruction="Go.")) == []
    assert llm.calls == 0


def test_lazy_inputs_are_asked_too(memory: DataDreamer) -> None:
    lazy = DataSource("S", lambda: ({"text": str(n)} for n in range(5))).map(lambda row: {"text": row["text"] * 2})
    step = Prompt("Ask", prompts=lazy["text"], llm=FakeLLM(lambda prompt: prompt + "!"))
    assert list(step["generations"]) == ["00!", "11!", "22!", "33!", "44!"]


def test_a_thousand_rows_come_back_in_order(memory: DataDreamer) -> None:
    def reply(prompt: str, request: Request) -> str:
        return prompt[::-1]

    step = Prompt("Ask", prompts=texts(*(f"row {n}" for n in range(1000))), llm=FakeLLM(reply))
    assert list(step["generations"]) == [f"row {n}"[::-1] for n in range(1000)]


# --- losses -----------------------------------------------------------------------------------------------------------


def fails_on(*bad: str) -> Callable[[str], ModelError | None]:
    """A failure for every prompt that has one of the words in it."""

    def fail(prompt: str) -> ModelError | None:
        word = next((word for word in bad if word in prompt), None)
        return None if word is None else BadRequestError(f"cannot say {word!r}")

    return fail


def record(tmp_path: Path, label: str) -> StepRecord:
    found = read_step(tmp_path / "output" / label / "step.json")
    assert found.rows.input + found.rows.expanded == found.rows.output + found.rows.filtered + found.rows.lost
    return found


def test_rows_that_fail_are_lost_with_their_reason(run: Run, tmp_path: Path) -> None:
    values = [f"w{n} {'bad' if n % 7 == 3 else 'good'}" for n in range(40)]
    llm = FakeLLM(str.upper, fail=fails_on("bad"))

    def workflow() -> Any:
        step = ProcessWithPrompt("Ask", inputs=texts(*values), llm=llm, instruction="Go.")
        return rows(step), [loss.row for loss in memory_losses(step)]

    made, lost = run(workflow)
    assert [row["inputs"] for row in made] == [value for value in values if "good" in value]
    assert all(row["generations"] for row in made)
    assert lost == [n for n in range(40) if n % 7 == 3]
    found = record(tmp_path, "ask")
    assert found.rows.failed == {"bad_request": 6} and found.rows.input == 40 and found.rows.output == 34
    calls = llm.calls
    assert run(workflow) == (made, lost)
    assert llm.calls == calls


def memory_losses(step: Any) -> list[Any]:
    from datadreamer import _context
    from datadreamer.steps.fingerprint import fingerprints

    return list(_context.session().ledger.losses(fingerprints(step).key))


def test_a_failing_post_process_loses_the_row_and_keeps_the_answer(run: Run, tmp_path: Path) -> None:
    llm = FakeLLM({"a": "1", "b": "one", "c": "3"})

    def strict(text: str) -> int:
        return int(text)

    def lenient(text: str) -> int:
        return int(text) if text.isdigit() else -1

    def workflow(parser: Any) -> Any:
        step = Prompt("Ask", prompts=texts("a", "b", "c"), llm=llm, post_process=parser)
        return list(step["generations"]), [loss.message for loss in memory_losses(step)]

    values, messages = run(lambda: workflow(strict))
    assert values == [1, 3]
    assert messages == ["ValueError: invalid literal for int() with base 10: 'one' (the answer was 'one')"]
    assert record(tmp_path, "ask").rows.failed == {"post_process": 1}
    assert run(lambda: workflow(lenient))[0] == [1, -1, 3]
    assert llm.calls == 3


def test_a_prompt_that_is_too_long_is_lost_alone(run: Run, tmp_path: Path) -> None:
    llm = FakeLLM("ok", max_context_length=40)

    def workflow() -> Any:
        inputs = texts("short", "long " * 50, "short too")
        return rows(ProcessWithPrompt("Ask", inputs=inputs, llm=llm, instruction="Go.", max_new_tokens=3))

    assert [row["inputs"] for row in run(workflow)] == ["short", "short too"]
    assert record(tmp_path, "ask").rows.failed == {"context_length": 1}
    assert llm.calls == 2


@pytest.mark.parametrize("kind", [Prompt, ProcessWithPrompt, FilterWithPrompt])
def test_a_missing_input_is_lost_and_never_asked(run: Run, tmp_path: Path, kind: Any) -> None:
    llm = FakeLLM("yes")

    def workflow() -> Any:
        if kind is Prompt:
            return rows(Prompt("Ask", prompts=texts("a", None, "c"), llm=llm))
        return rows(kind("Ask", inputs=texts("a", None, "c"), llm=llm, instruction="Go."))

    assert len(run(workflow)) == 2
    assert record(tmp_path, "ask").rows.failed == {"no_input": 1}
    assert llm.calls == 2 and not any("None" in prompt for prompt in asked(llm))


def test_filtered_and_failed_rows_are_counted_apart(run: Run, tmp_path: Path) -> None:
    def workflow() -> Any:
        llm = FakeLLM(lambda prompt: "yes" if "good" in prompt else "no", fail=fails_on("ugly"))
        return rows(FilterWithPrompt("F", inputs=texts("good", "bad", "ugly", "good"), llm=llm, instruction="Go."))

    assert [row["text"] for row in run(workflow)] == ["good", "good"]
    rows_of = record(tmp_path, "f").rows
    assert (rows_of.input, rows_of.output, rows_of.filtered, rows_of.failed) == (4, 2, 1, {"bad_request": 1})


def test_one_failed_answer_of_several_loses_the_row(run: Run, tmp_path: Path) -> None:
    def workflow() -> Any:
        llm = FakeLLM(lambda prompt, request: str(request.sample), fail=fails_on("bad"))
        return rows(Prompt("Ask", prompts=texts("good", "bad"), llm=llm, n=2))

    assert run(workflow) == [{"prompts": "good", "generations": ["0", "1"]}]
    assert record(tmp_path, "ask").rows.failed == {"bad_request": 1}


def test_when_all_rows_fail_the_step_stops_with_the_last_message(run: Run) -> None:
    llm = FakeLLM("x", fail=fails_on("w"))
    with pytest.raises(TooManyFailuresError, match=r"Step 'Ask' stopped: all 3 rows failed .*cannot say 'w'") as raised:
        run(lambda: Prompt("Ask", prompts=texts("w1", "w2", "w3"), llm=llm))
    assert isinstance(raised.value, RuntimeError)
    mended = FakeLLM("x")
    assert len(run(lambda: rows(Prompt("Ask", prompts=texts("w1", "w2", "w3"), llm=mended)))) == 3


def test_a_hopeless_step_stops_early(run: Run) -> None:
    llm = FakeLLM("x")

    def parse(text: str) -> Any:
        raise ValueError("no")

    with pytest.raises(TooManyFailuresError, match=r"none of the first 20 rows succeeded"):
        run(lambda: Prompt("Ask", prompts=texts(*map(str, range(2000))), llm=llm, post_process=parse))
    assert llm.calls < 1000


@pytest.mark.parametrize(
    ("bound", "stops"), [(1, True), (4, True), (5, False), (0.1, True), (0.3, False), (None, False)]
)
def test_max_failures_as_a_number_and_as_a_share(run: Run, bound: Any, stops: bool) -> None:
    values = [f"w{n} {'bad' if n in (5, 6, 7, 8, 9) else 'good'}" for n in range(20)]

    def workflow() -> Any:
        llm = FakeLLM("ok", fail=fails_on("bad"))
        return rows(Prompt("Ask", prompts=texts(*values), llm=llm, max_failures=bound))

    if stops:
        with pytest.raises(TooManyFailuresError, match=f"max_failures is {bound}"):
            run(workflow)
    else:
        assert len(run(workflow)) == 15


def test_a_stopped_step_keeps_its_answers_for_the_next_run(run: Run) -> None:
    values = [f"w{n} {'bad' if n > 10 else 'good'}" for n in range(20)]

    class Moody(FakeLLM):
        """Its failures are a mood, and no part of what it is."""

        bad = True

        def spec(self) -> dict[str, Any]:
            return {"model": "moody"}

    def workflow(llm: FakeLLM) -> Any:
        return rows(Prompt("Ask", prompts=texts(*values), llm=llm, max_failures=2))

    with pytest.raises(TooManyFailuresError):
        run(lambda: workflow(Moody("ok", fail=fails_on("bad"))))
    mended = Moody("ok")
    assert len(run(lambda: workflow(mended))) == 20
    assert mended.calls == 9


def test_a_wrong_key_stops_the_step_at_once(run: Run, tmp_path: Path) -> None:
    llm = FakeLLM("x", fail=lambda prompt: AuthenticationError("the key in OPENAI_API_KEY was refused"))
    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY was refused"):
        run(lambda: Prompt("Ask", prompts=texts(*map(str, range(100))), llm=llm))
    assert not (tmp_path / "output" / "ask").exists()


def test_an_asynchronous_process_loses_rows_alike(run: Run, tmp_path: Path) -> None:
    from datadreamer.llms import LLM
    from datadreamer.steps import Column, Step, output

    class Asks(Step):
        text: Column[str]
        llm: LLM
        said: str = output()

        async def process(self, text: str) -> dict[str, str]:
            if text == "odd":
                raise KeyError("odd")
            return {"said": (await self.llm.agenerate(text)).text}

    def workflow() -> Any:
        llm = FakeLLM(str.upper, fail=fails_on("bad"))
        return rows(Asks("Asks", text=texts("a", "bad", "odd", "b"), llm=llm))

    assert run(workflow) == [{"said": "A"}, {"said": "B"}]
    assert record(tmp_path, "asks").rows.failed == {"bad_request": 1, "KeyError": 1}
