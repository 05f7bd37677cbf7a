"""What HFTransformers takes beside prompts: quantization, devices, batch sizes, functions, parts of messages."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tiny_models
import torch

from datadreamer import _context, identity
from datadreamer.bundled import toy_model_path
from datadreamer.errors import BadRequestError, InvalidArgumentError, PermanentModelError
from datadreamer.ledger import Ledger
from datadreamer.llms import HFTransformers
from datadreamer.llms.engine.memory import _open

PROMPTS = ["the rain", "a small house in the rain", "we went home", "rain and snow and rain"]


def quantized(kind: str) -> Any:
    """A configuration of transformers, or the test is skipped where its library is not installed."""
    library = "torchao" if kind.startswith("torchao") else "bitsandbytes"
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    from transformers import BitsAndBytesConfig, TorchAoConfig

    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    if kind == "nf4":
        return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    from torchao.quantization import Int8WeightOnlyConfig

    return TorchAoConfig(Int8WeightOnlyConfig())


KINDS = ["int8", "nf4", "torchao-int8"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_quantized_model_answers_and_is_another_model(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = quantized(kind)
    cache = tmp_path / "cache"
    llm = HFTransformers(toy_model_path(), device="cpu", quantization_config=config, cache_folder_path=str(cache))
    answers = llm.run(PROMPTS, max_new_tokens=8)
    assert all(isinstance(text, str) for text in answers)
    whole = HFTransformers(toy_model_path(), device="cpu")
    assert llm.spec() != whole.spec() and "quantization" in llm.spec()
    again = HFTransformers(toy_model_path(), device="cpu", quantization_config=quantized(kind))
    assert again.spec() == llm.spec()
    assert again.run(PROMPTS, max_new_tokens=8) == answers
    assert capfd.readouterr() == ("", "")
    _open(cache).flush()
    with Ledger.open(cache / "calls.sqlite", readonly=True) as ledger:
        for key, record in ledger.calls():  # the record alone says what was asked
            assert identity.request_key(msgspec.json.decode(record.request)) == key


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_weights_are_held_in_fewer_bytes(kind: str) -> None:
    def linear_bytes(llm: HFTransformers) -> int:
        return sum(
            parameter.numel() * parameter.element_size()
            for name, parameter in llm.model.named_parameters()
            if "proj" in name
        )

    whole = HFTransformers(toy_model_path(), device="cpu")
    small = HFTransformers(toy_model_path(), device="cpu", quantization_config=quantized(kind))
    assert linear_bytes(small) <= linear_bytes(whole) / (3 if kind == "int8" else 6)


def test_an_adapter_works_on_a_quantized_model(tmp_path: Path) -> None:
    tiny_models.save_lora(tmp_path / "lora", Path(toy_model_path()))
    adapted = HFTransformers(
        toy_model_path(), adapter_name=str(tmp_path / "lora"), device="cpu", quantization_config=quantized("nf4")
    )
    alone = HFTransformers(toy_model_path(), device="cpu", quantization_config=quantized("nf4"))
    greedy = {"temperature": 0, "max_new_tokens": 8}
    assert adapted.run(PROMPTS, **greedy) != alone.run(PROMPTS, **greedy)


# --- devices ----------------------------------------


def test_one_device_in_a_list_is_that_device(models: Path) -> None:
    assert HFTransformers(str(models / "plain"), device=["cpu"]).model.device.type == "cpu"


@pytest.mark.skipif(torch.cuda.device_count() > 7, reason="has the devices")
def test_devices_that_are_not_there_are_named(models: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"spread over GPUs, and 6 is none of the \d here"):
        _ = HFTransformers(str(models / "plain"), device=[6, 7]).model
    with pytest.raises(InvalidArgumentError, match="names no device"):
        _ = HFTransformers(str(models / "plain"), device=[]).model


def test_a_device_map_spreads_a_model_and_changes_nothing_else(models: Path) -> None:
    mapped = HFTransformers(str(models / "plain"), device_map={"": "cpu"})
    assert mapped.spec() == HFTransformers(str(models / "plain"), device="cpu").spec()
    assert mapped.run(PROMPTS, max_new_tokens=6) == HFTransformers(str(models / "plain"), device="cpu").run(
        PROMPTS, max_new_tokens=6
    )


# --- batches ----------------------------------------


class Small(HFTransformers):
    """On a device that has no room for more than four rows."""

    def spec(self) -> dict[str, Any]:
        return {"kind": "small"}

    def _generate(self, sampling: Any, placed: Sequence[Any]) -> Any:
        self.tried = [*getattr(self, "tried", []), len(placed)]
        if len(placed) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super()._generate(sampling, placed)


def test_a_batch_that_does_not_fit_is_made_smaller(models: Path) -> None:
    llm = Small(str(models / "plain"), device="cpu")
    assert len(llm.run([f"rain {number}" for number in range(8)], max_new_tokens=2, batch_size=8)) == 8
    assert llm.tried == [8, 4, 4]


def test_adaptive_batch_size_false_leaves_it_as_it_is_and_says_so(models: Path) -> None:
    llm = Small(str(models / "plain"), device="cpu")
    with pytest.raises(PermanentModelError, match="in a batch of 8, and adaptive_batch_size=False allows no smaller"):
        llm.run([f"rain {number}" for number in range(8)], max_new_tokens=2, batch_size=8, adaptive_batch_size=False)
    assert llm.tried == [8]
    assert llm.run([f"snow {number}" for number in range(8)], max_new_tokens=2, batch_size=8)  # and then it may again


# --- what is refused ----------------------------------------


@pytest.mark.parametrize(
    "name", ["logits_processor", "logits_processor_list", "pre_logits_processor", "post_logits_processor"]
)
def test_functions_over_scores_are_refused_with_what_to_use(name: str, models: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"does not take '{name}'.*no identity.*output_type"):
        HFTransformers(str(models / "plain")).run(["rain"], **{name: [lambda ids, scores: scores]})
    assert HFTransformers(str(models / "plain"), device="cpu").run(["rain"], max_new_tokens=1, **{name: None})


def test_text_in_parts_is_text_and_other_parts_are_refused(models: Path) -> None:
    llm = HFTransformers(str(models / "chat"), device="cpu")
    parts = [{"type": "text", "text": "the "}, {"type": "text", "text": "rain"}]
    options = {"max_new_tokens": 5, "temperature": 0}
    assert llm.run([[{"role": "user", "content": parts}]], **options) == llm.run(["the rain"], **options)
    picture = [*parts, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    with pytest.raises(BadRequestError, match="a part of type 'image_url'"):
        llm.run([[{"role": "user", "content": picture}]], **options)


def test_records_say_how_the_model_was_quantized(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with _context.running(_context.StepScope("Ask", "", ledger)):
        HFTransformers(toy_model_path(), device="cpu", quantization_config=quantized("nf4")).run(
            ["rain"], max_new_tokens=2
        )
    ledger.flush()
    ((_, record),) = ledger.calls()
    assert json.loads(record.request)["model"]["quantization"]["bnb_4bit_quant_type"] == "nf4"
    ledger.close()
