"""A served model of each kind, and the clients that others wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test depends on the keys, servers and proxies of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "DATADREAMER_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    yield
