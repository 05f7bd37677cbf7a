"""Every operation on every kind of data, stored and lazy, beside the same thing done with a plain list."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datadreamer import DataDreamer
from datadreamer.steps import DataSource, Step, concat, zipped

Rows = list[dict[str, Any]]
DAY = datetime.date(2024, 2, 29)
PLAIN = [{"k": number % 3, "s": f"{number:03}", "l": [number] * (number % 3)} for number in range(50)]

DATA: dict[str, Rows] = {
    "one row": PLAIN[:1],
    "some rows": PLAIN,
    "nulls": [{"k": 1, "s": None, "l": None}, {"k": None, "s": "b", "l": []}, {"k": None, "s": None, "l": [None, 2]}],
    "only nulls": [{"k": None, "s": None, "l": None}] * 3,
    "nested": [{"k": n, "s": "x", "l": [{"a": [n], "b": None}], "d": {"e": {"f": f"{n}"}}} for n in range(4)],
    "types": [
        {
            "k": n,
            "s": "é\u0000\U0001f600\u202e\n",
            "l": [0.5 * n],
            "b": n % 2 == 0,
            "y": bytes([n]),
            "day": DAY,
            "at": datetime.datetime(2024, 1, 1, 12, n, tzinfo=datetime.UTC),
            "for": datetime.timedelta(seconds=n),
            "money": decimal.Decimal("1.10") * n,
        }
        for n in range(5)
    ],
}

# name -> what the step does, and what a list would
Pair = tuple[Callable[[Step], Any], Callable[[Rows], Rows]]


def with_length(row: dict[str, Any]) -> dict[str, Any]:
    return {"length": len(row["l"] or [])}


def lengths(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {"length": [len(items or []) for items in batch["l"]]}


def full(row: dict[str, Any]) -> bool:
    return bool(row["l"])


def all_full(batch: dict[str, list[Any]]) -> list[bool]:
    return [bool(items) for items in batch["l"]]


def without(rows: Rows, *names: str) -> Rows:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def renamed(rows: Rows, names: dict[str, str]) -> Rows:
    return [{names.get(name, name): value for name, value in row.items()} for row in rows]


def in_order(rows: Rows) -> Rows:
    present = [row for row in rows if row["k"] is not None]
    return sorted(present, key=lambda row: row["k"]) + [row for row in rows if row["k"] is None]


def distinct(rows: Rows) -> Rows:
    seen: list[Any] = []
    return [row for row in rows if not (row["k"] in seen or seen.append(row["k"]))]  # type: ignore[func-returns-value]


def exploded(rows: Rows) -> Rows:
    return [{**row, "l": item} for row in rows for item in (row["l"] or [None])]


def counted(rows: Rows) -> Rows:
    groups: dict[Any, int] = {}
    for row in rows:
        groups[row["k"]] = groups.get(row["k"], 0) + 1
    return [{"k": key, "many": count} for key, count in groups.items()]


def joined(rows: Rows) -> Rows:
    return [
        {**row, "t": other["s"]} for row in rows for other in rows if row["k"] == other["k"] and row["k"] is not None
    ]


def mixed(rows: Rows) -> Rows:
    return [rows[at] for at in np.random.Generator(np.random.PCG64(7)).permutation(len(rows))]


TABLE: dict[str, Pair] = {
    "select": (lambda step: step.select([0, 0]), lambda rows: [rows[0], rows[0]]),
    "select_columns": (lambda step: step.select_columns(["s", "k"]), lambda r: [{"s": x["s"], "k": x["k"]} for x in r]),
    "take": (lambda step: step.take(2), lambda rows: rows[:2]),
    "skip": (lambda step: step.skip(2), lambda rows: rows[2:]),
    "shuffle": (lambda step: step.shuffle(seed=7, lazy=False), mixed),
    "sort": (lambda step: step.sort("k"), in_order),
    "add_item": (lambda step: step.add_item({"k": 9}), lambda rows: [*rows, {**dict.fromkeys(rows[0]), "k": 9}]),
    "map": (lambda step: step.map(with_length), lambda rows: [{**row, **with_length(row)} for row in rows]),
    "map stored": (
        lambda step: step.map(with_length, lazy=False, remove_columns="s"),
        lambda rows: without([{**row, **with_length(row)} for row in rows], "s"),
    ),
    "map batched": (
        lambda step: step.map(lengths, batched=True, batch_size=7, lazy=False),
        lambda rows: [{**row, **with_length(row)} for row in rows],
    ),
    "filter": (lambda step: step.filter(full), lambda rows: [row for row in rows if full(row)]),
    "filter stored": (lambda step: step.filter(full, lazy=False), lambda rows: [row for row in rows if full(row)]),
    "filter batched": (
        lambda step: step.filter(all_full, batched=True, batch_size=7),
        lambda rows: [row for row in rows if full(row)],
    ),
    "rename_column": (lambda step: step.rename_column("s", "t"), lambda rows: renamed(rows, {"s": "t"})),
    "rename_columns": (
        lambda step: step.rename_columns({"s": "k", "k": "s"}),
        lambda rows: renamed(rows, {"s": "k", "k": "s"}),
    ),
    "remove_columns": (lambda step: step.remove_columns("l"), lambda rows: without(rows, "l")),
    "splits": (
        lambda step: step.splits(train_size=1, test_size=len(step.export_to_list()) - 1)["test"],
        lambda rows: rows[1:],
    ),
    "shard": (lambda step: step.shard(2, 1), lambda rows: rows[1::2]),
    "reverse": (lambda step: step.reverse(), lambda rows: rows[::-1]),
    "save": (lambda step: step.save(), lambda rows: rows),
    "copy": (lambda step: step.copy(), lambda rows: rows),
    "concat": (lambda step: concat(step, step), lambda rows: rows + rows),
    "zipped": (
        lambda step: zipped(step, step.select_columns("k").rename_column("k", "again")),
        lambda rows: [{**row, "again": row["k"]} for row in rows],
    ),
    "unique": (lambda step: step.unique("k"), distinct),
    "sample": (lambda step: step.sample(fraction=1.0), lambda rows: rows),
    "explode": (lambda step: step.explode("l"), exploded),
    "group_by": (lambda step: step.group_by("k", {"many": ("*", "count")}), counted),
    "join": (
        lambda step: step.join(step.select_columns(["k", "s"]).rename_column("s", "t"), on="k"),
        joined,
    ),
}
# A column of nothing but None has no type: it holds no lists to explode, and no order to compare with others.
EXCEPT = {("only nulls", "explode")}


@pytest.mark.parametrize("form", ["stored", "lazy"])
@pytest.mark.parametrize("data", DATA)
def test_every_operation_does_what_a_list_would(memory: DataDreamer, data: str, form: str) -> None:
    rows = DATA[data]
    source = DataSource("Rows", rows if form == "stored" else (lambda: iter(rows)))
    for operation, (do, as_list) in TABLE.items():
        if form == "stored" and (data, operation) in EXCEPT:
            continue
        assert list(do(source).output) == as_list(rows), operation


def test_every_operation_takes_no_rows(memory: DataDreamer) -> None:
    empty = DataSource("Rows", DATA["some rows"]).take(0)
    for operation in TABLE.keys() - {"select", "splits", "add_item"}:
        step = TABLE[operation][0](empty)
        assert list(step.output) == [], operation
        assert step.output.column_names, operation


@pytest.mark.parametrize("form", ["stored", "lazy"])
def test_a_hundred_thousand_rows_are_no_different(memory: DataDreamer, form: str) -> None:
    rows = [{"k": number * 7919 % 100_003, "s": str(number), "l": [number]} for number in range(100_000)]
    source = DataSource("Rows", rows if form == "stored" else lambda: iter(rows))
    for operation in ("map batched", "filter batched", "shuffle", "sort", "reverse", "group_by"):
        do, as_list = TABLE[operation]
        assert do(source).output.num_rows in (None, 100_000)
        assert do(source).export_to_list() == as_list(rows), operation


tables = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.none() | st.integers(-3, 3),
            "s": st.none() | st.text(max_size=4),
            "l": st.none() | st.lists(st.none() | st.integers(-9, 9), max_size=3),
        }
    ),
    min_size=1,
    max_size=12,
).filter(lambda rows: any(row["l"] for row in rows))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables, operations=st.lists(st.sampled_from(["take", "reverse", "sort", "filter", "copy"]), max_size=3),
       lazy=st.booleans())  # fmt: skip
def test_chains_of_operations_do_what_lists_would(rows: Rows, operations: list[str], lazy: bool) -> None:
    with DataDreamer(":memory:", verbose=False):
        given_rows = list(rows)
        step: Any = DataSource("Rows", (lambda: iter(given_rows)) if lazy else rows)
        for name in operations:
            step, rows_then = TABLE[name][0](step), TABLE[name][1](rows)
            assert list(step.output) == rows_then
            rows = rows_then
            if not rows:
                return
