"""Templates over columns: what reaches the model word for word, what is refused before, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer import DataDreamer
from datadreamer.cards import read_step
from datadreamer.errors import InvalidArgumentError, InvalidTypeError
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, FilterWithPrompt, ProcessWithPrompt, Prompt, RankWithPrompt
from datadreamer.steps.prompting import text_template
from datadreamer.steps.prompting.text_template import Braces

Run = Callable[..., Any]


def docs(**columns: list[Any]) -> Any:
    return DataSource("Docs", columns or {"title": ["A {body}", "{{B}}"], "body": ["a {title}", "%s {0}"]})


def rows(step: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in step.output]


def test_a_template_puts_any_number_of_columns_into_the_prompt(memory: DataDreamer) -> None:
    source = docs()
    llm = FakeLLM("ok")
    template = "{title}: {body} {{title}} {title}"
    step = Prompt(
        "Ask", inputs={"title": source["title"], "body": source["body"]}, args={"llm": llm, "template": template}
    )
    assert step.output.column_names == ["title", "body", "prompts", "generations"]
    assert list(step["prompts"]) == ["A {body}: a {title} {title} A {body}", "{{B}}: %s {0} {title} {{B}}"]
    assert sorted(request.prompt for request in llm.requests) == sorted(step["prompts"])
    assert list(step["title"]) == list(source["title"])


def test_columns_may_be_given_as_keywords(memory: DataDreamer) -> None:
    source = docs(x=["1"], y=["2"])
    step = Prompt("Ask", llm=FakeLLM("ok"), template="{x}+{y}", x=source["x"], y=source["y"])  # type: ignore[call-arg]
    assert list(step["prompts"]) == ["1+2"]


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="ab{} %\\", max_size=30), st.text(alphabet="ab{}$", max_size=8), st.text(max_size=8))
def test_whatever_is_in_the_data_stays_as_it_is(text: str, one: str, two: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")
    template = Braces("A step", escaped + "{one}" + escaped + "{two}")
    assert template.fill({"one": one, "two": two}) == text + one + text + two


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{titel} {body}", r"names 'titel'.*Did you mean 'title'"),
        ("{title}", r"does not use the input 'body'"),
        ("{title} {body} {", r"a '\{' that names no column"),
        ("{title} {body} }", r"a '\}' that names no column"),
        ("{title} {body} {}", r"a '\{\}' that names no column"),
        ('{"title": {title}} {body}', r"that names no column.*Write \{\{ and \}\}"),
        ([], "empty list"),
        (["{title} and more", {"role": "user", "content": "{body}"}], "must be a column's name in braces"),
        ([{"role": "user", "text": "{title} {body}"}], "a message of a template is"),
    ],
)
def test_a_template_that_does_not_fit_is_refused_before_anything_is_asked(
    memory: DataDreamer, template: Any, message: str
) -> None:
    llm, source = FakeLLM("x"), docs()
    with pytest.raises((InvalidArgumentError, InvalidTypeError), match=message):
        Prompt("Ask", {"title": source["title"], "body": source["body"]}, {"llm": llm, "template": template})
    assert llm.calls == 0


def test_an_input_cannot_take_the_name_of_the_answers(memory: DataDreamer) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot be called 'generations'"):
        Prompt("Ask", {"generations": docs()["title"]}, {"llm": FakeLLM("x"), "template": "{generations}"})


def test_an_input_cannot_take_the_name_of_a_setting(memory: DataDreamer) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot be called 'n', which is a setting"):
        Prompt("Ask", {"n": docs()["title"]}, {"llm": FakeLLM("x"), "template": "{n}"})


def test_without_a_template_an_unknown_input_is_refused(memory: DataDreamer) -> None:
    source = docs()
    with pytest.raises(InvalidArgumentError, match="has no input 'body'"):
        Prompt("Ask", {"prompts": source["title"], "body": source["body"]}, {"llm": FakeLLM("x")})


def test_jinja_reads_loops_and_conditions_and_leaves_data_alone(memory: DataDreamer) -> None:
    source = docs(name=["{{ x }}", None], tags=[["a", "{% raw %}"], ["b"]])
    step = Prompt(
        "Ask",
        inputs={"name": source["name"], "tags": source["tags"]},
        args={
            "llm": FakeLLM("ok"),
            "template": "{% if name %}{{ name }}:{% endif %}{% for tag in tags %} {{ tag }}{% endfor %}\n",
            "template_format": "jinja",
        },
    )
    assert list(step["prompts"]) == ["{{ x }}: a {% raw %}\n", " b\n"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ titel }}", "names 'titel'"),
        ("{% if %}{{ title }}", "mistake in line 1"),
        ("{{ title | random }}", "random"),
    ],
)
def test_jinja_mistakes_are_refused(memory: DataDreamer, template: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Prompt("A", {"title": docs()["title"]}, {"llm": FakeLLM("x"), "template": template, "template_format": "jinja"})


def test_jinja_runs_in_a_sandbox(memory: DataDreamer) -> None:
    source = docs(title=["a", "b"], kind=["no", "yes"])
    template = "{% if kind == 'yes' %}{{ title.__class__.__mro__ }}{% else %}{{ title }}{% endif %}"
    step = Prompt(
        "A",
        {"title": source["title"], "kind": source["kind"]},
        {"llm": FakeLLM("x"), "template": template, "template_format": "jinja"},
    )
    assert list(step["prompts"]) == ["a"]  # the other row is lost


def test_messages_are_templates_and_a_column_of_turns_is_put_between_them(memory: DataDreamer) -> None:
    turns: list[list[dict[str, Any]]] = [
        [{"role": "user", "content": "{q}"}, {"role": "assistant", "content": "b"}],
        [{"role": "user", "content": "c", "name": "Kim"}],
    ]
    source = DataSource("S", {"history": turns, "q": ["x", "y"]})
    llm = FakeLLM("ok")
    step = Prompt(
        "Ask",
        {"history": source["history"], "q": source["q"]},
        {
            "llm": llm,
            "template": [{"role": "system", "content": "S {q}"}, "{history}", {"role": "user", "content": "{q}!"}],
        },
    )
    asked = {request.system: list(request.messages) for request in llm.requests}
    assert asked == {
        "S x": [*turns[0], {"role": "user", "content": "x!"}],
        "S y": [*turns[1], {"role": "user", "content": "y!"}],
    }
    assert [turn["content"] for turn in step["prompts"][1]] == ["S y", "c", "y!"]


def test_a_system_prompt_per_row_from_a_column(memory: DataDreamer) -> None:
    source = docs(text=["a", "b", "c"], system=["Be {kind}.", None, ""])
    llm = FakeLLM("ok", system_prompt="Own.")
    step = Prompt("Ask", {"prompts": source["text"], "system": source["system"]}, {"llm": llm})
    assert {request.prompt: request.system for request in llm.requests} == {"a": "Be {kind}.", "b": "Own.", "c": ""}
    assert rows(step)[0] == {"system": "Be {kind}.", "prompts": "a", "generations": "ok"}


def test_a_system_prompt_as_a_template(run: Run, tmp_path: Path) -> None:
    llm = FakeLLM("ok")

    def ask() -> Any:
        source = docs(text=["a", "b"], role=["judge", "poet"])
        return rows(
            ProcessWithPrompt(
                "Ask",
                inputs={"inputs": source["text"], "role": source["role"]},
                args={"llm": llm, "instruction": "Go.", "system": "You are a {role}. {{}}"},
            )
        )

    made = run(ask)
    assert [row["system"] for row in made] == ["You are a judge. {}", "You are a poet. {}"]
    assert {request.prompt: request.system for request in llm.requests} == {
        "Input: a\n\nInstruction: Go.": "You are a judge. {}",
        "Input: b\n\nInstruction: Go.": "You are a poet. {}",
    }
    prompts = {text.role: text.text for text in read_step(tmp_path / "output" / "ask" / "step.json").prompts}
    assert prompts["system prompt"] == "You are a {role}. {{}}" and prompts["instruction"] == "Go."


def test_messages_that_bring_a_system_prompt_keep_it(memory: DataDreamer) -> None:
    chat = [{"role": "system", "content": "Mine."}, {"role": "user", "content": "hi"}]
    source = DataSource("S", {"chat": [chat, chat[1:]]})
    llm = FakeLLM("ok")
    Prompt("Ask", {"prompts": source["chat"]}, {"llm": llm, "system": "Yours."})
    assert {request.system for request in llm.requests} == {"Mine.", "Yours."}


def test_further_inputs_make_the_instruction_a_template(memory: DataDreamer) -> None:
    source = docs(text=["a {lang}", "b"], lang=["French", "Thai"])
    step = ProcessWithPrompt(
        "Translate",
        inputs={"inputs": source["text"], "lang": source["lang"]},
        args={"llm": FakeLLM("ok"), "instruction": "Translate into {lang} as {{json}}."},
    )
    assert step.output.column_names == ["inputs", "lang", "prompts", "generations"]
    assert list(step["prompts"]) == [
        "Input: a {lang}\n\nInstruction: Translate into French as {json}.",
        "Input: b\n\nInstruction: Translate into Thai as {json}.",
    ]


def test_a_template_replaces_the_layout_of_an_instruction(memory: DataDreamer) -> None:
    step = ProcessWithPrompt(
        "Ask",
        inputs={"inputs": docs()["title"]},
        args={"llm": FakeLLM("ok"), "instruction": "Do {it}.", "template": "{instruction}\n---\n{inputs}"},
    )
    assert list(step["prompts"])[1] == "Do {it}.\n---\n{{B}}"


def test_filters_and_ranks_take_further_inputs_too(memory: DataDreamer) -> None:
    source = docs(q=["1+1", "2+2"], a=["2", "5"], id=[1, 2])
    llm = FakeLLM(lambda prompt: "yes 9" if "Is 2 the answer to 1+1?" in prompt else "no 1")
    inputs = {"inputs": source["a"], "q": source["q"]}
    args = {"llm": llm, "instruction": "Is {inputs} the answer to {q}?"}
    assert rows(FilterWithPrompt("F", inputs, args)) == [{"q": "1+1", "a": "2", "id": 1}]
    assert [(row["id"], row["scores"]) for row in rows(RankWithPrompt("R", inputs, args))] == [(1, 9), (2, 1)]


def test_a_row_without_a_value_is_lost_and_not_asked_about_none(memory: DataDreamer) -> None:
    source = docs(x=["1", None, "3"], y=["a", "b", "c"])
    llm = FakeLLM("ok")
    step = Prompt("Ask", {"x": source["x"], "y": source["y"]}, {"llm": llm, "template": "{x}{y}"})
    assert list(step["prompts"]) == ["1a", "3c"]
    assert not any("None" in request.prompt for request in llm.requests)


def test_the_template_counts_and_the_card_shows_it(run: Run, tmp_path: Path) -> None:
    llm = FakeLLM(str.upper)

    def ask(template: str) -> Callable[[], Any]:
        return lambda: rows(Prompt("Ask", {"title": docs()["title"]}, {"llm": llm, "template": template}))

    run(ask("1 {title}"))
    run(ask("1 {title}"))
    assert llm.calls == 2
    run(ask("2 {title}"))
    assert llm.calls == 4
    record = read_step(tmp_path / "output" / "ask" / "step.json")
    assert [(text.role, text.text) for text in record.prompts] == [("template", "2 {title}")]
    origins = {column.name: (column.origin, column.derived_from) for column in record.outputs}
    assert origins["title"] == ("copied", ["title"]) and origins["prompts"] == ("computed", None)


def test_a_brace_template_is_read_in_one_pass() -> None:
    template = text_template.parse("A step", "{a}{b}", "braces")
    assert template.fill({"a": "{b}", "b": "{a}"}) == "{b}{a}"
    with pytest.raises(InvalidArgumentError, match="Did you mean 'jinja'"):
        text_template.parse("A step", "x", "jinja2")
