"""What is damaged, full, read only or newer is named, and mended by making only what is missing; or refused."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer, runs
from datadreamer.cli import main as command
from datadreamer.errors import DamagedFileError, FolderInUseError, FolderNotWritableError, NewerVersionError
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, Prompt

ROWS = 300
EXPECTED = [f"TEXT {number}" for number in range(ROWS)]


class Work:
    """A finished workflow, and how often its model was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.llm = folder, FakeLLM(str.upper)
        self.result = folder / "ask"
        self.part = self.result / "_dataset" / "part-00000.arrow"
        self.ledger = folder / "ledger.sqlite"

    def run(self, **options: Any) -> list[str]:
        with DataDreamer(self.folder, **options):
            return list(self.step().output["generations"])

    def step(self) -> Prompt:
        texts = DataSource("Texts", {"text": [f"text {number}" for number in range(ROWS)]})
        return Prompt("Ask", inputs={"prompts": texts.output["text"]}, args={"llm": self.llm})


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work(tmp_path / "output")
    assert made.run() == EXPECTED and made.llm.calls == ROWS
    return made


# --- results ----------------------------------------------------------------------------------------------------------


def truncate(work: Work) -> None:
    work.part.write_bytes(work.part.read_bytes()[:-100])


def delete_part(work: Work) -> None:
    work.part.unlink()


def delete_dataset(work: Work) -> None:
    shutil.rmtree(work.result / "_dataset")


def damage_record(work: Work) -> None:
    (work.result / "step.json").write_text('{"name": "As')


def empty_record(work: Work) -> None:
    (work.result / "step.json").write_text("")


def delete_record(work: Work) -> None:
    (work.result / "step.json").unlink()


def delete_lineage(work: Work) -> None:
    next(work.result.glob("_dataset/lineage-*")).unlink()


@pytest.mark.parametrize(
    "damage",
    [truncate, delete_part, delete_dataset, damage_record, empty_record, delete_record, delete_lineage],
)
def test_a_damaged_result_is_made_again_without_a_call(
    work: Work, damage: Callable[[Work], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(work)
    with caplog.at_level("INFO", "datadreamer"):
        assert work.run() == EXPECTED
    assert work.llm.calls == ROWS
    assert not [check for check in runs.verify(work.folder) if check.problem]
    if damage is not delete_record:
        assert "part-00000" in caplog.text or "lineage-00000" in caplog.text or "step.json" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO", "datadreamer"):
        work.run()
    assert "'Ask' is finished already" in caplog.text and "again" not in caplog.text


def flip(file: Path, at: int | bytes) -> None:
    """Flip a bit in place, and set the clock of the file back."""
    stat, content = file.stat(), bytearray(file.read_bytes())
    content[content.index(at) if isinstance(at, bytes) else at] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def flip_a_cell(work: Work) -> None:
    flip(work.part, b"TEXT 17")


def flip_the_end(work: Work) -> None:
    flip(work.part, -9)


def flip_lineage(work: Work) -> None:
    lineage = next(work.result.glob("_dataset/lineage-*.arrow"))
    flip(lineage, lineage.stat().st_size // 2)


def swap_parts(work: Work) -> None:
    """A whole part of the same size, of another run."""
    other = Work(work.folder.with_name("other"))
    other.llm = FakeLLM(lambda prompt: prompt.swapcase()[::-1])
    other.run()
    assert other.part.stat().st_size == work.part.stat().st_size
    shutil.copy2(other.part, work.part)


def contradict_the_manifest(work: Work) -> None:
    record = work.result / "step.json"
    content = json.loads(record.read_text())
    content["dataset"]["columns"][0]["digest"] = "ddc1:" + "0" * 64
    record.write_text(json.dumps(content))  # without the checksum of its own


@pytest.mark.parametrize(
    "damage",
    [flip_a_cell, flip_the_end, flip_lineage, swap_parts, contradict_the_manifest],
    ids=lambda one: one.__name__,
)
def test_a_result_of_other_bytes_and_the_same_size_is_made_again_without_a_call(
    work: Work, damage: Callable[[Work], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(work)
    with caplog.at_level("INFO", "datadreamer"):
        assert work.run() == EXPECTED
    assert work.llm.calls == ROWS
    assert "is not what was written" in caplog.text or "contradicts itself" in caplog.text
    assert "Step 'Ask' is made again" in caplog.text
    assert not [check for check in runs.verify(work.folder) if check.problem]


def test_a_bit_flipped_anywhere_in_a_result_gives_the_same_rows_or_makes_it_again(work: Work) -> None:
    flips, whole = random.Random(11), work.folder.with_name("whole")
    shutil.copytree(work.folder, whole)
    files = [file.relative_to(whole) for file in whole.rglob("*") if file.is_file() and file.name != "ledger.sqlite"]
    files += [path for path in files if path.name == "step.json"] * 3
    for _ in range(80):
        shutil.rmtree(work.folder)
        shutil.copytree(whole, work.folder)
        file = work.folder / flips.choice(files)
        content = bytearray(file.read_bytes())
        if content:
            content[flips.randrange(len(content))] ^= 1 << flips.randrange(8)
        file.write_bytes(content)
        try:
            assert work.run() == EXPECTED, file
        except NewerVersionError:
            assert file.name == "step.json"  # a version that the bit made
            continue
        record = json.loads((work.result / "step.json").read_text())
        assert record["rows"] == {
            "input": ROWS,
            "output": ROWS,
            "filtered": 0,
            "failed": {},
            "expanded": 0,
            "pending": 0,
        }, file
    assert work.llm.calls == ROWS


def test_the_command_line_names_a_changed_record(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    record = work.result / "step.json"
    record.write_bytes(record.read_bytes().replace(b'"input": 300', b'"input": 301'))
    assert command(["verify", str(work.folder)]) == 1
    assert "its checksum is another" in capsys.readouterr().out
    for words in (["status", str(work.folder)], ["why", str(work.folder), "Ask"], ["losses", str(work.folder)]):
        assert command(words) == 0


def test_rows_that_rotted_since_they_were_found_are_refused_where_they_are_read(work: Work) -> None:
    with DataDreamer(work.folder):
        step = work.step()
        flip_a_cell(work)
        for read in (
            lambda: list(step.output["generations"]),
            lambda: step.output[3],
            lambda: step.output.to_arrow(),
            lambda: step.output.dataset,
            lambda: step.select(range(5, 0, -1)).output.to_list(),
            lambda: step.export_to_csv(str(work.folder / "rows.csv")),
            lambda: step.map(lambda row: row, lazy=False, name="Later"),
        ):
            with pytest.raises(DamagedFileError, match=r"part-00000.arrow is not what was written.*Delete"):
                read()
        assert not (work.folder / "rows.csv").exists() and not (work.folder / "later").exists()
    assert work.run() == EXPECTED and work.llm.calls == ROWS  # made again


def test_results_without_checksums_are_read_as_they_are(work: Work) -> None:
    record = work.result / "step.json"
    content = json.loads(record.read_text())
    for part in content["dataset"]["parts"]:
        del part["crc"], part["lineage_crc"]
    record.write_text(json.dumps(content))
    assert work.run() == EXPECTED and work.llm.calls == ROWS
    assert not [check for check in runs.verify(work.folder) if check.problem]


def test_a_part_swapped_for_one_of_the_same_size_is_found_by_verify(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["verify", str(work.folder)]) == 0
    swapped = work.part.read_bytes().replace(b"TEXT 17", b"TEXT 71", 1)
    work.part.write_bytes(swapped)
    capsys.readouterr()
    assert command(["verify", str(work.folder)]) == 1
    said = capsys.readouterr().out
    assert "DAMAGED  Ask: Column 'generations' does not hold what was written" in said and "Delete its folder" in said
    shutil.rmtree(work.result)  # the cure
    assert work.run() == EXPECTED and work.llm.calls == ROWS


def test_verify_reads_damaged_buffers_without_harm(work: Work) -> None:
    content = bytearray(work.part.read_bytes())
    problems = 0
    for at in range(0, len(content), 97):
        broken = bytearray(content)
        broken[at] ^= 0xFF
        work.part.write_bytes(broken)
        problems += any(check.problem for check in runs.verify(work.folder, ["Ask"]))
    assert problems > 0.8 * len(range(0, len(content), 97))  # the others are padding


def test_a_record_of_a_newer_version_is_refused(work: Work) -> None:
    record = json.loads((work.result / "step.json").read_text())
    (work.result / "step.json").write_text(json.dumps({**record, "record_version": 99, "rows": "a string by then"}))
    with pytest.raises(NewerVersionError, match="pip install --upgrade datadreamer"):
        work.run()


def test_half_a_part_of_a_killed_run_is_never_read(work: Work) -> None:
    shutil.rmtree(work.result)
    half = work.folder / "_work" / "deadbeef" / "_dataset"
    half.mkdir(parents=True)
    (half / ".part-00000.arrow.tmp").write_bytes(b"half")
    assert work.run() == EXPECTED


# --- the ledger -------------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_ledger_is_refused_and_mended(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    work.ledger.write_bytes(b"this is no database" * 1000)
    for suffix in ("-wal", "-shm"):
        Path(f"{work.ledger}{suffix}").unlink(missing_ok=True)
    with pytest.raises(DamagedFileError, match=rf"datadreamer rescue {work.folder}"):
        work.run()
    assert command(["verify", str(work.folder)]) == 1
    assert f"datadreamer rescue {work.folder}" in capsys.readouterr().out
    assert command(["rescue", str(work.folder)]) == 0
    assert work.run() == EXPECTED and work.llm.calls == ROWS  # the results did not need it
    assert list(work.folder.glob("ledger.sqlite.damaged-*"))


def test_another_database_is_refused(work: Work) -> None:
    work.ledger.unlink()
    with sqlite3.connect(work.ledger) as other:
        other.execute("CREATE TABLE mine (a)")
    with pytest.raises(DamagedFileError):
        work.run()


def test_a_damaged_page_costs_no_more_than_the_calls_in_it(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(work.ledger.read_bytes())
    page = int.from_bytes(content[16:18], "big") or 65536
    middle = len(content) // page // 2 * page
    content[middle : middle + page] = os.urandom(page)
    work.ledger.write_bytes(content)
    assert any(check.problem for check in runs.verify(work.folder) if check.kind == "ledger")
    assert command(["rescue", str(work.folder)]) == 0
    shutil.rmtree(work.result)
    assert work.run() == EXPECTED
    assert ROWS <= work.llm.calls < ROWS * 1.8
    assert command(["rescue", str(work.folder)]) == 0
    assert "not damaged" in capsys.readouterr().out


def test_a_newer_ledger_is_refused(work: Work) -> None:
    with sqlite3.connect(work.ledger) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NewerVersionError):
        work.run()


# --- the disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = shutil.which("mount") is not None and os.name == "posix" and os.getuid() == 0
    if mounted:
        command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    if not mounted:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("taken", [0, 3_000_000, 3_300_000, 3_600_000, 3_900_000, 4_190_000])
def test_a_full_disk_is_named_and_no_row_is_lost(small_disk: Path, taken: int) -> None:
    work = Work(small_disk / "output")
    (small_disk / "other").write_bytes(bytes(taken))
    try:
        assert work.run() == EXPECTED
    except FolderNotWritableError as error:
        assert taken and str(small_disk) in str(error)
    (small_disk / "other").unlink()
    assert work.run() == EXPECTED
    assert not [check for check in runs.verify(work.folder) if check.problem]


LIMITED = """
import resource, sys
from datadreamer import DataDreamer
from datadreamer.steps import DataSource

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
with DataDreamer(sys.argv[1], verbose=False):
    DataSource("Texts", {"text": [f"text {number} " * 20 for number in range(3000)]})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_file_that_may_not_grow_is_named_and_nothing_half_is_left(tmp_path: Path) -> None:
    script, folder = tmp_path / "script.py", tmp_path / "output"
    script.write_text(LIMITED)
    done = subprocess.run([sys.executable, str(script), str(folder), "300000"], capture_output=True, text=True)
    assert done.returncode == 1 and "FolderNotWritableError" in done.stderr, done.stderr
    assert "Texts" in done.stderr
    assert not (folder / "texts").exists()
    done = subprocess.run([sys.executable, str(script), str(folder), "30000000"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not [check for check in runs.verify(folder) if check.problem]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    if os.getuid() == 0:
        folder = Path("/proc/datadreamer")  # root may write anywhere else
    else:
        folder = tmp_path / "locked" / "output"
        folder.parent.mkdir(mode=0o500)
    with pytest.raises(FolderNotWritableError, match="Choose another"), DataDreamer(folder):
        pass


# --- two processes ----------------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from datadreamer import DataDreamer
with DataDreamer(sys.argv[1], verbose=False):
    print("in", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(tmp_path: Path, folder: Path, seconds: float) -> subprocess.Popen[str]:
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    process = subprocess.Popen([sys.executable, str(script), str(folder), str(seconds)], stdout=-1, text=True)
    assert process.stdout is not None and process.stdout.readline() == "in\n"
    return process


def test_a_second_process_fails_at_once_or_waits(tmp_path: Path, work: Work) -> None:
    with holder(tmp_path, work.folder, 1.0) as process:
        with pytest.raises(FolderInUseError, match=f"process {process.pid} "):
            work.run()
        assert work.run(wait=True) == EXPECTED


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, work: Work) -> None:
    with holder(tmp_path, work.folder, 60) as process:
        process.kill()
    assert work.run() == EXPECTED


# --- clocks -----------------------------------------------------------------------------------------------------------

BACKWARDS = """
import itertools, sys, time
real, jumps = time.time, itertools.count()
time.time = lambda: real() - 3600 * (next(jumps) // 5)  # an hour back at every fifth look

from datadreamer import DataDreamer, runs
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, Prompt

with DataDreamer(sys.argv[1], verbose=False):
    texts = DataSource("Texts", {"text": [str(number) for number in range(50)]})
    llm = FakeLLM("x")
    step = Prompt("Ask", inputs={"prompts": texts.output["text"]}, args={"llm": llm, "temperature": float(sys.argv[2])})
assert step.output.num_rows == 50 and llm.calls == int(sys.argv[3]), llm.calls
assert not [check for check in runs.verify(sys.argv[1]) if check.problem]
assert {one.state for one in runs.folder_status(sys.argv[1]).results} == {"finished"}
"""


def test_a_clock_that_jumps_backwards_changes_nothing(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(BACKWARDS)
    for temperature, calls in (("1", 50), ("1", 0), ("0.5", 50), ("1", 0)):
        subprocess.run([sys.executable, str(script), str(tmp_path / "output"), temperature, str(calls)], check=True)
    record = json.loads((tmp_path / "output" / "ask" / "step.json").read_text())
    assert record["seconds"] >= 0 and record["ended"] >= record["started"]
