"""Rows that fail are kept with their reason, are never an answer, and are tried again when asked to be."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from datadreamer import DataDreamer, runs
from datadreamer.cards import read_step
from datadreamer.cli import main as command
from datadreamer.errors import ModelError, SessionError, TooManyFailuresError
from datadreamer.ledger import Ledger
from datadreamer.llms import FakeLLM
from datadreamer.steps import (
    Column,
    CSVDataSource,
    DataSource,
    JSONDataSource,
    LazyRows,
    ParquetDataSource,
    Prompt,
    Step,
    output,
)

TEXTS = [f"text {number}" for number in range(10)]


def broken(*numbers: int) -> Callable[[str], ModelError | None]:
    return lambda prompt: ModelError("it is out of order") if int(prompt.split()[-1]) in numbers else None


class Model:
    """A model that fails for some prompts until it is mended."""

    def __init__(self) -> None:
        self.llm = FakeLLM(str.upper, fail=broken(2, 5))

    def mend(self) -> None:
        self.llm._fail = None


def ask(llm: FakeLLM, **given: Any) -> Prompt:
    texts = DataSource("Texts", {"text": TEXTS})
    return Prompt("Ask", inputs={"prompts": texts.output["text"]}, args={"llm": llm}, **given)


def answers(folder: Path, llm: FakeLLM, session: dict[str, Any] | None = None, **given: Any) -> list[str]:
    with DataDreamer(folder, **(session or {})):
        return list(ask(llm, **given).output["generations"])


KEPT = [f"TEXT {number}" for number in range(10) if number not in (2, 5)]
ALL = [f"TEXT {number}" for number in range(10)]


@pytest.mark.parametrize("how", [{"session": {"retry_failed": True}}, {"retry_failed": True}], ids=["session", "step"])
def test_only_failed_rows_are_asked_again(tmp_path: Path, how: dict[str, Any]) -> None:
    model = Model()
    assert answers(tmp_path, model.llm) == KEPT and model.llm.calls == 10
    assert answers(tmp_path, model.llm) == KEPT and model.llm.calls == 10  # finished: failures stay until told
    assert answers(tmp_path, model.llm, **how) == KEPT and model.llm.calls == 12  # asked again, in vain
    assert [row.row for row in runs.lost_rows(tmp_path, "Ask")] == [2, 5]
    model.mend()
    assert answers(tmp_path, model.llm, **how) == ALL and model.llm.calls == 14
    assert runs.lost_rows(tmp_path, "Ask") == [] and read_step(tmp_path / "ask").rows.lost == 0
    assert answers(tmp_path, model.llm, **how) == ALL and model.llm.calls == 14  # nothing failed: nothing to retry


def test_a_loss_has_reason_attempts_tokens_and_the_key_of_its_call(tmp_path: Path) -> None:
    answers(tmp_path, Model().llm)
    with Ledger.open(tmp_path / "ledger.sqlite", readonly=True) as ledger:
        losses = list(ledger.losses(read_step(tmp_path / "ask").key))
        assert ledger.count_calls() == 8  # no failure is an answer
    assert [loss.row for loss in losses] == [2, 5]
    assert losses[0].reason == "error" and "out of order" in losses[0].message
    assert losses[0].request_key.startswith("ddr1:")
    assert {"attempts", "input_tokens", "output_tokens"} <= set(losses[0].data)


def test_losses_can_be_read_as_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers(tmp_path, Model().llm)
    with DataDreamer(tmp_path):
        found = DataSource("Lost", [msgspec.to_builtins(row) for row in runs.lost_rows(tmp_path)])
        assert list(found.output["row"]) == [2, 5]
    capsys.readouterr()
    assert command(["losses", str(tmp_path)]) == 0
    assert "out of order" in capsys.readouterr().out


def test_lost_rows_are_a_dataset_with_their_inputs(tmp_path: Path) -> None:
    with DataDreamer(tmp_path):
        step = ask(Model().llm)
        lost = step.lost_rows()
        assert lost.column_names[:3] == ["row", "reason", "message"] and "out of order" in lost[0]["message"]
        assert list(lost["prompts"]) == ["text 2", "text 5"] and list(lost["row"]) == [2, 5]
        assert all(cell is not None for name in ("attempts", "input_tokens", "output_tokens") for cell in lost[name])
        other = FakeLLM(str.title)
        again = Prompt("Ask another", inputs={"prompts": lost["prompts"]}, args={"llm": other})
        assert list(again.output["generations"]) == ["Text 2", "Text 5"]
        assert again.lost_rows().num_rows == 0 and "prompts" in again.lost_rows().column_names
    with DataDreamer(tmp_path):
        found = ask(Model().llm)
        assert found.lost_rows().to_list() == lost.to_list()  # of a step that was found finished as well
    with pytest.raises(SessionError, match="lost_rows"):
        found.lost_rows()


def test_lost_rows_are_read_from_the_folder_with_their_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(tmp_path / "output", Model().llm)
    assert list(runs.lost_dataset(tmp_path / "output", "Ask").values("prompts")) == ["text 2", "text 5"]
    for kind in ("parquet", "csv", "json"):
        file = str(tmp_path / f"lost.{kind}")
        assert command(["losses", str(tmp_path / "output"), "Ask", "--export", file]) == 0
        assert "2 lost rows of 'Ask' written" in capsys.readouterr().out
        with DataDreamer(":memory:"):
            source = {"parquet": ParquetDataSource, "csv": CSVDataSource, "json": JSONDataSource}[kind]
            assert list(source("Lost", data_files=file).output["prompts"]) == ["text 2", "text 5"]
    assert command(["losses", str(tmp_path / "output"), "--export", "lost.csv"]) == 1
    assert "name of a step" in capsys.readouterr().err
    assert command(["losses", str(tmp_path / "output"), "Ask", "--export", "lost.xls"]) == 1
    assert ".parquet, .csv" in capsys.readouterr().err


class Row(Step):
    """Fails, and has an input that is called like a column of lost rows."""

    row: Column[int]
    back: int = output()

    def process(self, row: int) -> int:
        if row != 3:
            raise ValueError(row)
        return row


def test_lost_rows_of_lazy_inputs(tmp_path: Path) -> None:
    with DataDreamer(tmp_path):
        numbers = DataSource("Numbers", LazyRows(lambda: ({"n": n} for n in range(2, 6))))
        lost = Row("Back", row=numbers["n"]).lost_rows()
        assert (list(lost["row"]), list(lost["input_row"])) == ([0, 2, 3], [2, 4, 5])


class Careful(Step):
    """Fails where it is told to, drops every fourth row, and makes two of every third."""

    __datadreamer_version__ = "1"  # what it reads from this file does not count

    n: Column[int]
    m: int = output()

    def process(self, n: int) -> Any:
        asked.append(n)
        if n in failing:
            raise ValueError(f"{n} does not work today")
        return None if n % 4 == 0 else [{"m": n}] * (2 if n % 3 == 0 else 1)


asked: list[int] = []
failing: set[int] = set()


def careful(folder: Path, numbers: Any, **given: Any) -> list[int]:
    asked.clear()
    with DataDreamer(folder):
        return list(Careful("Careful", n=numbers()["n"], **given)["m"])


def stored() -> Any:
    return DataSource("Numbers", {"n": list(range(20))})


def lazy() -> Any:
    return DataSource("Numbers", LazyRows(lambda: ({"n": n} for n in range(20))))


EXPECTED = [n for n in range(20) if n % 4 for _ in range(2 if n % 3 == 0 else 1)]


@pytest.mark.parametrize("numbers", [stored, lazy], ids=["stored input", "lazy input"])
@pytest.mark.parametrize("lost", [{0}, {19}, {3, 4, 7}, {1, 2, 3, 16, 17, 18, 19}], ids=str)
def test_a_step_with_process_tries_its_failed_rows_alone(tmp_path: Path, numbers: Any, lost: set[int]) -> None:
    failing.clear()
    failing.update(lost)
    kept = [n for n in EXPECTED if n not in lost]
    assert careful(tmp_path, numbers) == kept and asked == list(range(20))
    failing.discard(min(lost))
    kept = [n for n in EXPECTED if n not in failing]
    assert careful(tmp_path, numbers, retry_failed=True) == kept and asked == sorted(lost)
    failing.clear()
    assert careful(tmp_path, numbers, retry_failed=True) == EXPECTED and asked == sorted(lost - {min(lost)})
    rows = read_step(tmp_path / "careful").rows
    assert (rows.input, rows.output, rows.lost, rows.filtered, rows.expanded) == (20, len(EXPECTED), 0, 5, 5)
    lineage = runs.rows_of(tmp_path, "Careful").lineage()
    assert lineage is not None
    assert lineage.column("parents").to_pylist() == EXPECTED


def test_a_retry_that_stops_leaves_the_result_and_its_losses(tmp_path: Path) -> None:
    failing.clear()
    failing.update({3, 7})
    kept = careful(tmp_path, stored)
    with pytest.raises(TooManyFailuresError):
        careful(tmp_path, stored, retry_failed=True, max_failures=1)
    assert careful(tmp_path, stored) == kept and asked == []
    assert [row.row for row in runs.lost_rows(tmp_path, "Careful")] == [3, 7]


def test_max_failures_holds_for_every_step(tmp_path: Path) -> None:
    failing.clear()
    failing.update({3, 7, 9})
    with pytest.raises(TooManyFailuresError, match=r"3 rows failed, and max_failures is 2 \(ValueError: 3\)"):
        careful(tmp_path / "number", stored, max_failures=2)
    with pytest.raises(TooManyFailuresError, match=r"max_failures is 0\.1"):
        careful(tmp_path / "share", stored, max_failures=0.1)
    assert len(careful(tmp_path / "enough", stored, max_failures=0.15)) == len(
        [n for n in EXPECTED if n not in failing]
    )
    assert careful(tmp_path / "args", stored, args={"max_failures": 3}) == [n for n in EXPECTED if n not in failing]


def test_what_was_stopped_goes_on_where_it_stopped(tmp_path: Path) -> None:
    model = Model()
    with pytest.raises(TooManyFailuresError):
        answers(tmp_path, model.llm, max_failures=1)
    model.mend()
    calls = model.llm.calls
    assert answers(tmp_path, model.llm, max_failures=1) == ALL
    assert model.llm.calls <= calls + 10 - 2


def test_a_change_of_policy_changes_no_result(tmp_path: Path) -> None:
    model = Model()
    answers(tmp_path, model.llm)
    assert answers(tmp_path, model.llm, max_failures=5) == KEPT and model.llm.calls == 10


stopped_at: set[int] = set()


class Slow(Careful):
    """Takes so long that parts are written, and stops where it is told to."""

    __datadreamer_version__ = "1"

    def process(self, n: int) -> Any:
        time.sleep(0.01)
        if n in stopped_at:
            raise KeyboardInterrupt
        return super().process(n)


def slow(folder: Path, **given: Any) -> list[int]:
    asked.clear()
    with DataDreamer(folder):
        numbers = DataSource("Numbers", {"n": list(range(300))})
        return list(Slow("Slow", n=numbers["n"], **given)["m"])


def stopped_after_losses(folder: Path, **given: Any) -> None:
    failing.clear()
    failing.update({5, 7})
    stopped_at.add(290)
    with pytest.raises(KeyboardInterrupt):
        slow(folder, **given)
    failing.clear()
    stopped_at.clear()


ALL_SLOW = [n for n in range(300) if n % 4 for _ in range(2 if n % 3 == 0 else 1)]


def test_rows_that_failed_before_the_step_was_stopped_are_tried_again_when_it_has_ended(tmp_path: Path) -> None:
    stopped_after_losses(tmp_path)
    assert slow(tmp_path, retry_failed=True) == ALL_SLOW
    assert asked[-2:] == [5, 7] and 50 < asked[0] < 290 and len(asked) < 250, "it goes on behind, then tries again"
    assert read_step(tmp_path / "slow").rows.lost == 0 and runs.lost_rows(tmp_path) == []


def test_a_step_that_had_lost_too_many_rows_starts_over_once_they_are_mended(tmp_path: Path) -> None:
    stopped_after_losses(tmp_path, max_failures=2)
    assert slow(tmp_path, max_failures=1) == ALL_SLOW and asked[0] == 0
