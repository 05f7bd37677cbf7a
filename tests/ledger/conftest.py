"""A ledger in a temporary folder, and records to put into it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datadreamer.ledger import CallRecord, Ledger, Redactor, Usage


@pytest.fixture(params=["file", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """Every fact about the ledger holds in a file and in memory."""
    path = tmp_path / "ledger.sqlite" if request.param == "file" else ":memory:"
    with Ledger.open(path, redactor=Redactor()) as opened:
        yield opened


@pytest.fixture
def key() -> Callable[[int], bytes]:
    return lambda number: hashlib.sha256(str(number).encode()).digest()


@pytest.fixture
def call() -> Callable[..., CallRecord]:
    def make(number: int = 0, **fields: object) -> CallRecord:
        values = {
            "text": f"answer {number}",
            "step": "Ask",
            "usage": Usage(input_tokens=10, output_tokens=number),
            "request": b'{"prompt":"question %d"}' % number,
            "response": b'{"text":"answer %d"}' % number,
            "cost_usd": 0.5,
            "started": 100.0 + number,
            "ended": 101.0 + number,
        }
        return CallRecord(**{**values, **fields})  # type: ignore[arg-type]

    return make
