"""A killed writer leaves whole parts; the next try knows rows and position, and goes on."""

import signal
import subprocess
import sys

from datadreamer.datasets import DatasetWriter, open_dataset

WRITE_AND_DIE = """
import os, signal, sys
from datadreamer.datasets import DatasetWriter
writer = DatasetWriter(sys.argv[1], resume=True)
for n in range(writer.position, 100):
    if n % 3 == 0:
        writer.append({"n": n, "half": n / 2}, parents=n)
    writer.mark(n + 1)
    if n in (30, 60):
        writer.flush()
    if n == 80:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_keeps_what_was_flushed(tmp_path):
    died = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(tmp_path)], check=False)
    assert died.returncode == -signal.SIGKILL
    writer = DatasetWriter(tmp_path, resume=True)
    assert (writer.position, writer.rows) == (61, 21)
    for n in range(writer.position, 100):
        if n % 3 == 0:
            writer.append({"n": n, "half": n / 2}, parents=n)
        writer.mark(n + 1)
    resumed = writer.finish()
    fresh = DatasetWriter(tmp_path / "fresh")
    for n in range(0, 100, 3):
        fresh.append({"n": n, "half": n / 2}, parents=n)
    assert resumed.digest == fresh.finish().digest
    dataset = open_dataset(tmp_path, resumed)
    assert dataset.lineage().column("parents").to_pylist() == list(range(0, 100, 3))


def test_rows_after_the_last_mark_are_dropped(tmp_path):
    writer = DatasetWriter(tmp_path)
    writer.append({"n": 0})
    writer.mark(1)
    writer.flush()
    writer.append({"n": 1})
    writer.flush()  # durable, but nobody knows which input rows it accounts for
    again = DatasetWriter(tmp_path, resume=True)
    assert (again.rows, again.position) == (1, 1)
    again.append({"n": 11})
    assert list(open_dataset(tmp_path, again.finish()).values("n")) == [0, 11]


def test_input_rows_that_gave_no_rows_are_not_read_twice(tmp_path):
    writer = DatasetWriter(tmp_path)
    writer.append({"n": 0})
    writer.mark(1)
    writer.flush()
    writer.mark(50)
    writer.flush()
    assert DatasetWriter(tmp_path, resume=True).position == 50


def test_without_resume_an_earlier_try_is_removed(tmp_path):
    writer = DatasetWriter(tmp_path)
    writer.append({"n": 0})
    writer.mark(1)
    writer.flush()
    fresh = DatasetWriter(tmp_path)
    assert (fresh.rows, fresh.position) == (0, 0)
    fresh.append({"other": "x"})
    assert list(open_dataset(tmp_path, fresh.finish()).iterate()) == [{"other": "x"}]


def test_a_damaged_part_and_all_after_it_are_made_again(tmp_path):
    writer = DatasetWriter(tmp_path)
    for n in range(3):
        writer.append({"n": n})
        writer.mark(n + 1)
        writer.flush()
    (tmp_path / "part-00001.arrow").write_bytes(b"torn")
    again = DatasetWriter(tmp_path, resume=True)
    assert (again.rows, again.position) == (1, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part-00000.arrow", "part-00000.json"]


def test_types_widen_over_a_resume(tmp_path):
    writer = DatasetWriter(tmp_path)
    writer.append({"n": 1, "t": None})
    writer.mark(1)
    writer.flush()
    again = DatasetWriter(tmp_path, resume=True)
    again.append({"n": 2.5, "t": "x"})
    info = again.finish()
    assert list(open_dataset(tmp_path, info).iterate()) == [{"n": 1.0, "t": None}, {"n": 2.5, "t": "x"}]


def test_finished_parts_can_be_finished_again(tmp_path):
    """Killed between finish() and the manifest: the next try finds everything there."""
    writer = DatasetWriter(tmp_path)
    writer.append({"n": 1})
    writer.flush()
    writer.append({"n": 2.5})
    writer.mark(2)
    info = writer.finish()
    again = DatasetWriter(tmp_path, resume=True)
    assert (again.rows, again.position) == (2, 2)
    assert again.finish() == info


def test_an_abandoned_writer_leaves_no_half_part(tmp_path):
    with DatasetWriter(tmp_path) as writer:
        writer.append_columns({"text": ["x" * 1000] * 20_000})
    assert not [path for path in tmp_path.iterdir() if "tmp" in path.name]


def test_a_try_with_other_columns_starts_anew(tmp_path):
    writer = DatasetWriter(tmp_path, declared={"a": int})
    writer.append({"a": 1})
    writer.mark(1)
    writer.flush()
    other = DatasetWriter(tmp_path, declared={"b": int}, resume=True)
    assert (other.rows, other.position) == (0, 0)
    other.append({"b": 2})
    assert list(open_dataset(tmp_path, other.finish()).iterate()) == [{"b": 2}]
