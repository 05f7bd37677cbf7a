"""Rows in + expanded = rows out + filtered + failed, with the right numbers, for every kind of step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.cards import read_step
from datadreamer.errors import ModelError
from datadreamer.llms import FakeLLM
from datadreamer.steps import (
    Column,
    DataFromAttributedPrompt,
    DataFromPrompt,
    DataSource,
    FilterWithPrompt,
    LazyRows,
    ProcessWithPrompt,
    Prompt,
    Step,
    concat,
    output,
)

TEXTS = [f"text {number}" for number in range(12)]
FAILING = {"text 3", "text 8"}


def model(answer: Any = "an answer") -> FakeLLM:
    def fail(prompt: str) -> ModelError | None:
        return ModelError("no") if any(f"{text}\n" in f"{prompt}\n" for text in FAILING) else None

    return FakeLLM(answer, fail=fail)


def texts() -> Any:
    return DataSource("Texts", {"text": TEXTS, "n": list(range(12)), "many": [["x"] * (n % 3) for n in range(12)]})


class Rowwise(Step):
    """Fails, drops and doubles."""

    n: Column[int]
    m: int = output()

    def process(self, n: int) -> Any:
        if n % 5 == 4:
            raise ValueError("no")
        return None if n % 4 == 0 else [{"m": n}] * (2 if n % 3 == 0 else 1)


class Awaited(Rowwise):
    """The same, awaited."""

    async def process(self, n: int) -> Any:  # type: ignore[override]
        return Rowwise.process(self, n)


class Whole(Step):
    """A custom run()."""

    n: Column[int]
    m: int = output()

    def run(self) -> Any:
        for n in list(self.n)[:7]:
            yield {"m": n}


def yes_or_no(prompt: str) -> str:
    return "yes" if int(prompt.split("text ")[1].split()[0]) % 2 else "no"


# name to the step, and (input, output, filtered, lost, expanded)
STEPS: dict[str, tuple[Callable[[], Any], tuple[int, int, int, int, int]]] = {
    "source": (lambda: DataSource("S", {"n": [1, 2]}), (0, 2, 0, 0, 2)),
    "lazy source": (lambda: DataSource("S", LazyRows(lambda: iter([{"n": 1}])), save=True), (0, 1, 0, 0, 1)),
    "process()": (lambda: Rowwise("S", n=texts()["n"]), (12, 10, 2, 2, 2)),
    "async process()": (lambda: Awaited("S", n=texts()["n"]), (12, 10, 2, 2, 2)),
    "process() on lazy rows": (
        lambda: Rowwise("S", n=texts().map(lambda row: row, lazy=True)["n"]),
        (12, 10, 2, 2, 2),
    ),
    "run()": (lambda: Whole("S", n=texts()["n"]), (12, 7, 5, 0, 0)),
    "Prompt": (
        lambda: Prompt("S", inputs={"prompts": texts().output["text"]}, args={"llm": model()}),
        (12, 10, 0, 2, 0),
    ),
    "Prompt, a parser that fails": (
        lambda: Prompt(
            "S",
            inputs={"prompts": texts().output["text"]},
            args={"llm": model(str.upper), "post_process": lambda text: 1 / (int(text.split()[1]) - 5)},
        ),
        (12, 9, 0, 3, 0),
    ),
    "ProcessWithPrompt": (
        lambda: ProcessWithPrompt(
            "S", inputs={"inputs": texts().output["text"]}, args={"llm": model(), "instruction": "Go."}
        ),
        (12, 10, 0, 2, 0),
    ),
    "FilterWithPrompt": (
        lambda: FilterWithPrompt(
            "S", inputs={"inputs": texts().output["text"]}, args={"llm": model(yes_or_no), "instruction": "Odd?"}
        ),
        (12, 5, 5, 2, 0),
    ),
    "DataFromPrompt": (
        lambda: DataFromPrompt("S", args={"llm": model(), "n": 5, "instruction": "Go."}),
        (0, 5, 0, 0, 5),
    ),
    "DataFromPrompt, failing": (
        lambda: DataFromAttributedPrompt(
            "S", args={"llm": model(), "n": 4, "instruction": "Write {t}", "attributes": {"t": ["text 3", "text 4"]}}
        ),
        (0, 2, 0, 2, 4),
    ),
    "filter": (lambda: texts().filter(lambda row: row["n"] < 5, lazy=False, name="S"), (12, 5, 7, 0, 0)),
    "map": (lambda: texts().map(lambda row: {"n": row["n"]}, lazy=False, name="S"), (12, 12, 0, 0, 0)),
    "map to more": (
        lambda: texts().map(
            lambda rows: {"k": rows["n"] * 2}, batched=True, remove_columns=["text", "n", "many"], lazy=False, name="S"
        ),
        (12, 24, 0, 0, 12),
    ),
    "sort": (lambda: texts().sort("n", reverse=True, name="S"), (12, 12, 0, 0, 0)),
    "shuffle": (lambda: texts().shuffle(seed=1, lazy=False, name="S"), (12, 12, 0, 0, 0)),
    "take": (lambda: texts().take(3, lazy=False, name="S"), (12, 3, 9, 0, 0)),
    "select": (lambda: texts().select([1, 1, 2], lazy=False, name="S"), (12, 3, 9, 0, 0)),
    "save": (lambda: texts().save(name="S"), (12, 12, 0, 0, 0)),
    "concat": (lambda: concat(texts(), texts().take(1), lazy=False, name="S"), (13, 13, 0, 0, 0)),
    "explode": (lambda: texts().explode("many", keep_empty=False, lazy=False, name="S"), (12, 12, 4, 0, 4)),
}  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), STEPS.values(), ids=STEPS)
def test_every_row_is_accounted_for(
    tmp_path: Path, make: Callable[[], Any], expected: tuple[int, int, int, int, int]
) -> None:
    with DataDreamer(tmp_path):
        step = make()
    rows = read_step(tmp_path / step.name.lower()).rows
    assert rows.balanced
    assert (rows.input, rows.output, rows.filtered, rows.lost, rows.expanded) == expected
