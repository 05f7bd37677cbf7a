"""What runs again after a change, and what does not: through the public API, with calls counted."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.llms import FakeLLM
from datadreamer.steps import Column, CSVDataSource, DataFromPrompt, DataSource, ProcessWithPrompt, Prompt, Step, output

Run = Callable[..., Any]
TEXTS = [f"text {number}" for number in range(6)]


def upper(prompt: str) -> str:
    return prompt.upper()


def ask(llm: FakeLLM, name: str = "Ask", **settings: Any) -> Any:
    source = DataSource("Texts", {"text": TEXTS})
    given = {"llm": llm, "instruction": "Say it.", **settings}
    return ProcessWithPrompt(name, inputs={"inputs": source.output["text"]}, args=given)


def calls_for(run: Run, first: dict[str, Any], second: dict[str, Any]) -> tuple[int, int]:
    """How many calls the same workflow needs under two sets of settings, one after the other in one folder."""
    counts = []
    for settings in (first, second):
        settings = dict(settings)
        llm = settings.pop("llm", None) or FakeLLM(upper)
        run(lambda llm=llm, settings=settings: ask(llm, **settings))
        counts.append(llm.calls)
    return counts[0], counts[1]


def test_an_unchanged_workflow_asks_nothing(run: Run) -> None:
    assert calls_for(run, {}, {}) == (6, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"instruction": "Say it twice."},
        {"temperature": 0.5},
        {"max_new_tokens": 7},
        {"stop": ["."]},
        {"seed": 3},
        {"llm": FakeLLM(upper, system_prompt="Be brief.")},
        {"llm": FakeLLM(upper, model_name="another")},
        {"llm": FakeLLM("another answer")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_the_question_asks_again(run: Run, change: dict[str, Any]) -> None:
    assert calls_for(run, {}, change) == (6, 6)


@pytest.mark.parametrize("change", [{"name": "Another name"}, {"batch_size": 3}, {"max_failures": 2}])
def test_what_does_not_count_asks_nothing(run: Run, change: dict[str, Any]) -> None:
    assert calls_for(run, {}, change) == (6, 0)


def test_another_folder_keeps_nothing_but_a_moved_one_all(tmp_path: Path) -> None:
    llm = FakeLLM(upper)
    with DataDreamer(tmp_path / "here"):
        ask(llm)
    (tmp_path / "here").rename(tmp_path / "there")
    with DataDreamer(tmp_path / "there"):
        assert ask(llm).output["generations"][0].startswith("INPUT: TEXT 0")
    assert llm.calls == 6


def test_a_changed_parser_reuses_the_answers(run: Run) -> None:
    llm = FakeLLM(upper)
    run(lambda: ask(llm))
    step = run(lambda: ask(llm, post_process=lambda answer: len(answer)))
    assert llm.calls == 6
    assert step.output["generations"][0] == len("Input: text 0\n\nInstruction: Say it.")


def test_draws_of_one_prompt_differ_and_are_the_same_draws_again(run: Run) -> None:
    llm = FakeLLM([f"draw {number}" for number in range(10)])

    def workflow(name: str) -> list[str]:
        return list(DataFromPrompt(name, llm=llm, n=4, instruction="Anything").output["generations"])

    assert run(lambda: workflow("Draw")) == ["draw 0", "draw 1", "draw 2", "draw 3"]
    assert run(lambda: workflow("Draw")) == ["draw 0", "draw 1", "draw 2", "draw 3"]
    assert llm.calls == 4


def test_more_draws_ask_only_for_the_new_ones(run: Run) -> None:
    llm = FakeLLM([f"draw {number}" for number in range(10)])
    run(lambda: DataFromPrompt("Draw", llm=llm, n=4, instruction="Anything"))
    step = run(lambda: DataFromPrompt("Draw", llm=llm, n=6, instruction="Anything"))
    assert llm.calls == 6
    assert list(step.output["generations"])[3:] == ["draw 3", "draw 4", "draw 5"]


def test_a_revert_brings_the_old_result_back(run: Run) -> None:
    llm = FakeLLM(upper)
    run(lambda: ask(llm))
    run(lambda: ask(llm, instruction="Something else."))
    step = run(lambda: ask(llm))
    assert llm.calls == 12
    assert step.output["generations"][0].endswith("SAY IT.")


def test_a_changed_cell_of_a_file_reruns_and_a_renamed_file_does_not(run: Run, tmp_path: Path) -> None:
    llm = FakeLLM(upper)

    def workflow(file: str, sep: str = ",") -> Any:
        rows = CSVDataSource("Rows", data_files=str(tmp_path / file), sep=sep)
        return Prompt("Ask", inputs={"prompts": rows.output["text"]}, args={"llm": llm})

    (tmp_path / "a.csv").write_text("text,n\nhello,1\nworld,2\n")
    run(lambda: workflow("a.csv"))
    (tmp_path / "a.csv").rename(tmp_path / "b.csv")
    run(lambda: workflow("b.csv"))
    assert llm.calls == 2
    (tmp_path / "b.csv").write_text("text,n\nhello,1\nmoon,2\n")
    run(lambda: workflow("b.csv"))
    assert llm.calls == 3
    (tmp_path / "b.csv").write_text("text;n\nhello;1\nmoon;2\n")
    run(lambda: workflow("b.csv", sep=";"))
    assert llm.calls == 3  # the same rows in another file format: early cut-off


def test_an_upstream_change_with_equal_rows_is_cut_off(run: Run) -> None:
    llm = FakeLLM(upper)

    def workflow(make: Callable[[Any], Any]) -> Any:
        rows = DataSource("Rows", {"n": [1, 2, 3]}).map(make, lazy=False)
        return Prompt("Ask", inputs={"prompts": rows.output["text"]}, args={"llm": llm})

    run(lambda: workflow(lambda row: {"text": str(row["n"] * 2)}))
    run(lambda: workflow(lambda row: {"text": str(row["n"] + row["n"])}))
    assert llm.calls == 3


MODULE = """
from datadreamer.steps import Step, Column, output
import helper

FACTOR = 2

class Scale(Step):
    '''Scale.'''
    n: Column[int]
    by: int = 1
    scaled: int = output()

    def process(self, n):
        return {"scaled": helper.scale(n, FACTOR) * self.by}
"""
HELPER = """
def scale(value, factor):
    return value * factor
"""


def load(folder: Path, **texts: str) -> ModuleType:
    """Import the user's modules from a folder, as a fresh process would."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
    module = None
    for name in texts:
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    assert module is not None
    return module


@pytest.mark.parametrize(
    ("helper", "steps", "again"),
    [
        (HELPER, MODULE, False),
        (HELPER, MODULE.replace("'''Scale.'''", "'''Another text.'''  # and a comment"), False),
        (HELPER.replace("value * factor", "(value *\n        factor)"), MODULE, False),
        (HELPER.replace("value * factor", "value * factor + 1"), MODULE, True),
        (HELPER, MODULE.replace("FACTOR = 2", "FACTOR = 3"), True),
        (HELPER, MODULE.replace("* self.by", "* self.by * 1"), True),
    ],
    ids=["nothing", "docstring", "formatting", "helper module", "global", "process()"],
)
def test_code_of_a_custom_step(tmp_path: Path, run: Run, helper: str, steps: str, again: bool) -> None:
    states = []

    def workflow(module: ModuleType) -> Any:
        numbers = DataSource("Numbers", {"n": [1, 2, 3]})
        return module.Scale("Scale", n=numbers["n"])

    for number, (helper_text, text) in enumerate([(HELPER, MODULE), (helper, steps)]):
        module = load(tmp_path / f"code{number}", helper=helper_text, steps=text)
        run(lambda module=module: workflow(module))
        record = tmp_path / "output" / "scale" / "step.json"
        states.append((record.stat().st_ino, record.read_text()))
    assert (states[0][0] != states[1][0]) == again


def test_a_field_counts_and_a_runtime_field_does_not(run: Run) -> None:
    from datadreamer.steps import runtime

    made = []

    class Count(Step):
        """Count."""

        n: Column[int]
        by: int = 1
        speed: int = runtime(default=1)
        counted: int = output()

        def process(self, n: int) -> dict[str, int]:
            return {"counted": n + self.by}

    def workflow(**fields: Any) -> str:
        step = Count("Count", n=DataSource("Numbers", {"n": [1, 2]})["n"], **fields)
        made.append(step.fingerprint)
        return step.fingerprint

    same, slow, other = run(workflow), run(lambda: workflow(speed=9)), run(lambda: workflow(by=2))
    assert same == slow != other


MODEL = """
from datadreamer.llms import LLM
from datadreamer.llms import Generation

calls = []

class Echo(LLM):
    '''A model of the user's own.'''

    model_name = "echo"

    def _answer_batch(self, requests):
        calls.extend(requests)
        return [Generation(text="SIGN" + request.prompt) for request in requests]
"""


def test_a_model_of_the_users_own_counts_by_its_code(tmp_path: Path, run: Run) -> None:
    asked = []
    for number, sign in enumerate(["<", "<", ">"]):
        module = load(tmp_path / f"model{number}", echo_model=MODEL.replace("SIGN", sign))
        run(lambda module=module: ask(module.Echo()))
        asked.append(len(module.calls))
    assert asked == [6, 0, 6]
