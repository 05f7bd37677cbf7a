"""What the tests of the call engine share: a server on loopback, a ledger on disk, a running step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import Server

from datadreamer import _context
from datadreamer.ledger import Ledger


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def scope(ledger: Ledger) -> Iterator[_context.StepScope]:
    running = _context.StepScope("Ask", "ddw1:0", ledger)
    with _context.running(running):
        yield running


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the keys, servers and proxies of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_OPENAI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
