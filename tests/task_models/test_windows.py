"""Texts that are longer than a classifier takes, read in overlapping windows: on real tiny models."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from datadreamer import _context
from datadreamer.errors import ContextLengthError, InvalidArgumentError, ModelError
from datadreamer.ledger import Ledger
from datadreamer.task_models import HFClassificationTaskModel, ParallelTaskModel
from datadreamer.task_models.windows import windows

WORDS = ["the", "film", "was", "good", "a", "bad", "and", "boring", "rain", "all", "day", *"0123456789"]
ROOM = 62  # tokens of a text in a window: 64, less <s> and </s>


def text(words: int, seed: int = 0) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


@pytest.fixture(scope="module")
def single(classifiers: Path) -> HFClassificationTaskModel:
    return HFClassificationTaskModel(str(classifiers / "single"), device="cpu")


def by_hand(model: Any, long: str, stride: int, how: str = "mean") -> dict[str, float]:
    """The simplest way: windows of words (each is one token), one forward pass each, no padding."""
    words, rows, weights = long.split(), [], []
    start = 0
    while True:
        part = words[start : start + ROOM]
        with torch.inference_mode():
            rows.append(model.model(**model.tokenizer(" ".join(part), return_tensors="pt")).logits[0].softmax(-1))
        weights.append(len(part))
        if start + ROOM >= len(words):
            break
        start += ROOM - stride
    stacked = torch.stack(rows)
    if how == "max":
        scores = stacked.max(0).values
    else:
        scores = (stacked * torch.tensor(weights)[:, None]).sum(0) / sum(weights)
    return dict(zip(("bad", "good", "fine"), scores.tolist(), strict=True))


def close(one: dict[str, float], other: dict[str, float]) -> bool:
    return one.keys() == other.keys() and all(math.isclose(one[name], other[name], abs_tol=1e-5) for name in one)


def test_windows_cover_every_token_and_overlap_by_the_stride() -> None:
    for length in range(1, 60):
        for stride in range(5):
            bare = list(range(100, 100 + length))
            found = windows([1, *bare, 2], bare, 7, {"long_texts": "window", "stride": stride})
            parts = [window.ids[1:-1] for window in found]
            assert all(window.ids[0] == 1 and window.ids[-1] == 2 and len(window) <= 7 for window in found)
            assert parts[0] + [token for part in parts[1:] for token in part[stride:]] == bare
            assert all(len(part) > stride for part in parts[1:])
            assert [window.own for window in found] == list(map(len, parts))


@pytest.mark.parametrize("words", [63, 100, 109, 500])
def test_scores_of_a_long_text_are_those_of_its_windows(single: HFClassificationTaskModel, words: int) -> None:
    long = text(words)
    found = single.run([long], long_texts="window")
    assert close(found[0], by_hand(single, long, ROOM // 4))
    assert math.isclose(sum(found[0].values()), 1.0, abs_tol=1e-5)
    (none,) = single.run([long], long_texts="window", stride=0)
    assert close(none, by_hand(single, long, 0))
    (largest,) = single.run([long], long_texts="window", stride=20, window_scores="max")
    assert close(largest, by_hand(single, long, 20, "max"))


def test_windows_of_all_texts_share_batches_and_the_order_is_kept(single: HFClassificationTaskModel) -> None:
    rows = [text(words, seed) for seed, words in enumerate([3, 300, 62, 63, 1, 700, 20, 3, 120])]
    alone = [single.run([row], batch_size=1, long_texts="window")[0] for row in rows]
    for size in (2, 16):
        assert all(map(close, single.run(rows, batch_size=size, long_texts="window"), alone))
    batches: list[int] = []

    class Watched(HFClassificationTaskModel):
        def _scores_of(self, ids: list[list[int]]) -> list[dict[str, float]]:
            batches.append(len(ids))
            return super()._scores_of(ids)

    Watched(single.model_name, device="cpu").run(rows, batch_size=8, long_texts="window")
    assert len(batches) <= math.ceil(sum(batches) / 8)
    short = [row for row in rows if len(row.split()) <= ROOM]
    assert all(map(close, single.run(short, long_texts="window"), single.run(short)))


def test_windows_count_for_long_texts_alone(single: HFClassificationTaskModel, tmp_path: Path) -> None:
    long, short = text(200), text(20)
    ledger = Ledger.open(tmp_path / "ledger.sqlite")

    def calls(rows: list[str], **given: Any) -> tuple[int, int]:
        scope = _context.StepScope(name="Score", fingerprint="f", ledger=ledger)
        with _context.running(scope):
            single.run(rows, **given)
        return scope.stats.calls, scope.stats.hits

    assert calls([short]) == (1, 0)
    assert calls([short, long, short], long_texts="window") == (1, 2)
    assert calls([long, short], long_texts="window") == (0, 2)
    assert calls([long, short], long_texts="window", cache_only=True) == (0, 2)
    assert calls([long, short], long_texts="window", stride=3) == (1, 1)
    assert calls([long, short], long_texts="window", window_scores="max") == (1, 1)
    assert calls([long], long_texts="window", force=True) == (1, 0)
    with pytest.raises(ContextLengthError):
        calls([long])  # what was read in windows is no answer to a question without them
    with pytest.raises(ModelError, match="no remembered result for text 1"):
        calls([long, text(201, 9)], long_texts="window", cache_only=True)
    ledger.close()


def test_a_multi_label_model_and_a_regression_model_read_windows_too(classifiers: Path) -> None:
    for kind in ("multi", "regression", "causal"):
        model = HFClassificationTaskModel(str(classifiers / kind), device="cpu")
        first, second = " ".join(text(200).split()[:ROOM]), " ".join(text(200).split()[ROOM : 2 * ROOM])
        halves = model.run([first, second])
        (whole,) = model.run([f"{first} {second}"], long_texts="window", stride=0)
        assert close(whole, {label: (halves[0][label] + halves[1][label]) / 2 for label in whole})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"long_texts": "windows"}, "long_texts is 'windows'"),
        ({"long_texts": "window", "truncate": True}, "pass one"),
        ({"stride": 3}, 'for long_texts="window"'),
        ({"long_texts": "window", "stride": -1}, "at least 0"),
        ({"long_texts": "window", "stride": 62}, "holds 62 tokens"),
        ({"long_texts": "window", "window_scores": "median"}, "'median'"),
        ({"long_text": "window"}, "Did you mean 'long_texts'"),
    ],
)
def test_values_that_make_no_sense_are_named(
    single: HFClassificationTaskModel, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        single.run([text(200)], **given)
    with pytest.raises(InvalidArgumentError, match=words):
        ParallelTaskModel(single).run([text(200)], **given)


def test_copies_side_by_side_read_windows_and_name_the_row_of_the_whole_input(classifiers: Path) -> None:
    copies = [HFClassificationTaskModel(str(classifiers / "single"), device="cpu") for _ in range(2)]
    rows = [text(5, seed) for seed in range(50)]
    rows[37] = text(150)
    both = ParallelTaskModel(*copies)
    with pytest.raises(ContextLengthError, match="Text 37 has 152 tokens"):
        both.run(rows, batch_size=1)
    found = both.run(rows, batch_size=1, long_texts="window")
    assert close(found[37], by_hand(copies[0], rows[37], ROOM // 4))
