"""Steps that make steps: names, folders, what a rerun finds, and who may not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datadreamer.cards import read_step
from datadreamer.errors import StepError
from datadreamer.llms import FakeLLM
from datadreamer.steps import Column, DataSource, Prompt, Step, SuperStep, concat, output

Run = Callable[..., Any]
RUNS: list[str] = []


class Collect(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        RUNS.append(record.getMessage())


logging.getLogger("ran").addHandler(Collect())


def ran(name: str) -> None:
    """Note that a step ran. Not in a global that the step itself refers to: its content would count as code."""
    logging.getLogger("ran").warning(name)


class Double(Step):
    """Double a number."""

    n: Column[int]
    twice: int = output()

    def run(self) -> Any:
        ran(self.name)
        return [n * 2 for n in self.n]


class Quadruple(SuperStep):
    """Double twice."""

    n: Column[int]
    four: int = output()

    def run(self) -> Any:
        ran(self.name)
        first = Double("Double", n=self.n)
        second = Double("Double", n=first["twice"])
        return second.output["twice"]


def quadruple(name: str = "Quadruple") -> Any:
    RUNS.clear()
    return Quadruple(name, n=DataSource("Numbers", {"n": [1, 2, 3]})["n"])


def test_children_are_named_after_their_parent_and_kept_in_its_folder(run: Run, tmp_path: Path) -> None:
    step = run(quadruple)
    assert list(step.output["four"]) == [4, 8, 12]
    assert RUNS == ["Quadruple", "Quadruple / Double", "Quadruple / Double #2"]
    folder = tmp_path / "output" / "quadruple"
    assert read_step(folder / "step.json").name == "Quadruple"
    for label, name in (("double", "Quadruple / Double"), ("double-2", "Quadruple / Double #2")):
        record = read_step(folder / label / "step.json")
        assert record.name == name and record.inside == "Quadruple" and record.label == f"quadruple/{label}"


def test_a_rerun_finds_everything_finished(run: Run) -> None:
    run(quadruple)
    step = run(quadruple)
    assert RUNS == []
    assert list(step.output["four"]) == [4, 8, 12]


def test_a_renamed_parent_is_found_finished_with_its_children_unharmed(run: Run, tmp_path: Path) -> None:
    run(quadruple)
    step = run(lambda: quadruple("Times four"))
    assert RUNS == [] and list(step.output["four"]) == [4, 8, 12]
    assert (tmp_path / "output" / "quadruple" / "double" / "step.json").exists()


class Flaky(SuperStep):
    """A child that works, then one that fails."""

    fails: bool
    out: int = output()

    def run(self) -> Any:
        ran("parent")
        first = Double("Double", n=DataSource("Inner numbers", {"n": [1]})["n"])
        assert not self.fails, "not yet"
        return first["twice"]


def test_children_finished_before_a_failure_are_not_made_again(run: Run) -> None:
    RUNS.clear()
    with pytest.raises(AssertionError, match="not yet"):
        run(lambda: Flaky("Flaky", fails=True))
    assert RUNS == ["parent", "Flaky / Double"]
    step = run(lambda: Flaky("Flaky", fails=False))
    assert RUNS == ["parent", "Flaky / Double", "parent"]
    assert list(step.output["out"]) == [2]


def test_a_changed_parent_keeps_its_children(run: Run, tmp_path: Path) -> None:
    class Scaled(SuperStep):
        by: int
        out: int = output()

        def run(self) -> Any:
            inner = Double("Double", n=DataSource("N", {"n": [1, 2]})["n"])
            return [n * self.by for n in inner["twice"]]

    assert list(run(lambda: Scaled("S", by=3)).output["out"]) == [6, 12]
    RUNS.clear()
    assert list(run(lambda: Scaled("S", by=5)).output["out"]) == [10, 20]
    assert RUNS == []
    assert list(run(lambda: Scaled("S", by=3)).output["out"]) == [6, 12]
    assert (tmp_path / "output" / "s" / "double" / "_dataset").is_dir()


def test_operations_and_prompts_work_inside(run: Run) -> None:
    llm = FakeLLM(str.upper)

    class Asks(SuperStep):
        text: Column[str]
        answer: str = output()

        def run(self) -> Any:
            asked = Prompt("Ask", prompts=self.text, llm=llm)
            self.register_data_card("Note", "made inside")
            both = concat(asked.take(1), asked.skip(1).map(lambda row: {"generations": row["generations"] + "!"}))
            return both.output["generations"]

    def workflow() -> Any:
        return Asks("Asks", text=DataSource("T", {"text": ["a", "b"]})["text"])

    assert list(run(workflow).output["answer"]) == ["A", "B!"]
    assert list(run(workflow).output["answer"]) == ["A", "B!"]
    assert llm.calls == 2


def test_super_steps_nest(run: Run, tmp_path: Path) -> None:
    class Outer(SuperStep):
        out: int = output()

        def run(self) -> Any:
            return Quadruple("Middle", n=DataSource("N", {"n": [5]})["n"])["four"]

    step = run(lambda: Outer("Outer"))
    assert list(step.output["out"]) == [20]
    assert (tmp_path / "output/outer/middle/double-2/step.json").exists()
    RUNS.clear()
    run(lambda: Outer("Outer"))
    assert RUNS == []


def test_a_plain_step_may_not_make_steps(run: Run) -> None:
    class Plain(Step):
        out: int = output()

        def run(self) -> Any:
            return DataSource("Inner", {"n": [1]})["n"]

    with pytest.raises(RuntimeError, match=r"'Inner' was made inside run\(\) of 'Plain', which is not a SuperStep"):
        run(lambda: Plain("Plain"))


def test_a_generator_of_a_super_step_may_make_steps_between_rows(run: Run) -> None:
    class Lazy(SuperStep):
        out: int = output()

        def run(self) -> Any:
            for n in (1, 2):
                yield from ({"out": m} for m in Double("Double", n=DataSource(f"N{n}", {"n": [n]})["n"])["twice"])

    assert list(run(lambda: Lazy("L")).output["out"]) == [2, 4]


def test_a_super_step_in_the_background(run: Run) -> None:
    from datadreamer.steps import wait

    def workflow() -> list[int]:
        RUNS.clear()
        step = Quadruple("Q", n=DataSource("N", {"n": [1]})["n"], background=True)
        wait(step)
        assert step.background
        return list(step["four"])

    assert run(workflow) == [4]
    assert RUNS == ["Q", "Q / Double", "Q / Double #2"]


def test_force_makes_the_parent_again_from_finished_children(run: Run) -> None:
    run(quadruple)
    RUNS.clear()
    run(lambda: Quadruple("Quadruple", n=DataSource("Numbers", {"n": [1, 2, 3]})["n"], force=True))
    assert RUNS == ["Quadruple"]


def test_a_process_that_makes_steps_is_refused_by_name(run: Run) -> None:
    class Rowwise(Step):
        n: Column[int]
        out: int = output()

        def process(self, n: int) -> dict[str, Any]:
            return {"out": DataSource("Inner", {"n": [n]})["n"][0]}

    with pytest.raises((StepError, RuntimeError), match="not a SuperStep"):
        run(lambda: Rowwise("R", n=DataSource("N", {"n": [1]})["n"]))


def test_children_of_two_parents_do_not_get_in_each_others_way(run: Run, tmp_path: Path) -> None:
    def workflow() -> Any:
        return [Quadruple(name, n=DataSource(f"Of {name}", {"n": [n]})["n"]) for name, n in (("A", 1), ("B", 2))]

    a, b = run(workflow)
    assert [a.name, b.name] == ["A", "B"]
    for parent in "AB":
        record = read_step(tmp_path / "output" / parent.lower() / "double-2" / "step.json")
        assert record.name == f"{parent} / Double #2"
    assert list(a.output["four"]) == [4] and list(b.output["four"]) == [8]
