"""Every operation on every kind of rows, against the same thing done with plain lists."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datadreamer import DataDreamer
from datadreamer.datasets import OutputDataset, OutputIterableDataset
from datadreamer.steps import DataSource, Step, concat, zipped

Row = dict[str, Any]
Rows = list[Row]

KINDS: dict[str, Rows] = {
    "one row": [{"n": 1, "text": "a", "deep": {"x": [1]}}],
    "nulls": [{"n": n if n % 3 else None, "text": None if n % 2 else "t", "deep": None} for n in range(10)],
    "nested": [{"n": n, "text": "ü\n", "deep": {"x": list(range(n)), "y": {"z": None}}} for n in range(5)],
    "thousand": [{"n": n * 7 % 1000, "text": f"t{n % 10}", "deep": {"x": [n]}} for n in range(1000)],
}
KINDS["empty"] = []
COLUMNS = ["n", "text", "deep"]


def as_columns(rows: Rows) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in COLUMNS}


def read(step: Step) -> Rows:
    return [dict(row) for row in step.output]


def pick(rows: Rows, *names: str) -> Rows:
    return [{name: row[name] for name in names} for row in rows]


@dataclass
class Operation:
    """What a step does, and the same on a list. `stored`: always stored, so there is no `lazy` argument."""

    name: str
    on_step: Callable[..., Step]
    on_list: Callable[[Rows], Rows]
    lazy: bool = True
    columns: tuple[str, ...] = tuple(COLUMNS)
    least: int = 0  # rows that it needs


def word(row: Row) -> Row:
    return {"word": f"{row['text']}/{row['n']}"}


def big(row: Row) -> bool:
    return (row["n"] or 0) > 2


def by_n(row: Row) -> tuple[bool, int]:
    return (row["n"] is None, row["n"] or 0)


def by_text(row: Row) -> tuple[bool, str]:
    return (row["text"] is not None, row["text"] or "")


OPERATIONS = [
    Operation("select", lambda s, **o: s.select([0, -1, 0], **o), lambda r: [r[0], r[-1], r[0]], least=1),
    Operation("select", lambda s, **o: s.select([], **o), lambda r: []),
    Operation("select", lambda s, **o: s.select(range(1), **o), lambda r: r[:1], least=1),
    Operation("select", lambda s, **o: s.select(np.array([0, 0]), **o), lambda r: [r[0], r[0]], least=1),
    Operation("take", lambda s, **o: s.take(np.int64(2), **o), lambda r: r[:2]),
    Operation("select_columns", lambda s, **o: s.select_columns(["text", "n"], **o),
              lambda r: pick(r, "text", "n"), columns=("text", "n")),
    Operation("select_columns", lambda s, **o: s.select_columns("text", **o),
              lambda r: pick(r, "text"), columns=("text",)),
    Operation("remove_columns", lambda s, **o: s.remove_columns("text", **o),
              lambda r: pick(r, "n", "deep"), columns=("n", "deep")),
    Operation("remove_columns", lambda s, **o: s.remove_columns(["n", "deep"], **o),
              lambda r: pick(r, "text"), columns=("text",)),
    Operation("rename_column", lambda s, **o: s.rename_column("text", "word", **o),
              lambda r: [{"n": x["n"], "word": x["text"], "deep": x["deep"]} for x in r],
              columns=("n", "word", "deep")),
    Operation("rename_column", lambda s, **o: s.rename_column("text", "text", **o), lambda r: r),
    Operation("rename_columns", lambda s, **o: s.rename_columns({"text": "n", "n": "text"}, **o),
              lambda r: [{"text": x["n"], "n": x["text"], "deep": x["deep"]} for x in r],
              columns=("text", "n", "deep")),
    Operation("take", lambda s, **o: s.take(3, **o), lambda r: r[:3]),
    Operation("take", lambda s, **o: s.take(0, **o), lambda r: []),
    Operation("skip", lambda s, **o: s.skip(3, **o), lambda r: r[3:]),
    Operation("skip", lambda s, **o: s.skip(5000, **o), lambda r: []),
    Operation("reverse", lambda s, **o: s.reverse(**o), lambda r: r[::-1]),
    Operation("copy", lambda s, **o: s.copy(**o), lambda r: r),
    Operation("save", lambda s: s.save(), lambda r: r, lazy=False),
    Operation("sort", lambda s: s.sort("n"), lambda r: sorted(r, key=by_n), lazy=False),
    Operation("sort", lambda s: s.sort(["n"], reverse=True, null_placement="at_start"),
              lambda r: [*(x for x in r if x["n"] is None),
                         *sorted((x for x in r if x["n"] is not None), key=lambda x: -x["n"])],
              lazy=False),
    Operation("sort", lambda s: s.sort(["text", "n"], reverse=[True, False]),
              lambda r: sorted(sorted(r, key=by_n), key=by_text, reverse=True),
              lazy=False),
    Operation("add_item", lambda s, **o: s.add_item({"n": 5, "text": "new", "deep": None}, **o),
              lambda r: [*r, {"n": 5, "text": "new", "deep": None}]),
    Operation("add_item", lambda s, **o: s.add_item({"n": 5}, **o),
              lambda r: [*r, {"n": 5, "text": None, "deep": None}]),
    Operation("shard", lambda s: s.shard(3, 1), lambda r: r[1::3], lazy=False),
    Operation("shard", lambda s: s.shard(3, 0, contiguous=True),
              lambda r: r[: len(r) // 3 + (len(r) % 3 > 0)], lazy=False),
    Operation("map", lambda s, **o: s.map(word, **o), lambda r: [{**x, **word(x)} for x in r],
              columns=(*COLUMNS, "word")),
    Operation("map", lambda s, **o: s.map(word, remove_columns=["text", "n"], **o),
              lambda r: [{"deep": x["deep"], **word(x)} for x in r], columns=("deep", "word")),
    Operation("map", lambda s, **o: s.map(word, remove_columns=COLUMNS, **o),
              lambda r: [word(x) for x in r], columns=("word",)),
    Operation("map", lambda s, **o: s.map(lambda row, at: {"n": at}, with_indices=True, **o),
              lambda r: [{**x, "n": at} for at, x in enumerate(r)]),
    Operation("map", lambda s, **o: s.map(lambda n: {"n": -(n or 0)}, input_columns="n", **o),
              lambda r: [{**x, "n": -(x["n"] or 0)} for x in r]),
    Operation("map", lambda s, **o: s.map(lambda n, text, at: {"n": n == at}, input_columns=["n", "text"],
                                          with_indices=True, **o),
              lambda r: [{**x, "n": x["n"] == at} for at, x in enumerate(r)]),
    Operation("map", lambda s, **o: s.map(lambda batch: {"n": [-(n or 0) for n in batch["n"]]}, batched=True,
                                          batch_size=3, **o),
              lambda r: [{**x, "n": -(x["n"] or 0)} for x in r]),
    Operation("map", lambda s, **o: s.map(lambda ns, at: {"n": at}, batched=True, batch_size=3, input_columns=["n"],
                                          with_indices=True, **o),
              lambda r: [{**x, "n": at} for at, x in enumerate(r)]),
    Operation("map", lambda s, **o: s.map(lambda batch: {"m": [n for n in batch["n"] for _ in "ab"]}, batched=True,
                                          remove_columns=COLUMNS, **o),
              lambda r: [{"m": x["n"]} for x in r for _ in "ab"], columns=("m",)),
    Operation("map", lambda s, **o: s.map(lambda row: None, **o), lambda r: r),
    Operation("filter", lambda s, **o: s.filter(big, **o), lambda r: [x for x in r if big(x)]),
    Operation("filter", lambda s, **o: s.filter(lambda row: False, **o), lambda r: []),
    Operation("filter", lambda s, **o: s.filter(lambda row, at: at % 2, with_indices=True, **o), lambda r: r[1::2]),
    Operation("filter", lambda s, **o: s.filter(lambda text: text == "t1", input_columns="text", **o),
              lambda r: [x for x in r if x["text"] == "t1"]),
    Operation("filter", lambda s, **o: s.filter(lambda batch: [bool(n) for n in batch["n"]], batched=True, batch_size=4,
                                                **o), lambda r: [x for x in r if x["n"]]),
    Operation("concat", lambda s, **o: concat(s, s, s.take(1), **o), lambda r: [*r, *r, *r[:1]]),
    Operation("zipped", lambda s, **o: zipped(s, s.rename_columns({name: name * 2 for name in COLUMNS}), **o),
              lambda r: [{**x, **{name * 2: x[name] for name in COLUMNS}} for x in r],
              columns=(*COLUMNS, *(name * 2 for name in COLUMNS))),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_operation_does_what_it_does_to_a_list(memory: DataDreamer, kind: str) -> None:
    rows = KINDS[kind]
    stored = DataSource("Stored", as_columns(rows))
    made = DataSource("Made", lambda: iter(KINDS[kind]), total_num_rows=len(rows))
    assert stored.output.column_names == COLUMNS
    for operation in OPERATIONS:
        if len(rows) < operation.least:
            continue
        expected = operation.on_list(rows)
        for source in (stored, made):
            if source is made and not rows and operation.name == "add_item":
                continue  # a function that gives no row gives no columns either
            for options in ({"lazy": True}, {"lazy": False}) if operation.lazy else ({},):
                step = operation.on_step(source, **options)
                shown = f"{operation.name} on {kind}, {source.name}, {options}"
                assert read(step) == expected, shown
                if not options.get("lazy", False) or isinstance(step.output, OutputDataset):
                    assert step.output.num_rows == len(expected), shown
                unseen = operation.name == "map" and not rows  # the function was never called
                if (source is stored and not unseen) or (rows and expected):
                    assert step.output.column_names == list(operation.columns), shown
                    assert step.output_names == operation.columns, shown
                if not options.get("lazy", source is stored):
                    assert isinstance(step.output, OutputDataset), shown


def test_views_of_stored_rows_copy_nothing(session: DataDreamer) -> None:
    source = DataSource("S", as_columns(KINDS["thousand"]))
    views = [
        source.take(3), source.skip(3), source.select([3, 2]), source.reverse(), source.shuffle(seed=1),
        source.select_columns("n"), source.remove_columns("n"), source.rename_column("n", "m"), source.shard(2, 0),
        source.copy(), concat(source, source), zipped(source, source.rename_columns({c: c * 2 for c in COLUMNS})),
        source.add_item({"n": 1}), *source.splits(train_size=0.9, test_size=0.1).values(),
    ]  # fmt: skip
    assert session.folder is not None
    folders = {folder.name for folder in session.folder.iterdir() if (folder / "step.json").exists()}
    assert folders == {"s"}
    for view in views:
        assert isinstance(view.output, OutputDataset)
        with pytest.raises(RuntimeError, match="no files of its own"):
            _ = view.dataset_path


def test_functions_are_called_when_rows_are_read_and_a_stored_map_once(memory: DataDreamer) -> None:
    calls = []

    class Noting:
        def __datadreamer_fingerprint__(self) -> str:
            return "noting"

        def __call__(self, row: Row) -> Row:
            calls.append(row["n"])
            return {}

    source = DataSource("S", {"n": [1, 2, 3]})
    lazy = source.map(Noting())
    assert isinstance(lazy.output, OutputIterableDataset) and lazy.output.num_rows == 3 and calls == []
    list(lazy.output)
    assert calls == [1, 2, 3]
    next(iter(lazy.output["n"]))
    assert calls == [1, 2, 3, 1, 1]  # once to see the columns
    stored = source.map(Noting(), lazy=False)
    calls.clear()
    assert list(stored.output) == list(stored.output)
    assert calls == []


def test_lazy_rows_that_nobody_reads_are_never_made(run: Callable[..., Any]) -> None:
    def fails(row: Row) -> Row:
        raise AssertionError("read")

    def workflow() -> list[str]:
        made = DataSource("S", lambda: fails({}))  # type: ignore[arg-type, return-value]
        step = concat(made.map(fails), made.filter(fails).take(3)).shuffle(seed=1).skip(1).reverse().copy()
        return [step.name, repr(step)]

    assert "?" in run(workflow)[1]


# --- shuffle ----------------------------------------------------------------------------------------------------------


def test_shuffles_are_repeatable_and_complete(memory: DataDreamer) -> None:
    source = DataSource("S", {"n": list(range(1000))})
    lazy = DataSource("L", lambda: ({"n": n} for n in range(1000)))
    orders = {}
    for name, step in (("stored", source), ("lazy", lazy)):
        for seed in (None, 0, 1, 12345678901234567890):
            shuffled = list(step.shuffle(seed=seed).output["n"])
            assert sorted(shuffled) == list(range(1000)) and shuffled != list(range(1000))
            assert shuffled == list(step.shuffle(seed=seed).output["n"])
            orders[name, seed] = shuffled
        assert orders[name, None] == orders[name, 0] != orders[name, 1]
    buffered = list(lazy.shuffle(seed=1, buffer_size=10).output["n"])
    assert sorted(buffered) == list(range(1000)) and buffered.index(0) < 200
    assert sorted(lazy.shuffle(seed=1, lazy=False).output["n"]) == list(range(1000))
    for wrong in ({"seed": -1}, {"buffer_size": 0}):
        with pytest.raises(ValueError):
            source.shuffle(**wrong)


# --- splits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lazy", [False, True])
def test_splits_are_contiguous_and_complete(memory: DataDreamer, lazy: bool) -> None:
    data: Any = (lambda: ({"n": n} for n in range(10))) if lazy else {"n": list(range(10))}
    source = DataSource("S", data)
    shares = source.splits(train_size=0.8, validation_size=0.1, test_size=0.1)
    assert {name: list(step.output["n"]) for name, step in shares.items()} == {
        "train": list(range(8)), "validation": [8], "test": [9],
    }  # fmt: skip
    assert [step.name for step in shares.values()] == ["S (train split)", "S (validation split)", "S (test split)"]
    counts = source.splits(train_size=7, test_size=3)
    assert {name: list(step.output["n"]) for name, step in counts.items()} == {
        "train": list(range(7)), "test": [7, 8, 9],
    }  # fmt: skip
    assert list(source.splits()["train"].output["n"]) == list(range(10))
    named = source.splits(train_size=5, test_size=5, name="Half")
    assert named["test"].name == "Half (test split)"


def test_stratified_splits_have_the_same_mix(memory: DataDreamer) -> None:
    source = DataSource("S", {"n": list(range(100)), "label": ["a" if n % 4 else "b" for n in range(100)]})
    parts = source.splits(train_size=0.8, test_size=0.2, stratify_by_column="label")
    for name, size in (("train", 80), ("test", 20)):
        labels = list(parts[name].output["label"])
        assert len(labels) == size and labels.count("b") == size // 4
    together = sorted([*parts["train"].output["n"], *parts["test"].output["n"]])
    assert together == list(range(100))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train_size": 0.5, "test_size": 0.6}, r"sum to 1\.0, and these to 1\.1"),
        ({"train_size": 5, "test_size": 6}, r"sum to 11, and there are 10 rows"),
        ({"train_size": 0.5, "test_size": 5}, r"either fractions or numbers of rows"),
        ({"train_size": -1, "test_size": 11}, r"fractions or numbers of rows, not"),
        ({"train_size": 0.999, "test_size": 0.001}, r"the split 'test' would be empty"),
        ({"train_size": 0.5, "test_size": 0.5, "stratify_by_column": "m"}, r"no column 'm' in 'S'\. Known: n"),
        ({"train_size": 0.5, "test_size": 0.5, "stratify_by_column": "n"}, r"has the value 0 in only 1 row\(s\)"),
    ],
)
def test_splits_that_do_not_add_up_are_refused(memory: DataDreamer, sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataSource("S", {"n": list(range(10))}).splits(**sizes)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: s.select_columns(["m"]), r"Step 'S \(select_columns\)': there is no column 'm' in 'S'\. Known: n,"),
        (lambda s: s.select_columns("tex"), r"Did you mean 'text'"),
        (lambda s: s.select_columns([]), r"would leave no column, and so no rows\. Columns: 'n', 'text'"),
        (lambda s: s.remove_columns("m"), r"no column 'm'"),
        (lambda s: s.remove_columns(["n", "text"]), r"would leave no column"),
        (lambda s: s.shuffle(sed=3), r"shuffle\(\) has no argument 'sed'\. Did you mean 'seed'"),
        (lambda s: s.rename_column("m", "x"), r"no column 'm'"),
        (lambda s: s.rename_column("n", "text"), r"two columns would be called 'text'"),
        (lambda s: s.sort("m"), r"no column 'm'"),
        (lambda s: s.sort([]), r"at least one column"),
        (lambda s: s.sort("n", null_placement="middle"), r"null_placement"),
        (lambda s: s.add_item({"m": 1}), r"no column 'm'"),
        (lambda s: s.add_item({"n": "one"}), r"'n' holds"),
        (lambda s: s.take(-1), r"n must be 0 or more, not -1"),
        (lambda s: s.skip(-1), r"n must be 0 or more, not -1"),
        (lambda s: s.select([5]), r"Row 5 is out of range: there are 3 rows"),
        (lambda s: s.select(["a"]), r"must be list\[int\], not list"),
        (lambda s: s.shard(0, 0), r"num_shards must be 1 or more, not 0"),
        (lambda s: s.shard(3, 3), r"index must be between 0 and num_shards - 1 = 2, not 3"),
        (lambda s: s.map(5), r"'function' must be Callable"),
        (lambda s: s.map(lambda r: {}, batch_size=0, batched=True), r"batch_size must be 1 or more"),
        (lambda s: s.map(lambda r: {}, remove_columns="m"), r"no column 'm'"),
        (lambda s: s.filter(lambda r: True, input_columns="m"), r"no column 'm'"),
        (lambda s: s.take(1, foo=3), r"take\(\) has no argument 'foo'"),
        (lambda s: s.take(1, background=True), r"background=True needs lazy=False"),
        (lambda s: concat(s, s.rename_column("n", "m")), r"has no column 'n', and the first has"),
        (lambda s: concat(s, s.select_columns("n")), r"has no column 'text'"),
        (lambda s: concat(s, s.map(lambda r: {"n": "x"}, lazy=False)), r"'n' holds int at first and str in dataset 2"),
        (lambda s: concat(), r"concat\(\) needs at least one step"),
        (lambda s: concat(s, s.output), r"concat\(\) takes steps, not OutputDataset"),
        (lambda s: zipped(s, s), r"have a column 'n'"),
        (lambda s: zipped(s, s.take(1).rename_columns({"n": "a", "text": "b"})), r"has 1 rows and the first has 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_name(memory: DataDreamer, make: Callable[[Any], Any], message: str) -> None:
    source = DataSource("S", {"n": [1, 2, 3], "text": ["a", "b", "c"]})
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        make(source)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda s, **o: concat(s, s.rename_column("n", "m"), **o),
            r"'S \(rename_column.*\)' has the columns 'm', 'text'",
        ),
        (lambda s, **o: zipped(s, s, **o), r"two columns would be called 'n'"),
        (lambda s, **o: s.rename_column("n", "text", **o), r"two columns would be called 'text'"),
        (lambda s, **o: s.select([5], **o), r"Row 5 is out of range"),
    ],
)
def test_lazy_rows_are_refused_alike(memory: DataDreamer, make: Callable[..., Any], message: str) -> None:
    source = DataSource("S", lambda: iter([{"n": 1, "text": "a"}]))
    for lazy in (True, False):
        with pytest.raises((ValueError, IndexError), match=message):
            list(make(source, lazy=lazy).output)


def test_lazy_zipped_runs_to_the_longest(memory: DataDreamer) -> None:
    short = DataSource("A", lambda: iter([{"a": 1}]), total_num_rows=1)
    long = DataSource("B", {"b": [1, 2]})
    step = zipped(short, long)
    assert read(step) == [{"a": 1, "b": 1}, {"a": None, "b": 2}]
    assert step.output.num_rows == 2


def divide(row: Row) -> Row:
    return {"n": 10 // row["n"]}


@pytest.mark.parametrize("lazy", [True, False])
def test_a_function_that_fails_is_named_with_its_row(memory: DataDreamer, lazy: bool) -> None:
    source = DataSource("S", {"n": [1, 2, 0, 4]})
    with pytest.raises(
        RuntimeError, match=r"Step 'S \(map.*\)': the function 'divide' raised ZeroDivisionError on row 2"
    ):
        list(source.map(divide, lazy=lazy).output)
    with pytest.raises(RuntimeError, match=r"raised ZeroDivisionError on row 2"):
        list(source.filter(divide, lazy=lazy).output)
    with pytest.raises(RuntimeError, match=r"raised TypeError on rows 2 to 3"):
        list(source.map(lambda b: {"n": b["n"] + (5 if 0 in b["n"] else [])}, batched=True, batch_size=2, lazy=lazy,
                        remove_columns="n").output)  # fmt: skip


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s, **o: s.map(lambda row: 5, **o), r"gave int 5, and a dictionary is needed for row 0"),
        (lambda s, **o: s.map(lambda row: {"a": 1} if row["n"] < 3 else {"b": 1}, **o), r"columns \['b'\], and before"),
        (lambda s, **o: s.map(lambda row: {"a": 1} if row["n"] < 3 else None, **o), r"gave NoneType"),
        (lambda s, **o: s.map(lambda b: [1], batched=True, **o), r"gave list, and a dictionary of lists is needed"),
        (lambda s, **o: s.map(lambda b: {"m": [1]}, batched=True, **o), r"'n' has 3, 'm' has 1.*remove_columns"),
        (lambda s, **o: s.filter(lambda b: [True], batched=True, **o), r"gave 1 values, and one for each of the 3"),
    ],
)  # fmt: skip
def test_a_function_that_gives_the_wrong_thing_is_named(
    memory: DataDreamer, make: Callable[..., Any], message: str, lazy: bool
) -> None:
    with pytest.raises(Exception, match=message) as raised:
        list(make(DataSource("S", {"n": [1, 2, 3]}), lazy=lazy).output)
    assert type(raised.value).__module__ == "datadreamer.errors"


# --- names, chains, reruns --------------------------------------------------------------------------------------------


def test_operations_are_named_and_numbered(memory: DataDreamer) -> None:
    source = DataSource("S", {"n": [1, 2]})
    assert [source.take(1).name for _ in range(3)] == ["S (take)", "S (take #2)", "S (take #3)"]
    assert source.take(1, name="Mine").name == "Mine" and source.take(1, name="Mine").name == "Mine #2"
    assert source.map(word_of_n).filter(bool).sort("n").name == "S (map) (filter) (sort)"
    assert source.save().name == "S (save)" and source.copy().name == "S (copy)"
    assert concat(source, source).name == "concat(S, S)"


def word_of_n(row: Row) -> Row:
    return {"word": str(row["n"])}


def test_settings_of_a_source_are_inherited(memory: DataDreamer) -> None:
    source = DataSource("S", {"n": [1]}, progress_interval=7, save_num_proc=2, save_num_shards=3)
    step = source.take(1)
    assert (step.progress_interval, step.save_num_proc, step.save_num_shards) == (7, 2, 3)
    assert source.take(1, progress_interval=None).progress_interval is None


def chain(source: Step) -> Step:
    return (
        source.filter(big)
        .map(word, lazy=False)
        .sort("n", reverse=True)
        .skip(1)
        .shuffle(seed=3)
        .rename_column("word", "w")
        .add_item({"n": 0, "w": "last"})
        .select_columns(["w", "n"])
        .reverse()
        .map(lambda row: {"n": row["n"] + 1})
        .save()
    )


def test_chains_give_the_same_rows_again_without_running(run: Callable[..., Any], tmp_path: Any) -> None:
    def workflow() -> tuple[Rows, str]:
        step = chain(DataSource("S", as_columns(KINDS["thousand"])))
        return read(step), step.fingerprint

    first = run(workflow)
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "output").rglob("step.json")}
    assert len(stored) == 4
    assert run(workflow) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "output").rglob("step.json")} == stored
    rows = [row for row in KINDS["thousand"] if big(row)]
    assert sorted(row["n"] for row in first[0][1:]) == sorted(row["n"] + 1 for row in rows)[:-1]
    assert first[0][0] == {"w": "last", "n": 1}


def test_a_changed_function_runs_again_and_a_changed_batch_size_does_not(
    run: Callable[..., Any], tmp_path: Any
) -> None:
    def stamp(function: Callable[..., Any], **options: Any) -> int:
        run(lambda: DataSource("S", {"n": [1, 2]}).map(function, lazy=False, **options))
        return (tmp_path / "output" / "s-map" / "step.json").stat().st_mtime_ns

    first = stamp(lambda row: {"n": row["n"] + 1})
    assert stamp(lambda row: {"n": row["n"] + 1}, batch_size=5) == first
    assert stamp(lambda row: {"n": row["n"] + 2}) != first


# --- features ---------------------------------------------------------------------------------------------------------


def labelled() -> Any:
    import datasets

    features = datasets.Features({"n": datasets.Value("int8"), "label": datasets.ClassLabel(names=["no", "yes"])})
    return datasets.Dataset.from_dict({"n": [1, 2, 3, 4], "label": [0, 1, 1, 0]}, features=features)


@pytest.mark.parametrize(
    "operation",
    [
        lambda s: s,
        lambda s: s.take(2),
        lambda s: s.select([1, 0]),
        lambda s: s.shuffle(seed=1),
        lambda s: s.sort("n"),
        lambda s: s.save(),
        lambda s: s.filter(lambda row: row["n"] > 1, lazy=False),
        lambda s: s.filter(lambda row: False, lazy=False),
        lambda s: s.map(lambda row: {"m": 1}, lazy=False),
        lambda s: s.rename_column("label", "y").rename_column("y", "label"),
        lambda s: concat(s, s),
        lambda s: concat(s, s, lazy=False),
        lambda s: zipped(s.select_columns("n"), s.select_columns("label"), lazy=False),
        lambda s: s.splits(train_size=0.5, test_size=0.5)["test"],
        lambda s: s.splits(train_size=0.5, test_size=0.5, stratify_by_column="label")["test"],
        lambda s: s.shard(2, 0).reverse().copy(),
        lambda s: s.skip(4).save(),
    ],
)
def test_features_survive(memory: DataDreamer, operation: Callable[[Any], Any]) -> None:
    step = operation(DataSource("S", labelled()))
    features = step.output.dataset.features
    assert features["label"].names == ["no", "yes"]
    assert features["n"].dtype in ("int8", "int64")
    assert all(isinstance(value, int) for value in step.output["label"])


# --- properties -------------------------------------------------------------------------------------------------------

cells = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
tables = st.lists(st.fixed_dictionaries({"a": cells, "b": st.one_of(st.none(), st.text(max_size=3))}), max_size=12)


def steps_of(rows: Rows) -> Iterator[tuple[str, Step]]:
    yield "stored", DataSource("Stored", {"a": [row["a"] for row in rows], "b": [row["b"] for row in rows]})
    yield "lazy", DataSource("Lazy", lambda: iter([dict(row) for row in rows]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tables, data=st.data())
def test_random_chains_of_views_equal_the_same_on_lists(rows: Rows, data: st.DataObject) -> None:
    with DataDreamer(":memory:", verbose=False):
        for _, step in steps_of(rows):
            expected = list(rows)
            for _ in range(data.draw(st.integers(1, 4))):
                op = data.draw(
                    st.sampled_from(["take", "skip", "reverse", "select", "shard", "concat", "filter", "add"])
                )
                count = data.draw(st.integers(0, 5))
                if op == "take":
                    step, expected = step.take(count), expected[:count]
                elif op == "skip":
                    step, expected = step.skip(count), expected[count:]
                elif op == "reverse":
                    step, expected = step.reverse(), expected[::-1]
                elif op == "select" and expected:
                    chosen = random.Random(count).choices(range(-len(expected), len(expected)), k=count)
                    step, expected = step.select(chosen), [expected[at] for at in chosen]
                elif op == "shard":
                    step, expected = step.shard(count + 1, count), expected[count :: count + 1]
                elif op == "concat":
                    step, expected = concat(step, step), expected * 2
                elif op == "filter":
                    step = step.filter(lambda row, at: at % 2 == 0, with_indices=True)
                    expected = expected[::2]
                elif op == "add" and "a" in step.output.column_names:  # rows made from nothing have no columns
                    step, expected = step.add_item({"a": count}), [*expected, {"a": count, "b": None}]
            assert read(step) == expected
