"""Trains in forks of one warm process and kills them: while rows are prepared, while it trains, while it commits.

    python training_fork_server.py FOLDER KILLS SEED      prints a JSON object: how often and where, and what was wrong

This process starts no thread; every session is in a child.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1] / "trainers"))

import tiny
import transformers

from datadreamer import DataDreamer, runs
from datadreamer.engine import training  # noqa: F401
from datadreamer.ledger import FileDigests
from datadreamer.steps import DataSource
from datadreamer.trainers import TrainHFFineTune
from datadreamer.trainers.work import (
    finetune,  # noqa: F401
    registry,  # noqa: F401
)

ROWS = {"q": [q for q, _ in tiny.PAIRS[:12]], "a": [a for _, a in tiny.PAIRS[:12]]}
# What a training leaves on its way, by the name of the time from there on.
MILESTONES = {
    "preparing": "_work",
    "training": "_work/*/job/encoded/train.json",
    "saving a checkpoint": "_work/*/job/checkpoints/checkpoint-*",
    "finishing": "_work/*/job/result.json",
    "committing": "_work/*/done",
    "writing the record": "_work/*/done/trainer.json",
}


class Present(transformers.TrainerCallback):
    """A callable, with which trainings run in the session's own process."""

    def __datadreamer_fingerprint__(self) -> str:
        return "present"


def workflow(base: Path, output: Path) -> None:
    """One training of two epochs."""
    with DataDreamer(output, verbose=False):
        rows = DataSource("Rows", ROWS)
        trainer = TrainHFFineTune("Train", str(base), device="cpu")
        trainer.train(
            rows["q"],
            rows["a"],
            rows["q"],
            rows["a"],
            epochs=2,
            batch_size=4,
            learning_rate=1e-2,
            callbacks=[Present()],
        )


def weights(output: Path) -> str:
    return FileDigests(None).digest(output / "train" / "_model" / "model.safetensors").digest


def in_child(work: Callable[[], Any], errors: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        errors.write_text(traceback.format_exc())
    finally:
        os._exit(status)


def ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def kill_after(pid: int, output: Path, milestone: str, before: set[Path], seconds: float) -> None:
    """Kill the child some time after it has reached a milestone anew, if it gets there."""
    while not ended(pid) and not set(output.glob(MILESTONES[milestone])) - before:
        time.sleep(0.0005)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)


def until_done(base: Path, output: Path, moments: random.Random, kills: Counter[str], most: int) -> str | None:
    """Kill the training until it has ended once; gives what went wrong."""
    errors = output.with_name("error")
    while True:
        there = {name: set(output.glob(pattern)) for name, pattern in MILESTONES.items()}
        ahead = [name for name in MILESTONES if not there[name] or "checkpoint" in name]
        milestone = min(ahead, key=lambda name: (kills[name], moments.random()))
        pid = in_child(lambda: workflow(base, output), errors)
        if kills.total() < most:
            kill_after(pid, output, milestone, there[milestone], moments.uniform(0, 0.03))
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            kills[milestone] += 1
        elif os.WEXITSTATUS(status):
            return errors.read_text()
        else:
            break
    if os.waitpid(in_child(lambda: check(base, output), errors), 0)[1]:
        return errors.read_text()
    return None


def check(base: Path, output: Path) -> None:
    """Everything that has to hold once the training has ended."""
    made, at = weights(output), (output / "train" / "trainer.json").stat().st_mtime_ns
    workflow(base, output)
    assert (output / "train" / "trainer.json").stat().st_mtime_ns == at, "trained again"
    assert made == (output.parent / "expected").read_text(), "another model"
    damaged = [found for found in runs.verify(output) if found.problem is not None]
    assert not damaged, damaged
    assert not any((output / "_work").iterdir()), list((output / "_work").rglob("*"))


def main(top: Path, most: int, seed: int) -> dict[str, Any]:
    moments, kills, wrong, done = random.Random(seed), Counter[str](), [], 0
    base, expected = tiny.causal(top / "base"), top / "whole"
    if os.waitpid(in_child(lambda: workflow(base, expected), top / "error"), 0)[1]:
        return {"kills": {}, "runs": 0, "wrong": [(top / "error").read_text()]}
    (top / "expected").write_text(weights(expected))
    while kills.total() < most and not wrong:
        before = kills.total()
        problem = until_done(base, top / "output", moments, kills, most)
        done += 1
        if problem:
            wrong.append(f"after {kills.total() - before} kills: {problem}")
        shutil.rmtree(top / "output")
    return {"kills": kills, "runs": done, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
