"""Arrays are the same whether pandas is loaded (Arrow lays them out) or not (we do)."""

import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer.datasets import arrays

CELLS = {
    "string": st.text(max_size=4),
    "binary": st.binary(max_size=4),
    "int64": st.integers(-(2**65), 2**65),
    "double": st.floats() | st.integers(-(2**55), 2**55),
    "bool": st.booleans(),
}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(CELLS)), st.data())
def test_laid_out_as_arrow_does(name, data):
    values = data.draw(st.lists(st.none() | CELLS[name], max_size=12))
    type_ = {"double": pa.float64(), "bool": pa.bool_()}.get(name) or pa.type_for_alias(name)
    made = arrays._laid_out(values, type_)
    try:
        expected = pa.array(values, type_)
    except (pa.ArrowInvalid, OverflowError):
        assert made is None  # left to Arrow, whose error is raised
        return
    if made is not None:
        made.validate(full=True)
        assert made.null_count == expected.null_count and repr(made.to_pylist()) == repr(expected.to_pylist())


@pytest.mark.parametrize("values", [[float("nan"), 2**53 + 1], [1.5, -(2**60) - 1]])
def test_ints_are_never_rounded_beside_floats(values):
    assert arrays._laid_out(values, pa.float64()) is None


def test_writing_rows_leaves_pandas_alone(tmp_path):
    code = """
import sys
from datadreamer.datasets import DatasetWriter, OutputDataset
writer = DatasetWriter(sys.argv[1])
for n in range(100):
    writer.append({"t": f"row {n}", "n": n, "x": n / 3, "l": [n]}, parents=n, calls=[bytes(32)])
info = writer.finish()
dataset = OutputDataset(None, writer.dataset(info))
assert dataset[99] == {"t": "row 99", "n": 99, "x": 33.0, "l": [99]}, dataset[99]
assert len(list(dataset["t"])) == 100
print("pandas" in sys.modules, info.digest)
"""
    without = subprocess.run([sys.executable, "-c", code, tmp_path / "a"], capture_output=True, text=True, check=True)
    beside = ["-c", "import pandas\n" + code]
    loaded = subprocess.run([sys.executable, *beside, tmp_path / "b"], capture_output=True, text=True, check=True)
    assert without.stdout.split()[0] == "False"
    assert without.stdout.split()[1] == loaded.stdout.split()[1]
