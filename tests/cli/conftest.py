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


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """`command("status", folder)`: what `datadreamer status folder` prints, and its exit code."""

    def run(*words: object, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        source = str(Path(datadreamer.__file__).parents[1])
        return subprocess.run(
            [sys.executable, "-m", "datadreamer", *map(str, words)],
            env={**os.environ, "PYTHONPATH": source, "PYTHONIOENCODING": "utf-8", **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
        )

    return run
