"""What holds for every embedder: order, memory, lengths, batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from letters import Letters

from datadreamer.embedders import Embedder, ParallelEmbedder
from datadreamer.errors import (
    ContextLengthError,
    InvalidArgumentError,
    InvalidTypeError,
    ModelError,
    PermanentModelError,
)

TEXTS = ["a bad cab", "zebra", "abba", "zebra", "", "the quick brown fox"]


def same(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all((a == b).all() for a, b in zip(one, other, strict=True))


def test_vectors_come_in_the_order_of_the_texts_whatever_the_batches() -> None:
    whole = Letters()._embed_batch(TEXTS, False, None, {})
    for size, buffer in ((1, None), (2, None), (2, -1), (100, 3)):
        found = Letters().run(TEXTS, batch_size=size, batch_scheduler_buffer_size=buffer)
        assert same(found, whole)
        assert all(vector.dtype == np.float32 for vector in found)


def test_equal_texts_are_embedded_once() -> None:
    letters = Letters()
    letters.run(TEXTS)
    assert sorted(letters.asked) == sorted(set(TEXTS))


def test_remembered_vectors_are_the_same_bits_and_nothing_is_asked(tmp_path: Path) -> None:
    first = Letters(cache_folder_path=str(tmp_path)).run(TEXTS)
    again = Letters(cache_folder_path=str(tmp_path))
    assert same(again.run(TEXTS), first)
    assert again.batches == []
    assert same(again.run(TEXTS, cache_only=True), first)
    again.run(TEXTS, force=True)
    assert len(again.asked) == len(set(TEXTS))


def test_another_instruction_model_or_parameter_is_another_vector(tmp_path: Path) -> None:
    letters = Letters(cache_folder_path=str(tmp_path))
    plain = letters.run(["abc"])[0]
    led = letters.run(["abc"], instruction="zz ")[0]
    assert (led - plain)[25] == 2
    assert len(letters.asked) == 2
    letters.run(["abc"], instruction="zz ")
    letters.run(["abc"], batch_size=1)
    letters.run(["abc"], instruction="")
    assert len(letters.asked) == 2
    other = Letters("other letters", cache_folder_path=str(tmp_path))
    other.run(["abc"])
    assert len(other.asked) == 1


def test_a_text_that_is_too_long_is_named_before_anything_is_embedded() -> None:
    letters = Letters(most=3)
    texts = ["one two"] * 1500 + ["one two three four"]
    with pytest.raises(ContextLengthError, match=r"Text 1500 has 4 tokens.*takes 3.*truncate=True"):
        letters.run(texts)
    assert letters.batches == []
    with pytest.raises(ValueError, match="Text 1500"):
        letters.run(text for text in texts)  # read only once: seen when it comes


def test_the_instruction_counts_in_the_length() -> None:
    with pytest.raises(ContextLengthError, match="Text 0 has 4 tokens"):
        Letters(most=3).run(["one two three"], instruction="query: ")


def test_a_cut_text_and_a_whole_one_are_remembered_apart(tmp_path: Path) -> None:
    short = Letters(most=2, cache_folder_path=str(tmp_path))
    cut = short.run(["ab cd ef", "ab"], truncate=True)
    assert cut[0].sum() == 4
    with pytest.raises(ContextLengthError):
        short.run(["ab cd ef"])
    short.run(["ab"])  # it fits: with or without truncate it is the same vector
    assert short.asked.count("ab") == 1
    short.run(["ab cd ef"], truncate=True)
    assert short.asked.count("ab cd ef") == 1


def test_texts_are_taken_as_vectors_are_read() -> None:
    taken: list[int] = []

    def source() -> Iterator[str]:
        for number in range(5000):
            taken.append(number)
            yield f"text {number}"

    vectors = Letters().run(source(), return_generator=True)
    next(iter(vectors))
    assert len(taken) <= 1000


def test_what_cannot_be_embedded_is_refused_by_position() -> None:
    with pytest.raises(InvalidTypeError, match="not one str"):
        Letters().run("text")
    with pytest.raises(InvalidTypeError, match="Text 1 is int"):
        Letters().run(["a", 1])  # type: ignore[list-item]
    with pytest.raises(InvalidTypeError, match="Text 1 is None"):
        Letters().run(["a", None])  # type: ignore[list-item]
    with pytest.raises(InvalidArgumentError, match="Did you mean 'truncate'"):
        Letters().run(["a"], trunkate=True)
    with pytest.raises(InvalidArgumentError, match="batch_size is 0"):
        Letters().run(["a"], batch_size=0)
    with pytest.raises(ModelError, match=r"cache_only=True.*text 0: 'a'"):
        Letters().run(["a"], cache_only=True)


def test_a_missing_text_fails_alone_in_chunks() -> None:
    chunk = next(Letters().chunks(["ab", None, "b"]))
    assert chunk.vectors.shape == (3, 26)
    assert {place: failure.reason for place, failure in chunk.failures.items()} == {1: "no_input"}
    assert list(Letters().chunks([])) == []


def test_a_batch_that_does_not_fit_the_memory_is_made_smaller() -> None:
    class Small(Letters):
        def _embed_batch(self, texts: list[str], *more: Any) -> np.ndarray:
            if len(texts) > 2:
                raise MemoryError
            return super()._embed_batch(texts, *more)

    texts = [f"text {chr(97 + place)}" for place in range(9)]
    small = Small()
    assert same(small.run(texts, batch_size=8), Letters().run(texts))
    assert max(map(len, small.batches)) <= 2


def test_an_embedder_that_gives_too_few_vectors_is_named() -> None:
    class Wrong(Letters):
        def _embed_batch(self, texts: list[str], *more: Any) -> np.ndarray:
            return np.zeros((1, 3))

    with pytest.raises(ModelError, match=r"Wrong.*shape \(1, 3\) for 2 texts"):
        Wrong().run(["a", "b"])


def test_an_embedder_of_a_user_counts_by_its_code_and_arguments() -> None:
    class Mine(Embedder):
        def __init__(self, model_name: str, scale: float = 1.0) -> None:
            super().__init__(model_name)
            self.scale = scale

    assert Mine("m").spec() == Mine("m").spec()
    assert len({str(mine.spec()) for mine in (Mine("m"), Mine("n"), Mine("m", 2.0))}) == 3


# --- several side by side -------------------------------------------------------------------------------------------


def test_copies_side_by_side_give_the_same_vectors_in_order() -> None:
    texts = [f"text {number} {chr(97 + number % 26)}" for number in range(730)]
    several = ParallelEmbedder(Letters(), Letters(), Letters())
    assert same(several.run(texts, batch_size=5), Letters().run(texts))
    assert several.spec() == Letters().spec()
    assert several.dims == 26 and several.model_max_length == 100
    assert several.display_name.endswith("× 3")


def test_copies_name_the_text_by_its_position_among_all() -> None:
    several = ParallelEmbedder(Letters(most=3), Letters(most=3))
    with pytest.raises(ContextLengthError, match="Text 570 has 4 tokens"):
        several.run(["one"] * 570 + ["one two three four"], batch_size=3)


def test_a_copy_that_breaks_is_set_aside() -> None:
    class Broken(Letters):
        def _embed_batch(self, texts: list[str], *more: Any) -> np.ndarray:
            raise PermanentModelError("the device is gone")

    texts = [f"text {number}" for number in range(300)]
    assert same(ParallelEmbedder(Letters(), Broken()).run(texts), Letters().run(texts))
    with pytest.raises(PermanentModelError, match="the device is gone"):
        ParallelEmbedder(Broken()).run(texts)


def test_only_copies_of_one_model_go_side_by_side() -> None:
    with pytest.raises(InvalidArgumentError, match="these differ"):
        ParallelEmbedder(Letters("a"), Letters("b"))
    with pytest.raises(InvalidArgumentError, match="at least one"):
        ParallelEmbedder()
