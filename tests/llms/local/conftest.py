from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_models
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """A model this small only waits for its threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model of every kind: plain, chat, t5, and a LoRA adapter for the last two."""
    root = tmp_path_factory.mktemp("models")
    tiny_models.save_llama(root / "plain")
    tiny_models.save_llama(root / "chat", chat=True, seed=1)
    tiny_models.save_t5(root / "t5")
    tiny_models.save_lora(root / "chat-lora", root / "chat")
    tiny_models.save_lora(root / "t5-lora", root / "t5", "SEQ_2_SEQ_LM")
    return root
