"""Rows larger than memory: pages are given back, scattered rows read in windows, lazy rows spooled to disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer.datasets import DatasetWriter, Rows, columns, concat_rows, mapped, open_dataset, spooled


def stored(folder: Path, count: int, wide: int = 10) -> Rows:
    writer = DatasetWriter(folder, part_bytes=1 << 20)
    for number in range(count):
        writer.append({"n": number, "text": f"{number} {'x' * wide}"})
    return open_dataset(folder, writer.finish())


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return stored(tmp_path_factory.mktemp("rows"), 30_000, 100)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), batch=st.integers(1, 9000), window=st.sampled_from([1, 5_000, 1 << 20]))
def test_scattered_rows_come_in_their_order_whatever_the_windows(
    rows: Rows, seed: int, batch: int, window: int
) -> None:
    before, columns.WINDOW_BYTES = columns.WINDOW_BYTES, window
    try:
        at = np.random.default_rng(seed).permutation(rows.num_rows)[: 50 if window == 1 else None]
        view = concat_rows([rows.select(at), rows.take(7)])
        expected = [*at.tolist(), *range(7)]
        assert [n for table in view.tables(batch) for n in table["n"].to_pylist()] == expected
        assert list(view.values("n", batch)) == expected
    finally:
        columns.WINDOW_BYTES = before


def test_batches_are_bounded_by_bytes_unless_their_size_is_asked_for(tmp_path: Path) -> None:
    wide = stored(tmp_path, 400, 100_000)
    assert max(table.num_rows for table in wide.tables()) < 100
    assert [table.num_rows for table in wide.tables(300, exact=True)] == [300, 100]


def test_batches_may_begin_small(rows: Rows) -> None:
    assert [table.num_rows for table in rows.take(20).tables(8, first=1)] == [1, 2, 4, 8, 5]


def test_cells_stay_readable_when_pages_were_given_back(rows: Rows) -> None:
    rows.table()
    for file in list(mapped._maps):
        file.give_back()
    assert rows.row(29_999)["n"] == 29_999
    assert list(rows.values("n")) == list(range(30_000))


def test_spooled_rows_leave_no_file(tmp_path: Path) -> None:
    made = spooled(({"n": number, "text": "x" * number} for number in range(5_000)), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert made.num_rows == 5_000
    assert made.row(4_321) == {"n": 4_321, "text": "x" * 4_321}
    with pytest.raises(ZeroDivisionError):
        spooled(({"n": number, "x": 1 // (3_000 - number)} for number in range(5_000)), tmp_path)
    assert list(tmp_path.iterdir()) == []


PASS = """
import resource, sys
from pathlib import Path
from datadreamer import DataDreamer
from datadreamer.steps import DataSource

def rows():
    for number in range(120_000):
        yield {"id": number, "text": f"{number:09} " + "y" * 1990}

with DataDreamer(sys.argv[1], verbose=False):
    lazy = DataSource("Rows", rows, total_num_rows=120_000)
    mixed = lazy.shuffle(seed=3, lazy=False)
    assert sum(1 for row in mixed.reverse().output) == 120_000
    assert len(lazy.reverse().filter(lambda row: row["id"] % 2 == 0, lazy=False).output) == 60_000
# (ru_maxrss would be that of the process which started this one, until it is exceeded)
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024)
"""


def test_passes_over_many_rows_take_a_fraction_of_their_size(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PASS, str(tmp_path / "output")], check=True, capture_output=True, text=True
    )
    assert float(done.stdout) < 235, "the rows are 240 MB"
