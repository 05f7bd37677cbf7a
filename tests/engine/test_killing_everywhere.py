"""SIGKILL, a hundred times, at any moment of a whole workflow; and once in the middle of rows that are written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datadreamer.cards import read_step

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes to kill them")

SERVER = Path(__file__).with_name("fork_server.py")
KILLS = 100


def test_a_hundred_kills_cost_no_row_and_no_answer(tmp_path: Path) -> None:
    command = [sys.executable, str(SERVER), str(tmp_path), str(KILLS), "20250101"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["kills"] == KILLS  # over one workflow on a slow day, over several on a quick one
    assert found["runs"] >= 1


ROWS = 400
SLOW = f"""
import sys, time
from datadreamer import DataDreamer
from datadreamer.steps import Column, DataSource, Step, output

class Spread(Step):
    '''Fails for some rows, drops some, makes two of some.'''

    n: Column[int]
    m: int = output()

    def process(self, n):
        with open(sys.argv[2], "a") as log:
            log.write(f"{{n}}\\n")
        time.sleep(0.01)
        if n % 7 == 3:
            raise ValueError("lost")
        if n % 5 == 0:
            return None
        return [{{"m": n}}] * (2 if n % 3 == 0 else 1)

with DataDreamer(sys.argv[1], verbose=False):
    step = Spread("Spread", n=DataSource("Numbers", {{"n": list(range({ROWS}))}})["n"])
    expected = [n for n in range({ROWS}) if n % 7 != 3 and n % 5 for _ in range(2 if n % 3 == 0 else 1)]
    assert list(step["m"]) == expected
"""


def test_counts_of_a_step_that_goes_on_in_the_middle_are_exact(tmp_path: Path) -> None:
    script, log = tmp_path / "script.py", tmp_path / "log"
    script.write_text(SLOW)
    command = [sys.executable, str(script), str(tmp_path / "output"), str(log)]
    with subprocess.Popen(command) as process:
        while not log.exists() or len(log.read_text().splitlines()) < ROWS * 0.8:
            time.sleep(0.02)
        process.kill()
    subprocess.run(command, check=True, timeout=60)
    rows = read_step(tmp_path / "output" / "spread").rows
    lost = sum(n % 7 == 3 for n in range(ROWS))
    filtered = sum(n % 7 != 3 and n % 5 == 0 for n in range(ROWS))
    expanded = sum(n % 7 != 3 and n % 5 != 0 and n % 3 == 0 for n in range(ROWS))
    assert len(log.read_text().splitlines()) < ROWS * 1.7, "it did not go on in the middle"
    assert (rows.lost, rows.filtered, rows.expanded) == (lost, filtered, expanded)


TRAINING_SERVER = Path(__file__).with_name("training_fork_server.py")
TRAINING_KILLS = 15


def test_kills_while_a_model_is_trained_and_committed_give_the_same_model(tmp_path: Path) -> None:
    command = [sys.executable, str(TRAINING_SERVER), str(tmp_path), str(TRAINING_KILLS), "20250202"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert sum(found["kills"].values()) == TRAINING_KILLS
    assert len(found["kills"]) >= 4, "of six phases"
