"""The command, run for real in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import datadreamer

sys.path.insert(0, str(Path(__file__).parents[1] / "runs"))

Command = Callable[..., subprocess.CompletedProcess[str]]


def plain_environment() -> dict[str, str]:
    """The environment without the width of somebody's terminal: test runners set it."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """`command("status", folder)`: what `datadreamer status folder` prints, and its exit code."""

    def run(*words: object, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        source = str(Path(datadreamer.__file__).parents[1])
        return subprocess.run(
            [sys.executable, "-m", "datadreamer", *map(str, words)],
            env={**plain_environment(), "PYTHONPATH": source, "PYTHONIOENCODING": "utf-8", **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
        )

    return run
