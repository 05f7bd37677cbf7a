"""Cells: a session between start() and stop(), steps that are made again by running a cell again."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.llms import FakeLLM

FIRST = """
from datadreamer import DataDreamer
from datadreamer.steps import Column, DataSource, Prompt, Step, concat, output
session = DataDreamer(FOLDER).start()
"""
NUMBERS = "numbers = DataSource('Numbers', {'n': [1, 2, 3]})"
ADD = """
def add(row):
    # one of the cell's own
    return {"text": str(row["n"] + BY)}

texts = numbers.map(add, lazy=False, name="Texts")
"""
ASK = "asked = Prompt('Ask', inputs={'prompts': texts.output['text']}, args={'llm': llm})"
STEP = """
class Double(Step):
    '''Twice the number.'''
    n: Column[int]
    twice: int = output()

    def process(self, n):
        return {"twice": n * TIMES}

double = Double("Double", n=numbers["n"])
"""


class Notebook:
    """Runs cells as IPython does: compiled under a name of their own, their source put where `inspect` looks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.llm = FakeLLM(str.upper)
        self.restart()

    def restart(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__", "FOLDER": str(self.folder), "llm": self.llm}

    def cell(self, source: str) -> dict[str, Any]:
        self.count += 1
        name = f"<ipython-input-{self.count}-{abs(hash(source)):x}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), self.names)
        return self.names


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    made = Notebook(tmp_path / "output")
    yield made
    session = made.names.get("session")
    if session is not None:
        session.stop()


def labels(notebook: Notebook) -> set[str]:
    return {path.parent.name for path in notebook.folder.glob("*/step.json")}


def test_the_same_cell_again_is_the_same_step(notebook: Notebook) -> None:
    for cell in (FIRST, NUMBERS, ADD.replace("BY", "1"), ASK) * 2:
        names = notebook.cell(cell)
    assert notebook.llm.calls == 3 and labels(notebook) == {"numbers", "texts", "ask"}
    assert names["asked"].name == "Ask"


def test_a_restarted_kernel_finds_everything_finished(notebook: Notebook) -> None:
    cells = (FIRST, NUMBERS, ADD.replace("BY", "1"), ASK, "session.stop()")
    for cell in cells:
        notebook.cell(cell)
    notebook.restart()
    for cell in cells:
        names = notebook.cell(cell)
    assert notebook.llm.calls == 3 and list(names["asked"].output["generations"]) == ["2", "3", "4"]


def test_a_changed_cell_replaces_its_result_and_a_revert_computes_nothing(notebook: Notebook) -> None:
    for cell in (FIRST, NUMBERS, ADD.replace("BY", "1"), ASK):
        names = notebook.cell(cell)
    before = names["texts"], names["asked"]
    notebook.cell(ADD.replace("BY", "10"))
    names = notebook.cell(ASK)
    assert list(names["asked"].output["generations"]) == ["11", "12", "13"] and notebook.llm.calls == 6
    assert labels(notebook) == {"numbers", "texts", "ask"}
    # who still holds the replaced steps sees their rows, not the new ones
    assert [list(step.output[name]) for step, name in zip(before, ("text", "generations"), strict=True)] == [
        ["2", "3", "4"],
        ["2", "3", "4"],
    ]
    notebook.cell(ADD.replace("BY", "1").replace("# one of the cell's own", "# back again"))
    names = notebook.cell(ASK)
    assert list(names["asked"].output["generations"]) == ["2", "3", "4"] and notebook.llm.calls == 6


def test_replaced_steps_that_nobody_had_read_keep_their_rows(notebook: Notebook) -> None:
    notebook.cell(FIRST)
    notebook.cell(NUMBERS)
    old = notebook.cell(STEP.replace("TIMES", "2"))["double"]
    path = old.dataset_path
    new = notebook.cell(STEP.replace("TIMES", "3"))["double"]
    assert list(old["twice"]) == [2, 4, 6] and list(new["twice"]) == [3, 6, 9]
    assert old.dataset_path != path == new.dataset_path and Path(old.dataset_path).is_dir()


def test_a_class_of_a_cell_counts_by_its_code(notebook: Notebook) -> None:
    notebook.cell(FIRST)
    notebook.cell(NUMBERS)
    inodes = []
    for times in ("2", "(2)", "3"):
        names = notebook.cell(STEP.replace("TIMES", times))
        inodes.append((notebook.folder / "double" / "step.json").stat().st_ino)
    assert inodes[0] == inodes[1] != inodes[2]
    assert list(names["double"]["twice"]) == [3, 6, 9]


def test_a_step_whose_cell_failed_can_be_made_again(notebook: Notebook) -> None:
    notebook.cell(FIRST)
    notebook.cell(NUMBERS)
    with pytest.raises(Exception, match="division"):
        notebook.cell("half = numbers.map(lambda row: {'h': 1 / 0}, lazy=False, name='Half')")
    names = notebook.cell("half = numbers.map(lambda row: {'h': row['n'] / 2}, lazy=False, name='Half')")
    assert names["half"].name == "Half" and list(names["half"].output["h"]) == [0.5, 1.0, 1.5]


def test_stop_writes_the_record_and_a_new_session_goes_on(notebook: Notebook) -> None:
    for cell in (FIRST, NUMBERS, "session.stop()"):
        notebook.cell(cell)
    assert (notebook.folder / "datadreamer.json").exists() and not DataDreamer.initialized()
    for cell in (FIRST, NUMBERS, ADD.replace("BY", "1")):
        notebook.cell(cell)
    assert labels(notebook) == {"numbers", "texts"}
