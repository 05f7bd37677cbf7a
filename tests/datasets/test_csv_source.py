"""CSV: types by documented rules, and an error with file, line and cure instead of silently wrong rows."""

import csv

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer.datasets import Rows, export_csv, open_source
from datadreamer.datasets.readers import csv_files
from datadreamer.datasets.readers.csv_files import CSVReader
from datadreamer.errors import InvalidArgumentError, SourceError


def read(path, **options):
    return pa.Table.from_batches(open_source("csv", data_files=path, **options).batches())


@pytest.fixture
def file(tmp_path):
    def make(content, encoding="utf-8", name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode(encoding))
        return path

    return make


def test_types_are_inferred_over_the_whole_file(file):
    table = read(file("id,zip,x,ok,empty,text\n1,007,1,true,,hi\n2,123,2.5e3,FALSE,,\n,9,,,,3\n"))
    assert {field.name: str(field.type) for field in table.schema} == {
        "id": "int64", "zip": "string", "x": "double", "ok": "bool", "empty": "null", "text": "string",
    }  # fmt: skip
    assert table.to_pylist()[1:] == [
        {"id": 2, "zip": "123", "x": 2500.0, "ok": False, "empty": None, "text": ""},
        {"id": None, "zip": "9", "x": None, "ok": None, "empty": None, "text": "3"},
    ]


def test_a_late_cell_still_decides_the_type(file):
    path = file("n,m\n" + "1,1\n" * 10_000 + "x,1.5\n")
    table = read(path)
    assert [str(column.type) for column in table.columns] == ["string", "double"]
    assert table.num_rows == 10_001


def test_numbers_that_would_lose_digits_stay_text(file):
    table = read(file("big,long,mixed\n9223372036854775808,12345678901234567,nan\n1,0.5,1\n"))
    assert table.column("big").to_pylist() == ["9223372036854775808", "1"]
    assert table.column("long").to_pylist() == ["12345678901234567", "0.5"]
    assert table.schema.field("mixed").type == pa.float64()


def test_quotes_commas_and_line_breaks_in_cells(file):
    table = read(file('a,b\n"x, ""y""\nz",1\n"",2\n5" disk,3\n'))
    assert table.to_pylist() == [{"a": 'x, "y"\nz', "b": 1}, {"a": "", "b": 2}, {"a": '5" disk', "b": 3}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("a,b\n", "has no rows"),
        ('a,b\n1,"x\n2,y\n', r'line 2: a " opens a cell that is never closed'),
        ('a,b\n1,x\n2,"y\n3,"z"\n', "line 3: a cell in .* is not closed on its line"),
        ('a,b\n1,"x"y\n', "line 2: a cell in .* goes on after"),
        ("a,b\n1,x\n\n2,y,z\n", r"line 4: 3 cells, and there are 2 columns \(a, b\)"),
        ('a,b\n"1\n1",x\n2\n', r"line 4: 1 cells"),
        ("a;b\n1;2\n3;4\n", "use sep=';'"),
        ("a\tb\n1\t2\n", r"use sep='\\t'"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
    ],
)
def test_broken_files_say_where_and_what_to_do(file, content, words):
    path = file(content)
    with pytest.raises(SourceError, match=words) as error:
        read(path)
    assert str(path) in str(error.value)


def test_encodings(file):
    assert read(file("t\ncafé\n", "utf-8-sig")).column_names == ["t"]
    assert read(file("t\ncafé\n", "utf-16")).to_pylist() == [{"t": "café"}]
    assert read(file("t\ncafé\n", "latin-1"), encoding="latin-1").to_pylist() == [{"t": "café"}]
    with pytest.raises(SourceError, match=r'line 3: byte 0xe9 is not utf-8 text.*encoding="latin-1"'):
        read(file("t\nx\ncafé\n", "latin-1"))
    with pytest.raises(SourceError, match="no encoding 'utf-9'"):
        read(file("t\nx\n"), encoding="utf-9")


def test_headers_and_names(file):
    path = file("1,a\n2,b\n")
    assert read(path, names=["n", "t"]).to_pylist()[0] == {"n": 1, "t": "a"}
    assert read(path, header=None).column_names == ["0", "1"]
    assert read(path, header=True, names=["n", "t"]).num_rows == 1
    assert read(file("note\nx,y\n1,2\n"), skiprows=1).to_pylist() == [{"x": 1, "y": 2}]
    assert read(file(",y\n0,2\n")).column_names == ["Unnamed: 0", "y"]


def test_declared_types_and_missing_values(file):
    path = file("id,day,price\n07,2024-01-02,1.50\n08,n/a,2\n")
    table = read(path, column_types={"id": str, "day": "date", "price": pa.decimal128(9, 2)}, na_values=["n/a"])
    assert table.column("id").to_pylist() == ["07", "08"]
    assert table.column("day").to_pylist()[1] is None and str(table.schema.field("day").type) == "date32[day]"
    assert str(table.column("price").to_pylist()[0]) == "1.50"
    with pytest.raises(SourceError, match=r"line 3: column 'day' is to be date, and 'n/a' is not"):
        read(path, column_types={"day": "date"})
    with pytest.raises(SourceError, match=r"no column 'dya', which column_types names. Did you mean 'day'\?"):
        read(path, column_types={"dya": "date"})


def test_unknown_options_are_refused(file):
    with pytest.raises(InvalidArgumentError, match=r"no option 'quote_char'. Did you mean 'quotechar'\?"):
        read(file("a\n1\n"), quote_char="'")
    with pytest.raises(InvalidArgumentError, match="same option"):
        read(file("a\n1\n"), sep=";", delimiter=";")
    with pytest.raises(InvalidArgumentError, match="one character"):
        read(file("a\n1\n"), sep=", ")


def test_files_of_one_source_have_the_same_columns_in_any_order(file, tmp_path):
    first, second = file("a,b\n1,x\n", name="1.csv"), file("b,a\ny,2\n", name="2.csv")
    assert read([first, second]).to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    with pytest.raises(SourceError, match=r"3.csv has a column 'c', unlike .*1.csv"):
        read([first, file("a,b,c\n1,x,z\n", name="3.csv")])


def test_a_source_too_large_to_keep_is_read_twice_with_the_same_rows(file):
    path = file("n,t\n" + "".join(f"{n},{'x' * 50}\n" for n in range(20_000)))
    kept = read(path)
    twice = CSVReader([path], csv_files.OPTIONS, keep_bytes=0)
    assert pa.Table.from_batches(twice.batches()).equals(kept)


def test_options_have_one_canonical_form(file):
    path = file("a;b\n1;2\n")
    one = open_source("csv", data_files=path, delimiter=";", dtype={"a": "float"})
    other = open_source("csv", data_files=str(path), sep=";", column_types={"a": float})
    assert one.options == other.options and one.options["column_types"] == {"a": "double"}


CELL = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(CELL.map(lambda text: "t" + text), st.none() | st.integers(-(2**63), 2**63 - 1)), min_size=1))
def test_what_is_exported_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    given_rows = [{"t": text, "n": number} for text, number in rows]
    export_csv(Rows.from_list(given_rows), path)
    assert read(path).to_pylist() == given_rows
    with path.open(newline="") as file:
        assert len(list(csv.reader(file))) == len(rows) + 1
