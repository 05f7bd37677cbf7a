"""Stand-ins for the servers of vLLM and llama.cpp, as executables."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FAKE = Path(__file__).parent / "fake"


@pytest.fixture
def seen(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """What the servers that were started have been told, the oldest first."""
    folder = tmp_path / "seen"
    folder.mkdir()

    def read() -> list[dict[str, Any]]:
        files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [json.loads(path.read_text()) for path in files]

    return read


@pytest.fixture
def environment(tmp_path: Path, seen: Any) -> dict[str, str]:
    """Variables with which the stand-ins are found."""
    return {"PYTHONPATH": os.pathsep.join([str(FAKE), *sys.path]), "FAKE_SEEN": str(tmp_path / "seen")}


@pytest.fixture
def llama_server(tmp_path: Path) -> str:
    """An executable called `llama-server`."""
    program = tmp_path / "bin" / "llama-server"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom fake_server import main\nmain('--alias', 'LLAMA_API_KEY')\n")
    program.chmod(0o755)
    return str(program)
