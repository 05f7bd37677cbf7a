"""What `run()` and `process()` may return, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import datasets
from datadreamer import DataDreamer
from datadreamer.datasets import OutputDataset, OutputIterableDataset
from datadreamer.errors import InvalidTypeError, StepOutputError, StepOutputTypeError
from datadreamer.steps import Column, DataSource, LazyRowBatches, LazyRows, Step, output


class Gives(Step):
    """Whatever a function returns, in as many columns as it is told."""

    def setup(self) -> None:
        self.register_arg("make")
        self.register_arg("columns", required=False, default=("a",))
        for name in self._given.get("columns", ("a",)):
            self.register_output(name)

    def run(self) -> Any:
        return self.args["make"]()


_made = 0


def gives(make: Callable[[], Any], columns: tuple[str, ...] = ("a",), **options: Any) -> Gives:
    global _made
    _made += 1  # a name of its own for each
    return Gives(f"Gives {_made}", args={"make": make, "columns": columns}, **options)


def rows(make: Callable[[], Any], columns: tuple[str, ...] = ("a",), **options: Any) -> list[tuple[Any, ...]]:
    step = gives(make, columns, **options)
    assert isinstance(step.output, OutputDataset)
    assert step.output.column_names == list(step.output_names)
    return [tuple(row.values()) for row in step.output]


def hf(**columns: list[Any]) -> datasets.Dataset:
    return datasets.Dataset.from_dict(columns)


def count(n: int) -> Iterator[int]:
    yield from range(n)


ONE = [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: [0, 1, 2],
        lambda: (0, 1, 2),
        lambda: range(3),
        lambda: count(3),
        lambda: iter([0, 1, 2]),
        lambda: map(int, "012"),
        lambda: np.array([0, 1, 2]),
        lambda: pd.Series([0, 1, 2]),
        lambda: ([0, 1, 2],),
        lambda: (count(3),),
        lambda: {"a": [0, 1, 2]},
        lambda: {"a": range(3)},
        lambda: {"a": count(3)},
        lambda: {"a": np.array([0, 1, 2])},
        lambda: {"a": pd.Series([0, 1, 2])},
        lambda: [{"a": 0}, {"a": 1}, {"a": 2}],
        lambda: ({"a": n} for n in count(3)),
        lambda: [(0,), (1,), (2,)],
        lambda: ((n,) for n in count(3)),
        lambda: hf(a=[0, 1, 2]),
        lambda: hf(other=[0, 1, 2]),
        lambda: hf(a=[9, 0, 1, 2]).select([1, 2, 3]),
        lambda: hf(a=[0, 1, 2])["a"],
        lambda: {"a": hf(a=[0, 1, 2])["a"]},
        lambda: pd.DataFrame({"a": [0, 1, 2]}),
        lambda: pa.table({"a": [0, 1, 2]}),
        lambda: pa.chunked_array([[0], [1, 2]]).to_pylist(),
        lambda: pa.RecordBatch.from_pydict({"a": [0, 1, 2]}),
        lambda: [pa.table({"a": [0]}), pa.table({"a": [1, 2]})],
        lambda: (part for part in [hf(a=[0]), hf(a=[1, 2])]),
        lambda: DataSource("Inner", {"a": [0, 1, 2], "b": [3, 4, 5]}).output["a"] if False else [0, 1, 2],
        lambda: LazyRows(lambda: count(3), save=True),
        lambda: LazyRows(lambda: ({"a": n} for n in range(3)), total_num_rows=3, save=True, save_writer_batch_size=2),
        lambda: LazyRows({"a": lambda: count(3)}, save=True),
        lambda: LazyRows([lambda: count(3)], save=True),
        lambda: LazyRows((lambda: count(3),), save=True),
        lambda: LazyRows(hf(a=[0, 1, 2]).to_iterable_dataset(), save=True),
        lambda: LazyRows([0, 1, 2], save=True),
        lambda: LazyRowBatches(lambda: iter([{"a": [0]}, {"a": [1, 2]}]), save=True),
        lambda: LazyRowBatches(lambda: iter([[0], [1, 2]]), save=True),
        lambda: LazyRowBatches(lambda: iter([[{"a": 0}], [{"a": 1}, {"a": 2}]]), save=True),
        lambda: LazyRowBatches(lambda: iter([pa.table({"a": [0]}), hf(a=[1, 2])]), save=True),
        lambda: LazyRowBatches({"a": lambda: iter([[0], [1, 2]])}, save=True),
        lambda: LazyRowBatches((lambda: iter([[0], [1, 2]]),), save=True),
    ],
)  # fmt: skip
def test_shapes_of_one_column(memory: DataDreamer, make: Callable[[], Any]) -> None:
    assert rows(make) == ONE
    assert rows(make, outputs={"a": "renamed"}) == ONE


TWO = [(0, "x"), (1, "y"), (2, "z")]


@pytest.mark.parametrize(
    "make",
    [
        lambda: ([0, 1, 2], ["x", "y", "z"]),
        lambda: [[0, 1, 2], ["x", "y", "z"]],
        lambda: (count(3), iter("xyz")),
        lambda: ([0, 1, 2], iter("xyz")),
        lambda: {"b": ["x", "y", "z"], "a": [0, 1, 2]},
        lambda: {"a": count(3), "b": ["x", "y", "z"]},
        lambda: {"a": np.arange(3), "b": np.array(["x", "y", "z"])},
        lambda: [{"a": 0, "b": "x"}, {"b": "y", "a": 1}, {"a": 2, "b": "z"}],
        lambda: [(0, "x"), (1, "y"), (2, "z")],
        lambda: [[0, "x"], [1, "y"], [2, "z"]],
        lambda: zip(range(3), "xyz", strict=True),
        lambda: ([n, letter] for n, letter in zip(range(3), "xyz", strict=True)),
        lambda: hf(b=["x", "y", "z"], a=[0, 1, 2]),
        lambda: (hf(a=[0, 1, 2]), hf(b=["x", "y", "z"])),
        lambda: [hf(b=["x", "y", "z"]), hf(a=[0, 1, 2])],
        lambda: (pd.DataFrame({"a": [0, 1, 2]}), hf(b=["x", "y", "z"])),
        lambda: pd.DataFrame({"a": [0, 1, 2], "b": ["x", "y", "z"]}, index=[5, 6, 7]),
        lambda: pa.table({"b": ["x", "y", "z"], "a": [0, 1, 2]}),
        lambda: LazyRows({"a": lambda: count(3), "b": lambda: iter("xyz")}, save=True),
        lambda: LazyRows((lambda: count(3), lambda: iter("xyz")), save=True),
        lambda: LazyRows([lambda: count(3), lambda: iter("xyz")], save=True),
        lambda: LazyRowBatches(lambda: iter([{"a": [0], "b": ["x"]}, {"a": [1, 2], "b": ["y", "z"]}]), save=True),
        lambda: LazyRowBatches(lambda: iter([([0, 1], ["x", "y"]), ([2], ["z"])]), save=True),
        lambda: LazyRowBatches([lambda: iter([[0], [1, 2]]), lambda: iter([["x"], ["y", "z"]])], save=True),
    ],
)  # fmt: skip
def test_shapes_of_two_columns(memory: DataDreamer, make: Callable[[], Any]) -> None:
    assert rows(make, ("a", "b")) == TWO
    assert rows(make, ("a", "b"), outputs={"a": "b", "b": "a"}) == TWO


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: None, []),
        (lambda: [], []),
        (lambda: {}, []),
        (lambda: iter(()), []),
        (lambda: hf(a=[]), []),
        (lambda: pa.table({"a": pa.array([], pa.int64())}), []),
        (lambda: "text", [("text",)]),
        (lambda: b"bytes", [(b"bytes",)]),
        (lambda: 5, [(5,)]),
        (lambda: 2.5, [(2.5,)]),
        (lambda: True, [(True,)]),
        (lambda: np.float64(2.5), [(2.5,)]),
        (lambda: np.array(7), [(7,)]),
        (lambda: {"a": 5}, [(5,)]),
        (lambda: {"a": "text"}, [("text",)]),
        (lambda: [None], [(None,)]),
        (lambda: [None, 5, None], [(None,), (5,), (None,)]),
        (lambda: [[1, 2], [3]], [([1, 2],), ([3],)]),
        (lambda: [{"a": {"deep": [1]}}], [({"deep": [1]},)]),
        (lambda: [1, 2.5], [(1.0,), (2.5,)]),
        (lambda: np.ones((2, 2)), [([1.0, 1.0],), ([1.0, 1.0],)]),
    ],
)
def test_scalars_empty_results_and_nulls(memory: DataDreamer, make: Callable[[], Any], found: list[Any]) -> None:
    assert rows(make) == found


def test_a_row_of_two_scalars(memory: DataDreamer) -> None:
    assert rows(lambda: (1, "x"), ("a", "b")) == [(1, "x")]
    assert rows(lambda: {"a": 1, "b": "x"}, ("a", "b")) == [(1, "x")]
    assert rows(lambda: [[1, 2], [3, 4]], ("a", "b")) == [(1, 2), (3, 4)]  # a square list of lists is rows


def test_no_rows_have_the_declared_columns(memory: DataDreamer) -> None:
    step = gives(lambda: None, ("a", "b"), outputs={"a": "c"})
    assert step.output.column_names == ["c", "b"] and step.output.num_rows == 0
    assert list(step.output["c"]) == []
    assert step.take(1).output.column_names == ["c", "b"]


def test_results_of_other_steps_are_returned_as_they_are(memory: DataDreamer) -> None:
    source = DataSource("Source", {"a": [0, 1, 2], "b": ["x", "y", "z"]})

    class Passes(Step):
        text: Column[str]
        how: str
        a: int = output()
        b: str = output()

        def run(self) -> Any:
            whole = self.text.step.output  # type: ignore[attr-defined]
            pair = (whole["a"], self.text)
            return {
                "dataset": whole,
                "step": self.text.step,  # type: ignore[attr-defined]
                "columns": pair,
                "list": list(pair),
                "dict": dict(zip("ab", pair, strict=True)),
                "datasets": [whole[["a"]], whole[["b"]]],
                "lazy": LazyRows(whole, save=True),
                "iterable": whole.dataset.to_iterable_dataset() and iter(whole),
            }[self.how]

    for how in ("dataset", "step", "columns", "list", "dict", "datasets", "lazy", "iterable"):
        step = Passes(f"Passes {how}", text=source.output["b"], how=how)
        assert [tuple(row.values()) for row in step.output] == TWO, how


@pytest.mark.parametrize(
    ("make", "columns", "message"),
    [
        (lambda: {"b": [1]}, ("a",), r"gave a column 'b' that it does not declare\. Known: a"),
        (lambda: {"a": [1]}, ("a", "b"), r"did not give the column 'b' \(it gave 'a'\)"),
        (lambda: [{"a": 1, "c": 2}], ("a", "b"), r"gave a column 'c' that it does not declare"),
        (lambda: [{"a": 1, "b": 2, "c": 3}], ("a", "b"), r"gave a column 'c' that it does not declare"),
        (lambda: hf(a=[1], c=[2]), ("a", "b"), r"gave a column 'c' that it does not declare"),
        (lambda: pa.table({"a": [1]}), ("a", "b"), r"did not give the column 'b'"),
        (lambda: {"a": [1, 2], "b": [1]}, ("a", "b"), r"equally long, but 'a' has 2, 'b' has 1 values"),
        (lambda: {"a": [1, 2], "b": count(1)}, ("a", "b"), r"column 'b' has fewer values than the others"),
        (lambda: ([1], [2], [3]), ("a", "b"), r"returned 3 columns, but declares 2 \('a', 'b'\)"),
        (lambda: [(1, 2, 3)], ("a", "b"), r"a row has 3 values, but 2 are declared"),
        (lambda: [1, 2], ("a", "b"), r"gave int 1, but a row has the columns 'a', 'b'"),
        (lambda: 5, ("a", "b"), r"gave int 5, but a row has the columns 'a', 'b'"),
        (lambda: {"a": [1, 2], "b": "hi"}, ("a", "b"), r"gave a single value for 'b' \('hi'\) and several for other"),
        (lambda: {"a": [1, 2], "b": 5}, ("a", "b"), r"gave a single value for 'b' \(5\)"),
        (lambda: [hf(a=[1]), hf(b=[1, 2])], ("a", "b"), r"cannot stand side by side\. Dataset 2 has 2 rows"),
        (lambda: [hf(a=[1]), hf(a=[1])], ("a", "b"), r"Two of the datasets have a column 'a'"),
        (lambda: {1, 2}, ("a",), r"returned a set, whose order differs from run to run"),
        (lambda: {"a": {1, 2}}, ("a",), r"returned a set, whose order differs"),
        (lambda: datasets.DatasetDict(train=hf(a=[1])), ("a",), r"returned a DatasetDict: return one of its splits"),
        (lambda: hf(a=[1]).to_iterable_dataset(), ("a",), r"returned an IterableDataset: wrap it as LazyRows"),
        (lambda: count, ("a",), r"wrap a generator function as LazyRows"),
        (lambda: LazyRows(lambda: iter([{"c": 1}]), save=True), ("a", "b"), r"gave a column 'c'"),
    ],
)  # fmt: skip
def test_shapes_that_are_no_rows_are_refused(
    memory: DataDreamer, make: Callable[[], Any], columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(StepOutputError, match=rf"^Step 'Gives \d+' .*{message}"):
        gives(make, columns)


def test_a_type_that_changes_is_refused_with_row_and_column(memory: DataDreamer) -> None:
    with pytest.raises(StepOutputTypeError, match=r"Row 2 of step 'Gives \d+': column 'a' holds int .*'n/a'"):
        gives(lambda: [1, None, "n/a"])
    with pytest.raises(StepOutputTypeError, match=r"Row 3000 of step .*column 'b'.*run\(\) returned"):
        gives(lambda: ({"a": n, "b": "x" if n < 3000 else 5} for n in range(5000)), ("a", "b"))
    with pytest.raises(TypeError, match="column 'a'"):
        gives(lambda: {"a": [1, "x"]})


def test_a_declared_type_is_checked_in_every_row(memory: DataDreamer) -> None:
    class Score(Step):
        text: Column[str]
        score: float = output()

        def process(self, text: str) -> dict[str, Any]:
            return {"score": {"i": 3, "f": 2.5, "n": None}.get(text, text)}

    def score(*texts: str) -> list[Any]:
        source = DataSource("Texts", {"text": list(texts)})
        return list(Score(f"Score {texts}".replace("/", ""), text=source["text"])["score"])

    assert score("i", "f", "n") == [3.0, 2.5, None]
    assert [type(value) for value in score("i", "i")] == [float, float]
    with pytest.raises(StepOutputTypeError, match=r"Row 1 of step .*'score' is declared float.*str 'n/a'"):
        score("f", "n/a")


def test_lists_dicts_bytes_and_dates_come_back_as_they_went(memory: DataDreamer) -> None:
    from datetime import UTC, date, datetime

    cells = {
        "a": [{"x": 1, "y": ["p", None]}, {"x": 2, "y": []}, None],
        "b": [b"\x80\x04\x95", b"", None],
        "c": [date(2024, 1, 2), None, date(1900, 1, 1)],
        "d": [datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=UTC), None, datetime(1, 1, 1, tzinfo=UTC)],
        "e": ["ünïcode\n\0", "", None],
        "f": [2**63 - 1, -(2**63), None],
        "g": [[1.5, None], None, []],
    }
    step = gives(lambda: cells, tuple(cells))
    assert step.output.to_dict() == cells  # type: ignore[union-attr]


# --- process() --------------------------------------------------------------------------------------------------------


class PerRow(Step):
    """Whatever a function returns for a row."""

    n: Column[int]
    make: Any

    def setup(self) -> None:
        self.register_arg("columns", required=False, default=("a",))
        for name in self._given.get("columns", ("a",)):
            self.register_output(name)

    def process(self, n: int) -> Any:
        return self.make(n)


def per_row(make: Callable[[int], Any], columns: tuple[str, ...] = ("a",)) -> list[tuple[Any, ...]]:
    global _made
    _made += 1
    step = PerRow(
        f"Per row {_made}",
        inputs={"n": DataSource(f"N{_made}", {"n": [0, 1, 2]}).output["n"]},
        args={"make": make, "columns": columns},
    )
    return [tuple(row.values()) for row in step.output]


def several(n: int) -> Iterator[dict[str, int]]:
    for _ in range(n):
        yield {"a": n}


@pytest.mark.parametrize(
    ("make", "columns", "found"),
    [
        (lambda n: n, ("a",), ONE),
        (lambda n: {"a": n}, ("a",), ONE),
        (lambda n: (n,), ("a",), ONE),
        (lambda n: (n, "xyz"[n]), ("a", "b"), TWO),
        (lambda n: {"b": "xyz"[n], "a": n}, ("a", "b"), TWO),
        (lambda n: None if n == 1 else n, ("a",), [(0,), (2,)]),
        (lambda n: [{"a": n, "b": "x"}] * n, ("a", "b"), [(1, "x"), (2, "x"), (2, "x")]),
        (several, ("a",), [(1,), (2,), (2,)]),
        (lambda n: [n] * n, ("a",), [([],), ([1],), ([2, 2],)]),
        (lambda n: np.array([n, n]), ("a",), [([0, 0],), ([1, 1],), ([2, 2],)]),
        (lambda n: {"a": {"deep": n}}, ("a",), [({"deep": 0},), ({"deep": 1},), ({"deep": 2},)]),
        (lambda n: [(n, "x"), (n, "y")], ("a", "b"), [(n, x) for n in range(3) for x in "xy"]),
    ],
)  # fmt: skip
def test_shapes_of_process(memory: DataDreamer, make: Any, columns: tuple[str, ...], found: list[Any]) -> None:
    assert per_row(make, columns) == found


class ManyRows(Step):
    n: Column[int]
    a: int = output()

    def process(self, n: int) -> list[int]:
        return [n] * n


class ListCells(Step):
    n: Column[int]
    a: list[int] | None = output()

    def process(self, n: int) -> list[int]:
        return [n] * n


def test_a_list_is_rows_or_a_cell_as_the_column_is_declared(memory: DataDreamer) -> None:
    numbers = DataSource("N", {"n": [0, 1, 2]})["n"]
    assert list(ManyRows("A", n=numbers)["a"]) == [1, 2, 2]
    assert list(ListCells("B", n=numbers)["a"]) == [[], [1], [2, 2]]


def test_a_row_of_the_wrong_shape_stops_the_step(memory: DataDreamer) -> None:
    with pytest.raises(StepOutputError, match="gave a column 'b' that it does not declare"):
        per_row(lambda n: {"b": n})
    with pytest.raises(StepOutputError, match="a row has 2 values, but 1 are declared"):
        per_row(lambda n: (n, n))


# --- lazy rows --------------------------------------------------------------------------------------------------------


class Counted:
    """A generator function that says how often it was called."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __datadreamer_fingerprint__(self) -> str:
        return "counted"

    def __call__(self) -> Iterator[dict[str, int]]:
        with self.log.open("a") as log:
            log.write("called\n")
        return ({"a": n} for n in range(3))

    @property
    def calls(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


def test_lazy_rows_are_made_when_they_are_read_and_not_stored(run: Callable[..., Any], tmp_path: Path) -> None:
    made = Counted(tmp_path / "log")

    def workflow(**options: Any) -> Step:
        return Gives("Lazy", args={"make": lambda: LazyRows(made, **options)})

    def read() -> None:
        step = workflow(total_num_rows=3)
        assert isinstance(step.output, OutputIterableDataset)
        assert made.calls == 0 and step.output.num_rows == 3 and step.output.column_names == ["a"]
        assert [row["a"] for row in step.output] == [0, 1, 2] == list(step["a"])
        assert made.calls == 2
        assert step.head(2).to_dict("list") == {"a": [0, 1]}
        with pytest.raises(RuntimeError, match="no files of its own"):
            _ = step.dataset_path
        assert list(step.map(lambda row: {"a": row["a"] + 1}).save().output["a"]) == [1, 2, 3]

    run(read)
    assert not (tmp_path / "output" / "lazy").exists()
    assert list((tmp_path / "output" / "_work").iterdir()) == []


def test_lazy_rows_are_renamed_and_checked_as_they_are_read(memory: DataDreamer) -> None:
    step = gives(lambda: LazyRows(lambda: iter([(1, 2)])), ("a", "b"), outputs={"a": "c"})
    assert [dict(row) for row in step.output] == [{"c": 1, "b": 2}]
    wrong = gives(lambda: LazyRows(lambda: iter([{"x": 2}])), ("a", "b"))
    with pytest.raises(StepOutputError, match="gave a column 'x'"):
        list(wrong.output)
    batches = gives(lambda: LazyRowBatches(lambda: iter([{"a": [1, 2]}, hf(a=[3])])))
    assert list(batches["a"]) == [1, 2, 3]


def test_a_step_that_reads_lazy_rows_is_found_finished(run: Callable[..., Any], tmp_path: Path) -> None:
    made = Counted(tmp_path / "log")

    class Double(Step):
        n: Column[int]
        twice: int = output()

        def process(self, n: int) -> dict[str, int]:
            return {"twice": 2 * n}

    def workflow() -> list[int]:
        lazy = Gives("Lazy", args={"make": lambda: LazyRows(made, total_num_rows=3)})
        return list(Double("Double", n=lazy["a"])["twice"])

    assert run(workflow) == [0, 2, 4]
    calls = made.calls
    assert run(workflow) == [0, 2, 4]
    assert made.calls == calls
    with DataDreamer(tmp_path / "other", verbose=False):
        assert workflow() == [0, 2, 4]


def test_saved_lazy_rows_are_made_once(run: Callable[..., Any], tmp_path: Path) -> None:
    made = Counted(tmp_path / "log")

    def workflow() -> list[int]:
        step = Gives("Kept", args={"make": lambda: LazyRows(made, save=True)})
        return [*step["a"], *step["a"]]

    assert run(workflow) == run(workflow) == [0, 1, 2] * 2
    assert made.calls == 1


def test_a_generator_cannot_be_lazy_rows(memory: DataDreamer) -> None:
    for wrong in (count(3), {"a": count(3)}, [count(3)]):
        with pytest.raises(InvalidTypeError, match="takes a generator function"):
            LazyRows(wrong)
    with pytest.raises(ValueError, match="total_num_rows must be 0 or more"):
        LazyRows(lambda: count(3), total_num_rows=-1)


@pytest.mark.parametrize(
    ("options", "warned"), [({}, True), ({"total_num_rows": 1}, False), ({"auto_progress": False}, False)]
)
def test_lazy_rows_of_unknown_number_are_warned_about(
    tmp_path: Any, caplog: Any, options: dict[str, Any], warned: bool
) -> None:
    class Lazy(Step):
        n: int = output()

        def run(self) -> Any:
            return LazyRows(lambda: iter([{"n": 1}]), **options)

    with DataDreamer(tmp_path / "output"):
        assert list(Lazy("Lazy").output) == [{"n": 1}]
    assert ("total_num_rows" in caplog.text) is warned
