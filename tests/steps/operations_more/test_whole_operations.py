"""unique, sample, explode, flatten, group_by and join, beside the same thing done with plain lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datadreamer import DataDreamer
from datadreamer.errors import InvalidArgumentError, InvalidTypeError
from datadreamer.steps import DataSource, Step

Row = dict[str, Any]


@pytest.fixture
def shared() -> Iterator[Callable[[list[Row], bool], Step]]:
    """One session for all examples of a test: makes a source of rows, stored or lazy."""
    made = 0
    with DataDreamer(":memory:", verbose=False):

        def source(rows: list[Row], lazy: bool) -> Step:
            nonlocal made
            made += 1
            return DataSource(f"Rows {made}", (lambda: iter(rows)) if lazy else rows)

        yield source


few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
cells = st.one_of(st.none(), st.integers(-2, 2))
rows_of_two = st.lists(
    st.fixed_dictionaries({"k": st.sampled_from(["a", "b", None]), "v": cells}), min_size=1, max_size=9
)


def parents(step: Step) -> list[Any]:
    table = step.output.rows.lineage()
    return [] if table is None else table["parents"].to_pylist()


# --- unique and sample ------------------------------------------------------------------------------------------------


@few
@given(rows=rows_of_two, by=st.sampled_from([None, "k", ["v"], ["k", "v"]]), lazy=st.booleans())
def test_unique_keeps_the_first_of_equal_rows(shared: Any, rows: list[Row], by: Any, lazy: bool) -> None:
    names = ["k", "v"] if by is None else [by] if isinstance(by, str) else by
    seen: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(rows):
        seen.setdefault(tuple(row[name] for name in names), number)
    step = shared(rows, lazy).unique(by)
    assert list(step.output) == [rows[number] for number in seen.values()]


def test_unique_compares_lists_and_dicts_too(session: DataDreamer) -> None:
    rows = [{"x": [1, 2], "d": {"a": 1}}, {"x": [1, 2], "d": {"a": 1}}, {"x": [2, 1], "d": {"a": 1}}]
    assert DataSource("Rows", rows).unique().export_to_list() == [rows[0], rows[2]]
    assert DataSource("More", rows).unique("d").export_to_list() == rows[:1]


@few
@given(size=st.integers(0, 30), n=st.integers(0, 30), seed=st.integers(0, 5), lazy=st.booleans())
def test_a_sample_has_different_rows_in_their_order(shared: Any, size: int, n: int, seed: int, lazy: bool) -> None:
    rows = [{"n": number} for number in range(size + 1)]
    if n > len(rows):
        with pytest.raises(InvalidArgumentError, match="cannot be drawn"):
            list(shared(rows, lazy).sample(n, seed=seed).output)
        return
    drawn = [row["n"] for row in shared(rows, lazy).sample(n, seed=seed).output]
    assert len(set(drawn)) == n
    assert drawn == sorted(drawn)
    assert drawn == [row["n"] for row in shared(rows, not lazy).sample(n, seed=seed).output]


def test_a_sample_is_a_number_or_a_share_of_rows(session: DataDreamer) -> None:
    rows = DataSource("Rows", {"n": list(range(100))})
    assert len(rows.sample(fraction=0.25, seed=1).output) == 25
    assert rows.sample(fraction=0.25, seed=1).export_to_list() != rows.sample(fraction=0.25, seed=2).export_to_list()
    for wrong in ({}, {"n": 1, "fraction": 0.5}, {"n": -1}, {"fraction": 1.5}, {"n": 1, "seed": -1}):
        with pytest.raises(InvalidArgumentError):
            rows.sample(**wrong)


# --- explode and flatten ----------------------------------------------------------------------------------------------


@few
@given(
    lists=st.lists(st.one_of(st.none(), st.lists(st.integers(0, 9), max_size=3)), min_size=1, max_size=6),
    keep=st.booleans(),
    lazy=st.booleans(),
)
def test_explode_gives_a_row_for_every_item(shared: Any, lists: list[Any], keep: bool, lazy: bool) -> None:
    rows = [{"id": number, "x": items} for number, items in enumerate([*lists, [7]])]
    wanted = [{"id": row["id"], "x": item} for row in rows for item in (row["x"] or ([None] if keep else []))]
    assert list(shared(rows, lazy).explode("x", keep_empty=keep).output) == wanted
    stored = shared(rows, lazy).explode("x", keep_empty=keep, lazy=False)
    assert stored.export_to_list() == wanted
    assert parents(stored) == [row["id"] for row in wanted]


def test_only_lists_can_be_exploded(session: DataDreamer) -> None:
    with pytest.raises(InvalidTypeError, match="only lists can be exploded"):
        DataSource("Rows", {"x": ["text"]}).explode("x")
    with pytest.raises(InvalidTypeError, match="holds str 'text', and only lists"):
        list(DataSource("Lazy", lambda: iter([{"x": "text"}])).explode("x").output)


@few
@given(structs=st.lists(st.one_of(st.none(), st.fixed_dictionaries({"a": cells, "b": st.text(max_size=2)})), min_size=1,
                        max_size=6), lazy=st.booleans())  # fmt: skip
def test_flatten_gives_a_column_for_every_field(shared: Any, structs: list[Any], lazy: bool) -> None:
    rows = [{"n": number, "s": item, "t": [item]} for number, item in enumerate([*structs, {"a": 1, "b": "x"}])]
    wanted = [
        {"n": row["n"], "s.a": (row["s"] or {}).get("a"), "s.b": (row["s"] or {}).get("b"), "t": row["t"]}
        for row in rows
    ]
    assert list(shared(rows, lazy).flatten().output) == wanted


def test_flatten_takes_one_level_and_named_columns(session: DataDreamer) -> None:
    rows = DataSource("Rows", [{"s": {"in": {"x": 1}}, "r": {"y": 2}}])
    assert rows.flatten().output.column_names == ["s.in", "r.y"]
    assert rows.flatten("r").export_to_list() == [{"s": {"in": {"x": 1}}, "r.y": 2}]
    assert rows.flatten(lazy=False).flatten("s.in").export_to_list() == [{"s.in.x": 1, "r.y": 2}]
    with pytest.raises(InvalidTypeError, match="no fields to flatten"):
        DataSource("Plain", {"x": [1]}).flatten("x")
    with pytest.raises(InvalidArgumentError, match=r"column 's\.x'"):
        DataSource("Both", [{"s": {"x": 1}, "s.x": 2}]).flatten()


# --- group_by ---------------------------------------------------------------------------------------------------------

PLAIN: dict[str, Callable[[list[Any]], Any]] = {
    "count": lambda values: sum(value is not None for value in values),
    "sum": lambda values: sum(known) if (known := [v for v in values if v is not None]) else None,
    "mean": lambda values: sum(known) / len(known) if (known := [v for v in values if v is not None]) else None,
    "min": lambda values: min((v for v in values if v is not None), default=None),
    "max": lambda values: max((v for v in values if v is not None), default=None),
    "list": list,
    "first": lambda values: values[0],
}


@few
@given(rows=rows_of_two, lazy=st.booleans(), by=st.sampled_from([["k"], ["k", "v"]]))
def test_group_by_computes_what_plain_python_does(shared: Any, rows: list[Row], lazy: bool, by: list[str]) -> None:
    rows = [*rows, {"k": "a", "v": 1}]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(tuple(row[name] for name in by), []).append(number)
    step = shared(rows, lazy).group_by(by, {**{name: ("v", name) for name in PLAIN}, "rows": ("*", "count")})
    wanted = [
        {
            **dict(zip(by, key, strict=True)),
            **{name: pytest.approx(plain([rows[n]["v"] for n in members])) for name, plain in PLAIN.items()},
            "rows": len(members),
        }
        for key, members in groups.items()
    ]
    assert step.export_to_list() == wanted
    assert parents(step) == list(groups.values())


def test_group_by_takes_text_lists_and_dates(session: DataDreamer) -> None:
    rows = DataSource("Rows", {"k": [[1], [2], [1]], "t": ["b", "z", "a"], "d": [{"x": 1}, {"x": 2}, {"x": 3}]})
    step = rows.group_by("k", {"least": ("t", "min"), "all": ("d", "list"), "one": ("d", "first")})
    assert step.export_to_list() == [
        {"k": [1], "least": "a", "all": [{"x": 1}, {"x": 3}], "one": {"x": 1}},
        {"k": [2], "least": "z", "all": [{"x": 2}], "one": {"x": 2}},
    ]


def test_a_sum_that_does_not_fit_is_an_error_not_another_number(session: DataDreamer) -> None:
    rows = DataSource("Rows", {"k": [1, 1], "v": [2**62, 2**62]})
    with pytest.raises(InvalidTypeError, match="sum of column 'v'"):
        rows.group_by("k", {"total": ("v", "sum")})


def test_a_wrong_aggregation_is_refused_before_anything_is_read(session: DataDreamer) -> None:
    rows = DataSource("Rows", {"k": ["a"], "v": ["x"]})
    for wrong, message in [
        ({"m": ("v", "average")}, "no function 'average'"),
        ({"m": ("w", "sum")}, "no column 'w'"),
        ({"k": ("v", "first")}, "'k' is one of the columns grouped by"),
        ({"m": ("*", "sum")}, 'only "count"'),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            rows.group_by("k", wrong)
    with pytest.raises(InvalidTypeError, match="must be a column and a function"):
        rows.group_by("k", {"m": "sum"})  # type: ignore[dict-item]
    with pytest.raises(InvalidTypeError, match="no mean of column 'v', which holds string"):
        rows.group_by("k", {"m": ("v", "mean")})


# --- join -------------------------------------------------------------------------------------------------------------


@few
@given(
    left=rows_of_two,
    right=st.lists(st.fixed_dictionaries({"key": st.sampled_from(["a", "b", "c", None]), "w": cells}), max_size=6),
    how=st.sampled_from(["inner", "left"]),
    lazy=st.booleans(),
)
def test_join_gives_what_two_loops_give(shared: Any, left: list[Row], right: list[Row], how: str, lazy: bool) -> None:
    left, right = [*left, {"k": "a", "v": 1}], [*right, {"key": "b", "w": 5}]
    wanted, sources = [], []
    for number, row in enumerate(left):
        matches = [other["w"] for other in right if other["key"] == row["k"] is not None]
        for value in matches or ([None] if how == "left" else []):
            wanted.append({**row, "w": value})
            sources.append(number)
    step = shared(left, lazy).join(shared(right, lazy), on={"k": "key"}, how=how)
    assert step.export_to_list() == wanted
    assert parents(step) == sources


def test_join_takes_several_columns_and_wider_types(session: DataDreamer) -> None:
    left = DataSource("Left", {"a": [1, 1, 2], "b": ["x", "y", "x"], "l": [[1], [2], [3]]})
    right = DataSource("Right", {"a": [1.0, 2.0], "b": ["y", "x"], "r": [{"n": 1}, {"n": 2}]})
    assert left.join(right, on=["a", "b"]).export_to_list() == [
        {"a": 1, "b": "y", "l": [2], "r": {"n": 1}},
        {"a": 2, "b": "x", "l": [3], "r": {"n": 2}},
    ]
    assert left.join(right, on=["a", "b"], how="left").export_to_list()[0] == {"a": 1, "b": "x", "l": [1], "r": None}


def test_a_join_that_makes_no_sense_is_refused(session: DataDreamer) -> None:
    left, right = DataSource("Left", {"k": [1], "v": [1]}), DataSource("Right", {"k": ["1"], "v": [1]})
    for on, how, message in [
        ("k", "inner", "both steps have a column 'v'"),
        (["k", "v"], "inner", "keys of the two steps do not go together"),
        ("x", "inner", "no column 'x'"),
        ({"k": "x"}, "inner", "the other step has no column 'x'"),
        ("k", "outer", "how='outer' is unknown"),
        ([], "inner", "at least one column"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            left.join(right, on=on, how=how)


# --- the record -------------------------------------------------------------------------------------------------------


def test_rows_are_conserved_and_found_again(tmp_path: Path) -> None:
    def workflow() -> dict[str, dict[str, int]]:
        with DataDreamer(tmp_path / "output", verbose=False):
            rows = DataSource("Rows", {"k": ["a", "a", "b"], "x": [[1, 2, 3], [], None]})
            steps = [
                rows.unique("k", lazy=False),
                rows.sample(2, lazy=False),
                rows.explode("x", keep_empty=False, lazy=False),
                rows.group_by("k", {"n": ("*", "count")}),
                rows.join(DataSource("Names", {"k": ["a", "a"], "name": ["A", "Å"]}), on="k"),
            ]
            assert [step.name for step in steps] == [
                "Rows (unique)", "Rows (sample)", "Rows (explode)", "Rows (group_by)", "Rows (join)",
            ]  # fmt: skip
        folder = tmp_path / "output"
        records = [json.loads(path.read_text()) for path in folder.glob("rows-*/step.json")]
        return {record["name"]: {"started": record["started"], **record["rows"]} for record in records}

    first = workflow()
    assert len(first) == 5
    for name, rows in first.items():
        given = rows.get("input", 0) + rows.get("expanded", 0)
        assert given == rows.get("output", 0) + rows.get("filtered", 0), name
        assert rows["input"] == 3
    assert first["Rows (explode)"]["filtered"] == 2
    assert first["Rows (explode)"]["expanded"] == 2
    assert workflow() == first  # found finished


def test_new_columns_are_computed_and_the_others_copied(tmp_path: Path) -> None:
    with DataDreamer(tmp_path / "output", verbose=False):
        rows = DataSource("Rows", {"k": ["a"], "x": [1]})
        rows.group_by("k", {"n": ("x", "sum")}, name="Grouped")
        rows.join(DataSource("Names", {"k": ["a"], "name": ["A"]}), on="k", name="Joined")
    for name, origins in {
        "grouped": {"k": ("copied", ["source"]), "n": ("computed", ["source"])},
        "joined": {"k": ("copied", ["source"]), "x": ("copied", ["source"]), "name": ("copied", ["other"])},
    }.items():
        record = json.loads((tmp_path / "output" / name / "step.json").read_text())
        assert {column["name"]: (column["origin"], column["derived_from"]) for column in record["outputs"]} == origins


def test_operations_follow_one_another(session: DataDreamer) -> None:
    rows = DataSource("Rows", {"k": ["b", "a", "b"], "x": [[1, 2], [3], [1]]})
    made = rows.explode("x").unique().group_by("k", {"xs": ("x", "list")}).sort("k")
    assert made.export_to_list() == [{"k": "a", "xs": [3]}, {"k": "b", "xs": [1, 2]}]


def test_lazy_rows_of_which_there_are_none(session: DataDreamer) -> None:
    empty = DataSource("Empty", lambda: iter([]))
    assert list(empty.unique().output) == []
    assert list(empty.sample(fraction=0.5).output) == []
