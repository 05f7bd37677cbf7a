from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_classifiers
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """A model this small only waits for its threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small classifier of every kind."""
    root = tmp_path_factory.mktemp("classifiers")
    tiny_classifiers.save_classifier(root / "single")
    tiny_classifiers.save_classifier(root / "multi", problem="multi_label_classification")
    tiny_classifiers.save_classifier(root / "regression", labels=("score",), problem="regression")
    tiny_classifiers.save_causal_classifier(root / "causal")
    tiny_classifiers.save_lora(root / "lora", root / "single", ("spam", "ham"))
    return root
