"""What HFClassificationTaskModel answers, on real tiny models."""

from __future__ import annotations

import math
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from datadreamer.errors import ContextLengthError, PermanentModelError
from datadreamer.task_models import HFClassificationTaskModel

WORDS = ["the", "film", "was", "good", "a", "bad", "and", "boring", "rain", "all", "day", *"0123456789"]


def texts(count: int = 40) -> list[str]:
    choose = random.Random(0)
    return [" ".join(choose.choices(WORDS, k=choose.randint(1, 40))) for _ in range(count)]


def close(left: list[dict[str, float]], right: list[dict[str, float]]) -> bool:
    return all(
        one.keys() == other.keys() and all(math.isclose(one[label], other[label], abs_tol=1e-5) for label in one)
        for one, other in zip(left, right, strict=True)
    )


@pytest.fixture(scope="module")
def single(classifiers: Path) -> HFClassificationTaskModel:
    return HFClassificationTaskModel(str(classifiers / "single"), device="cpu")


def test_scores_are_those_of_the_model_by_label(single: HFClassificationTaskModel) -> None:
    result = single.run(["the film was good"])[0]
    with torch.inference_mode():
        logits = single.model(**single.tokenizer("the film was good", return_tensors="pt")).logits[0]
    wanted = dict(zip(("bad", "good", "fine"), logits.softmax(-1).tolist(), strict=True))
    assert list(result) == ["bad", "good", "fine"]
    assert close([result], [wanted])
    assert math.isclose(sum(result.values()), 1.0, abs_tol=1e-5)


@pytest.mark.parametrize("kind", ["single", "causal"])
def test_batch_size_and_order_do_not_change_scores(classifiers: Path, kind: str) -> None:
    model = HFClassificationTaskModel(str(classifiers / kind), device="cpu")
    rows = texts()
    alone = model.run(rows, batch_size=1)
    assert close(model.run(rows, batch_size=16), alone)
    assert close(model.run(rows[::-1], batch_size=7, batch_scheduler_buffer_size=-1)[::-1], alone)
    assert max(result[next(iter(result))] for result in alone) - min(next(iter(r.values())) for r in alone) > 0.01


def test_labels_of_a_multi_label_model_are_independent(classifiers: Path) -> None:
    model = HFClassificationTaskModel(str(classifiers / "multi"))
    logits = model.model(**model.tokenizer("bad film", return_tensors="pt")).logits[0]
    assert close(model.run(["bad film"]), [dict(zip(("bad", "good", "fine"), logits.sigmoid().tolist(), strict=True))])


def test_a_regression_model_gives_its_value(classifiers: Path) -> None:
    model = HFClassificationTaskModel(str(classifiers / "regression"))
    logits = model.model(**model.tokenizer("bad film", return_tensors="pt")).logits[0]
    assert close(model.run(["bad film"]), [{"score": logits.item()}])


def test_an_adapter_brings_head_and_labels(classifiers: Path, single: HFClassificationTaskModel) -> None:
    model = HFClassificationTaskModel(str(classifiers / "lora"))
    assert list(model.run(["bad film"])[0]) == ["spam", "ham"]
    assert model.spec() != single.spec()


def test_a_model_without_a_trained_head_is_refused(classifiers: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(classifiers / "single", tmp_path / "headless")
    weights = load_file(folder / "model.safetensors")
    body = {name: weight for name, weight in weights.items() if not name.startswith("classifier")}
    save_file(body, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(PermanentModelError, match=r"no weights for classifier.bias, classifier.weight.*random"):
        HFClassificationTaskModel(str(folder)).run(["good"])


def test_a_long_text_is_an_error_unless_cut(single: HFClassificationTaskModel) -> None:
    long = "rain " * 100
    with pytest.raises(ValueError, match="Text 1 has 102 tokens") as caught:
        single.run(["good", long])
    assert isinstance(caught.value, ContextLengthError)
    assert "truncate=True" in str(caught.value)
    assert close(single.run([long], truncate=True), single.run(["rain " * 62]))


def test_tokens_are_counted(single: HFClassificationTaskModel) -> None:
    assert single.model_max_length == 64
    assert single.count_tokens("rain all day") == 3
    assert single.final_count_tokens("rain all day") == 5
    assert single.count_tokens("") == 0


def test_unloading_frees_the_model_and_it_comes_back(classifiers: Path) -> None:
    model = HFClassificationTaskModel(str(classifiers / "single"))
    before = model.run(["good"])
    model.unload_model()
    assert model._hf._live_model is None
    assert model.run(["good"]) == before


def test_nothing_is_printed(classifiers: Path, capfd: pytest.CaptureFixture[str]) -> None:
    HFClassificationTaskModel(str(classifiers / "lora")).run(["good"])
    assert capfd.readouterr() == ("", "")


def test_the_dtype_counts_and_the_device_does_not(classifiers: Path) -> None:
    def spec(**arguments: Any) -> dict[str, Any]:
        return HFClassificationTaskModel(str(classifiers / "single"), **arguments).spec()

    model = HFClassificationTaskModel(str(classifiers / "single"))
    assert model.display_name == "HFClassificationTaskModel (single)"
    assert model.served_name == model.spec()["digest"][:19]
    assert spec(device="cpu") == spec()
    assert spec(dtype="bfloat16") != spec()
