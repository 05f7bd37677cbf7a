"""Sessions in temporary folders, and a chat completions server that counts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import Server

from datadreamer import DataDreamer, _context


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Callable[[], Any]], Any]:
    """Run a workflow in the test's folder, as often as wanted: `run(workflow)`."""

    def run_workflow(workflow: Callable[[], Any], folder: str = "output") -> Any:
        with DataDreamer(tmp_path / folder):
            return workflow()

    return run_workflow


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test depends on the keys of whoever runs it, and none leaves a session behind."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_OPENAI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    yield
    session = _context.session()
    if session is not None:
        session.stop()
    logging.getLogger("datadreamer").setLevel(logging.NOTSET)
