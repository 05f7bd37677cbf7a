"""Modules written for a test: the real import system loads them from a folder of their own."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest


@pytest.fixture
def load(tmp_path) -> Iterator[Callable[..., ModuleType]]:
    """`load(source, name)` writes a file in a new folder and imports it."""
    count = itertools.count()
    loaded: list[str] = []

    def load(source: str, name: str = "program") -> ModuleType:
        folder = tmp_path / f"folder{next(count)}"
        folder.mkdir()
        file = folder / f"{name}.py"
        file.write_text(textwrap.dedent(source), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        loaded.append(name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in loaded:
        sys.modules.pop(name, None)
