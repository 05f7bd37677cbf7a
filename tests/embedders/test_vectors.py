"""Vectors as the ledger keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from letters import Letters

from datadreamer.embedders import vectors
from datadreamer.ledger import Redactor
from datadreamer.llms.engine.memory import Memory

floats = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(
    st.integers(1, 20).flatmap(
        lambda dims: arrays.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(dims)), elements=floats)
    )
)
def test_vectors_survive_bit_for_bit(matrix: np.ndarray) -> None:
    packed = vectors.pack(matrix)
    dims = matrix.shape[1]
    assert [len(row) for row in packed] == [vectors.packed_size(dims)] * len(matrix)
    assert vectors.unpack(packed, dims).tobytes() == matrix.tobytes()
    assert all(isinstance(json.loads(row), str) for row in packed)
    assert vectors.dims_of(vectors.describe(dims)) == dims


def test_no_vector_ever_looks_like_a_key() -> None:
    redactor = Redactor(values=["hunter22", "AAAAAAAA"])
    rng = np.random.default_rng(0)
    # every bit pattern may occur, those that spell the beginnings of keys in base64 too
    spelt = [b"AKIA" + b"A" * 16, b"ghp_" + b"a" * 36, b"sk-" + b"b" * 48, b"AIza" + b"c" * 35]
    random = rng.integers(0, 256, (2000, 96), dtype=np.uint8)
    for place, word in enumerate(spelt):
        random[place, : len(word)] = np.frombuffer(word, np.uint8)
    for row in vectors.pack(random.view("<f4")):
        assert redactor.data(row) == row


def test_a_vector_that_is_not_whole_is_asked_again(tmp_path: Path) -> None:
    letters = Letters(cache_folder_path=str(tmp_path))
    letters.run(["abc", "def"])
    (ledger,) = Memory.of(letters, None).ledgers  # type: ignore[arg-type]
    (key, record), _ = ledger.calls()
    ledger.put_call(key, type(record)(text=record.text, response=record.response[:-20]))
    again = Letters(cache_folder_path=str(tmp_path))
    assert (again.run(["abc"])[0] == letters.run(["abc"], force=True)[0]).all()


def test_a_record_says_what_was_asked(tmp_path: Path) -> None:
    letters = Letters(cache_folder_path=str(tmp_path))
    letters.run(["one two"], instruction="query: ")
    (ledger,) = Memory.of(letters, None).ledgers  # type: ignore[arg-type]
    ((_, record),) = ledger.calls()
    asked = json.loads(record.request)
    assert asked["text"] == "one two" and asked["instruction"] == "query: "
    assert record.text == "26 float32" and record.usage.input_tokens == 3 and record.model == "letters"
