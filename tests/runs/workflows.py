"""Small workflows whose folders the tests look at, and one that runs in a process of its own to be stopped."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import datadreamer
from datadreamer import DataDreamer
from datadreamer.errors import ModelError
from datadreamer.llms import FakeLLM
from datadreamer.runs import FolderStatus, ResultStatus, folder_status
from datadreamer.steps import DataFromPrompt, ProcessWithPrompt

ROWS = 12
SLOW = """
import sys
from datadreamer import DataDreamer
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataFromPrompt, ProcessWithPrompt

with DataDreamer(sys.argv[1], verbose=False):
    answers = [f"text {n}" for n in range(400)]
    texts = DataFromPrompt("Draw texts", llm=FakeLLM(answers), n=400, instruction="Write.")
    ProcessWithPrompt(
        "Label texts",
        inputs=texts["generations"],
        llm=FakeLLM("ok", latency=float(sys.argv[2])),
        instruction="Label.",
        batch_size=1,
    )
"""


def run(folder: Path, instruction: str = "Write.", failing: str | None = None, keep: str = "kept") -> None:
    """Draw texts, label them (those of which the model does not fail), and keep some: two stored steps and a view."""

    def fail(prompt: str) -> ModelError | None:
        return ModelError("not today") if failing is not None and failing in prompt else None

    with DataDreamer(folder, verbose=False):
        texts = DataFromPrompt(
            "Draw texts", llm=FakeLLM([f"text {n}" for n in range(ROWS)]), n=ROWS, instruction=instruction
        )
        labels = ProcessWithPrompt(
            "Label texts", inputs=texts["generations"], llm=FakeLLM("good", fail=fail), instruction="Label."
        )
        few = labels.take(len(labels.output) // 2)
        few.map(lambda row: {"size": len(row["inputs"])}, name=keep, lazy=False)


@contextlib.contextmanager
def running(folder: Path, latency: float = 0.05) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the middle of its second step; ended with the body."""
    environment = {**os.environ, "PYTHONPATH": str(Path(datadreamer.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(folder), str(latency)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(folder, lambda status: (result(status, "Label texts").answers or 0) >= 2)
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(folder: Path, true: Callable[[FolderStatus], bool], seconds: float = 60) -> FolderStatus:
    """Look at the folder, as often as it takes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(datadreamer.errors.DataDreamerError, StopIteration):
            status = folder_status(folder)
            if true(status):
                return status
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def result(status: FolderStatus, name: str) -> ResultStatus:
    return next(one for one in status.results if one.name == name)
