"""JSON: lines, lists and documents; streamed, typed, and with the line of what is wrong."""

import datetime
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer.datasets import open_source
from datadreamer.datasets.readers.json_files import elements
from datadreamer.errors import SourceError


def read(path, **options):
    return pa.Table.from_batches(open_source("json", data_files=path, **options).batches())


@pytest.fixture
def file(tmp_path):
    def make(content, name="data.json"):
        path = tmp_path / name
        path.write_text(content)
        return path

    return make


def test_lines_and_lists_give_the_same_rows(file):
    rows = [{"a": 1, "b": ["x"]}, {"a": 2.5}, {"a": None, "b": [], "c": {"k": True}}]
    expected = [
        {"a": 1.0, "b": ["x"], "c": None},
        {"a": 2.5, "b": None, "c": None},
        {"a": None, "b": [], "c": {"k": True}},
    ]
    assert read(file("\n".join(map(json.dumps, rows)) + "\n\n")).to_pylist() == expected
    assert read(file(json.dumps(rows))).to_pylist() == expected
    assert read(file(json.dumps(rows, indent=4))).to_pylist() == expected
    assert read(file(json.dumps({"meta": 1, "rows": rows}, indent=1)), field="rows").to_pylist() == expected


def test_columns_in_a_field_become_rows(file):
    assert read(file('{"data": {"a": [1, 2], "b": ["x", "y"]}}'), field="data").to_pylist() == [
        {"a": 1, "b": "x"}, {"a": 2, "b": "y"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("  \n ", "nothing but white space"),
        ("[]", "has no rows"),
        ('{"a": 1}\n{"a": \n', "line 2, column 1: not valid JSON: .*each line must be one whole object"),
        ('{"a": 1}\n\n[1]\n', r"line 3: list \[1\] is no object"),
        ("3", "int 3 is no object"),
        ('[{"a": 1},\n {"a": }]', "line 2: not valid JSON: Expecting value"),
        ('[{"a": 1},\n {"a": 2}', "line 2: not valid JSON: the list is not closed"),
        ('[{"a": 1},\n {"a": 2},\n]', "line 3: not valid JSON: a comma stands before the closing ']': remove it"),
        ('[{"a": 1}\n {"a": 2}]', "line 2: not valid JSON: expected ',' or ']'"),
        ('[{"a": 1}]\n x', "line 2: not valid JSON: there is more after"),
        ('[{"a": 1}, {"a": "x"}]', "line 1: column 'a' cannot hold str 'x'"),
        ('{"a": "\\ud800"}', "line 1: column 'a' .*surrogate"),
        ('{\n "data": [{"a": 1}]\n}', "top level is an object, .*use field='data'"),
    ],
)
def test_broken_files_say_where(file, content, words):
    path = file(content)
    with pytest.raises(SourceError, match=words) as error:
        read(path)
    assert str(path) in str(error.value)


def test_a_late_row_of_another_kind_is_named_by_its_line(file):
    lines = ['{"a": 1}'] * 8192 + ["", '{"a": "x"}']
    with pytest.raises(SourceError, match="line 8194: column 'a' held int in the rows before, and here str"):
        read(file("\n".join(lines)))
    lines[8000] = '{"a": "y"}'
    with pytest.raises(SourceError, match="line 8001: column 'a' cannot hold str 'y'"):
        read(file("\n".join(lines)))


def test_a_missing_field_names_the_nearest(file):
    with pytest.raises(SourceError, match=r"no field 'row'. Did you mean 'rows'\?"):
        read(file('{"rows": []}'), field="row")


def test_declared_types(file):
    path = file('{"day": "2024-01-02", "n": 1}\n{"day": null, "n": 2}\n')
    table = read(path, column_types={"day": "date", "n": float})
    assert table.to_pylist()[0] == {"day": datetime.date(2024, 1, 2), "n": 1.0}
    with pytest.raises(SourceError, match="line 2: str 'soon' in column 'day' cannot become date"):
        read(file('{"day": "2024-01-02"}\n{"day": "soon"}'), column_types={"day": "date"})
    with pytest.raises(SourceError, match="line 1: column 'day' is to be int, and here str"):
        read(path, column_types={"day": int})


def test_nan_and_large_ints_follow_the_rules_of_columns(file):
    assert str(read(file('{"x": NaN}\n{"x": 1}')).to_pylist()) == "[{'x': nan}, {'x': 1.0}]"
    with pytest.raises(SourceError, match="does not fit 64 bits"):
        read(file('{"x": 99999999999999999999}'))


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=3), VALUE, max_size=3), max_size=8), st.sampled_from([None, 1, 4]))
def test_elements_of_a_list_are_found_whatever_the_window(tmp_path_factory, rows, indent):
    path = tmp_path_factory.mktemp("json") / "data.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8")
    with path.open(encoding="utf-8") as text:
        assert [value for _, value in elements(path, text, chunk=7)] == rows
