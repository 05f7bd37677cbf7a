"""`datadreamer demo` makes what it says, offline, and a second time asks nothing and loads nothing heavy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import datadreamer
from datadreamer.cli import main
from datadreamer.runs import folder_status, rows_of

ROWS = 24
SOURCE = str(Path(datadreamer.__file__).parents[1])


PLAIN = {name: value for name, value in os.environ.items() if name != "COLUMNS"}  # test runners set a width


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**PLAIN, "PYTHONPATH": SOURCE, "PYTHONIOENCODING": "utf-8", **environment},
        timeout=240,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The demo, run once; without a network, if anything asked for one."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("demo") / "demo"
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    said = python(
        "-m", "datadreamer", "demo", "--output", str(folder), "--rows", str(ROWS), OMP_NUM_THREADS="1", **nowhere
    )
    assert said.returncode == 0, said.stderr
    return folder, said


def test_first_lines_tell_a_stranger_what_happens_and_why(made):
    first = made[1].stdout.splitlines()[:4]
    assert "without a key and without a network" in first[0]
    assert f"writes {ROWS} product reviews" in first[2]


def test_everything_it_names_is_there(made):
    folder, said = made
    named = [
        line.split("  ")[-1].strip()
        for line in said.stdout.splitlines()
        if line.endswith((".md", ".parquet", ".jsonl", "_model", ".json", ".sqlite"))
    ]
    assert len(named) == 8
    assert all(Path(name).exists() for name in named)
    cards = [name for name in named if name.endswith("README.md") and Path(name).parent != folder]
    assert len(cards) == 2
    assert all("toy" in Path(name).read_text(encoding="utf-8") for name in cards)


def test_exports_hold_the_reviews_that_passed(made):
    folder, _ = made
    lines = (folder / "reviews.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows == list(rows_of(folder, "Reviews").iterate())
    assert 0 < len(rows) <= ROWS
    assert all(row["label"] == row["ordered"] == row["attributes"]["sentiment"] for row in rows)


def test_held_out_quality_is_shown_before_and_after(made):
    _, said = made
    line = next(line for line in said.stdout.splitlines() if line.startswith("Accuracy"))
    assert line.count("%") == 2 and "before training" in line


def test_second_run_asks_nothing_says_so_and_loads_no_torch(made):
    folder, _ = made
    before = folder_status(folder)
    code = (
        "import sys; from datadreamer.cli import main;"
        f"code = main(['demo', '--output', {str(folder)!r}, '--rows', '{ROWS}']);"
        "print([name for name in ('torch', 'transformers', 'datasets') if name in sys.modules]); sys.exit(code)"
    )
    said = python("-c", code)
    assert said.returncode == 0, said.stderr
    assert "Nothing was asked: every result was found finished" in said.stdout
    assert said.stdout.splitlines()[-1] == "[]"
    after = folder_status(folder)
    assert (after.calls, after.totals) == (before.calls, before.totals)
    assert before.calls == 3 * ROWS and after.unfinished == []


def test_quiet_leaves_only_what_came_of_it(made):
    folder, _ = made
    said = python("-m", "datadreamer", "demo", "--output", str(folder), "--rows", str(ROWS), "--quiet")
    assert said.stderr == ""
    assert said.stdout.startswith(f"{ROWS} reviews written and labelled")


def test_without_torch_it_says_how_to_install_it(tmp_path):
    code = "import sys; from datadreamer.cli import main; sys.exit(main(['demo']))"
    said = python("-S", "-c", code)  # without site-packages nothing is installed
    assert said.returncode == 1 and said.stderr.count("\n") == 1
    assert "needs torch" in said.stderr and 'pip install "datadreamer[train]"' in said.stderr


def test_too_few_rows_are_refused_before_anything_runs(tmp_path, capsys):
    assert main(["demo", "--rows", "3", "--output", str(tmp_path / "demo")]) == 1
    assert "at least" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_run_that_made_something_without_asking_does_not_say_that_all_was_there(made, tmp_path):
    folder = tmp_path / "demo"
    shutil.copytree(made[0], folder)
    shutil.rmtree(folder / "reviews")
    said = python("-m", "datadreamer", "demo", "--output", str(folder), "--rows", str(ROWS), "--quiet")
    assert said.returncode == 0, said.stderr
    assert "0 calls, 0 tokens" in said.stdout and "found finished" not in said.stdout
