"""Runs a recipe in a session of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer, _context


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Run a workflow in one session of the test's folder, as often as wanted: `run(workflow)`."""

    def run_workflow(workflow: Callable[[], Any], **options: Any) -> Any:
        with DataDreamer(tmp_path / "output", **{"verbose": False, **options}):
            return workflow()

    return run_workflow


@pytest.fixture(autouse=True)
def no_session_is_left_behind() -> Iterator[None]:
    yield
    left = _context.session()
    if left is not None:
        left.stop()
