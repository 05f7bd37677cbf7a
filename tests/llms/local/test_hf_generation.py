"""What HFTransformers answers, on real tiny models."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch

from datadreamer.errors import ContextLengthError, InvalidArgumentError
from datadreamer.llms import HFTransformers
from datadreamer.llms.types import Failure, Generation


def prompts(count: int = 24) -> list[str]:
    choose = random.Random(0)
    words = " ".join(tiny_models.CORPUS).split()
    return [f"{place} " + " ".join(choose.choices(words, k=choose.randint(1, 30))) for place in range(count)]


@pytest.fixture(scope="module")
def plain(models: Path) -> HFTransformers:
    return HFTransformers(str(models / "plain"), device="cpu")


@pytest.fixture(scope="module")
def chat(models: Path) -> HFTransformers:
    return HFTransformers(str(models / "chat"), device="cpu")


@pytest.fixture(scope="module")
def t5(models: Path) -> HFTransformers:
    return HFTransformers(str(models / "t5"), device="cpu")


def by_hand(llm: HFTransformers, text: str, tokens: int, **options: Any) -> str:
    encoded = llm.tokenizer(text, return_tensors="pt")
    output = llm.model.generate(**encoded, max_new_tokens=tokens, do_sample=False, pad_token_id=0, **options)
    start = 1 if llm.model.config.is_encoder_decoder else encoded.input_ids.shape[1]
    return str(llm.tokenizer.decode(output[0, start:], skip_special_tokens=True))


# --- the batch does not matter ----------------------------------------

SAMPLINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.7, "top_p": 0.9},
    {"temperature": 1.3, "top_k": 40, "repetition_penalty": 1.2},
    {"stop": ["e", "in"], "min_p": 0.01, "seed": 5},
    {"temperature": 0.0, "repetition_penalty": 1.1},
    {"no_repeat_ngram_size": 2, "min_new_tokens": 3},
]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_batch_size_and_order_do_not_change_an_answer(plain: HFTransformers, sampling: dict[str, Any]) -> None:
    rows = prompts(17)
    alone = plain.run(rows, max_new_tokens=8, batch_size=1, **sampling)
    shuffled = rows[:]
    random.Random(1).shuffle(shuffled)
    for size in (3, 16):
        assert plain.run(rows, max_new_tokens=8, batch_size=size, **sampling) == alone
        answers = dict(zip(shuffled, plain.run(shuffled, max_new_tokens=8, batch_size=size, **sampling), strict=True))
        assert [answers[row] for row in rows] == alone
    assert len(set(alone)) > 1


def test_batch_size_does_not_change_an_answer_of_an_encoder_decoder(t5: HFTransformers) -> None:
    rows = prompts(12)
    alone = t5.run(rows, max_new_tokens=10, batch_size=1, temperature=1.5)
    assert t5.run(rows, max_new_tokens=10, batch_size=12, temperature=1.5) == alone
    assert len(set(alone)) > 1


def test_another_process_gives_the_same_answer(plain: HFTransformers, models: Path) -> None:
    fresh = HFTransformers(str(models / "plain"), device="cpu")
    torch.manual_seed(123)
    torch.rand(100)
    assert fresh.run(["rain fell"], max_new_tokens=12) == plain.run(["rain fell"], max_new_tokens=12)


def test_seeds_and_draws_differ(plain: HFTransformers) -> None:
    four = plain.run(["rain fell"] * 4, max_new_tokens=12)
    assert len(set(four)) == 4
    assert plain.run(["rain fell"], max_new_tokens=12, n=4)[0] == four
    assert plain.run(["rain fell"], max_new_tokens=12, seed=1) != plain.run(["rain fell"], max_new_tokens=12, seed=2)
    assert plain.run(["rain fell"], max_new_tokens=12, seed=1) == plain.run(["rain fell"], max_new_tokens=12, seed=1)


def test_sampling_follows_the_distribution_of_the_model(plain: HFTransformers) -> None:
    encoded = plain.tokenizer("rain", return_tensors="pt")
    with torch.inference_mode():
        wanted = (plain.model(**encoded).logits[0, -1] / 0.5).softmax(-1)
    drawn = plain.run(["rain"], n=3000, max_new_tokens=1, temperature=0.5, batch_size=500)[0]
    best = int(wanted.argmax())
    share = drawn.count(plain.tokenizer.decode([best], skip_special_tokens=True)) / len(drawn)
    assert abs(share - wanted[best].item()) < 0.04


# --- the answer is transformers' own ----------------------------------------


@pytest.mark.parametrize("kind", ["plain", "t5"])
def test_greedy_answers_are_those_of_generate(kind: str, request: pytest.FixtureRequest) -> None:
    llm = request.getfixturevalue(kind)
    rows = prompts(6)
    assert llm.run(rows, temperature=0, max_new_tokens=15, batch_size=6) == [by_hand(llm, row, 15) for row in rows]


def test_repetition_penalty_is_that_of_generate(plain: HFTransformers) -> None:
    rows = prompts(6)
    answers = plain.run(rows, temperature=0, max_new_tokens=15, repetition_penalty=1.5, batch_size=6)
    assert answers == [by_hand(plain, row, 15, repetition_penalty=1.5) for row in rows]
    assert answers != plain.run(rows, temperature=0, max_new_tokens=15)


def test_logit_bias_forces_a_token(plain: HFTransformers) -> None:
    token = plain.tokenizer("fox", add_special_tokens=False).input_ids[0]
    text = plain.run(["rain"], max_new_tokens=3, logit_bias={token: 100.0})[0]
    assert text == plain.tokenizer.decode([token] * 3)
    with pytest.raises(InvalidArgumentError, match="logit_bias names token 99999"):
        plain.run(["rain"], logit_bias={99999: 1.0})


def test_do_sample_false_is_temperature_zero(plain: HFTransformers) -> None:
    assert plain.run(["rain"], do_sample=False, max_new_tokens=8) == plain.run(
        ["rain"], temperature=0, max_new_tokens=8
    )


def test_top_k_one_is_greedy(plain: HFTransformers) -> None:
    assert plain.run(["rain"], top_k=1, max_new_tokens=8) == plain.run(["rain"], temperature=0, max_new_tokens=8)


def test_what_is_not_given_is_what_the_checkpoint_says(models: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(models / "plain", tmp_path / "opinionated")
    config = folder / "generation_config.json"
    config.write_text('{"eos_token_id": 1, "pad_token_id": 0, "do_sample": true, "top_k": 1, "temperature": 0.2}')
    opinionated, plain = HFTransformers(str(folder)), HFTransformers(str(models / "plain"))
    assert opinionated.run(["rain"], max_new_tokens=8) == plain.run(["rain"], temperature=0, max_new_tokens=8)
    assert opinionated.run(["rain"], max_new_tokens=8, top_k=400) == plain.run(["rain"], max_new_tokens=8, top_k=400)


# --- where an answer ends ----------------------------------------


def outcome(llm: HFTransformers, prompt: str, **parameters: Any) -> Any:
    return next(iter(llm.outcomes([prompt], **parameters)))


def test_a_stop_string_ends_the_answer_and_is_cut_off(plain: HFTransformers) -> None:
    whole = outcome(plain, "rain fell", max_new_tokens=40, temperature=0)
    stop = whole.text[6:9]
    cut = outcome(plain, "rain fell", max_new_tokens=40, temperature=0, stop=[stop])
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish_reason == "stop"
    assert cut.usage.output_tokens < whole.usage.output_tokens


def test_the_length_ends_the_answer(plain: HFTransformers) -> None:
    answer = outcome(plain, "rain fell", max_new_tokens=5, temperature=0)
    assert (answer.finish_reason, answer.truncated, answer.usage.output_tokens) == ("length", True, 5)
    assert answer.usage.input_tokens == plain.count_tokens("rain fell")


def test_the_end_token_ends_the_answer(plain: HFTransformers) -> None:
    answer = outcome(plain, "rain fell", max_new_tokens=5, logit_bias={1: 100.0})
    assert (answer.text, answer.finish_reason, answer.usage.output_tokens) == ("", "stop", 1)


def test_without_a_limit_the_rest_of_the_context_is_the_limit(plain: HFTransformers) -> None:
    never_end = {1: -1000.0}
    answer = outcome(plain, "rain fell", logit_bias=never_end)
    assert answer.usage.input_tokens + answer.usage.output_tokens == 256
    batch = list(plain.outcomes(["rain fell", "rain " * 20], logit_bias=never_end))
    assert batch[0].text == answer.text
    assert batch[1].usage.input_tokens + batch[1].usage.output_tokens == 256


def test_a_prompt_that_does_not_fit_fails_alone(plain: HFTransformers) -> None:
    good, bad = plain.outcomes(["rain", "rain " * 200], max_new_tokens=5)
    assert isinstance(good, Generation)
    assert isinstance(bad, Failure)
    assert bad.reason == "context_length"
    tokens = plain.count_tokens("rain " * 200)
    assert str(tokens) in bad.message and "256" in bad.message
    with pytest.raises(ContextLengthError):
        plain.run(["rain " * 200], max_new_tokens=5)
    with pytest.raises(ValueError, match="256"):
        plain.run(["rain"], max_new_tokens=300)


def test_an_empty_prompt_is_answered(plain: HFTransformers) -> None:
    assert isinstance(plain.run([""], max_new_tokens=3)[0], str)


# --- chat templates ----------------------------------------


def greedy(llm: HFTransformers, prompt: Any) -> str:
    return str(llm.run([prompt], temperature=0, max_new_tokens=10)[0])


def test_the_tokenizers_own_template_is_used(chat: HFTransformers, models: Path) -> None:
    bare = HFTransformers(str(models / "chat"), chat_prompt_template=None)
    assert greedy(chat, "rain") == greedy(bare, "<|user|>rain</s><|assistant|>")
    assert greedy(chat, "rain") != greedy(bare, "rain")
    assert chat.final_count_tokens("rain") == bare.count_tokens("<|user|>rain</s><|assistant|>")


def test_system_prompts_and_turns_reach_the_template(chat: HFTransformers, models: Path) -> None:
    bare = HFTransformers(str(models / "chat"), chat_prompt_template=None)
    told = HFTransformers(str(models / "chat"), system_prompt="answer")
    assert greedy(told, "rain") == greedy(bare, "<|system|>answer</s><|user|>rain</s><|assistant|>")
    turns = [
        {"role": "user", "content": "rain"},
        {"role": "assistant", "content": "boats"},
        {"role": "user", "content": "tide"},
    ]
    assert greedy(chat, turns) == greedy(bare, "<|user|>rain</s><|assistant|>boats</s><|user|>tide</s><|assistant|>")


def test_short_templates_have_prompt_and_system_prompt(models: Path) -> None:
    bare = HFTransformers(str(models / "chat"), chat_prompt_template=None)
    short = HFTransformers(
        str(models / "chat"), chat_prompt_template="{{system_prompt}}: {{prompt}} Answer:", system_prompt="yes"
    )
    assert greedy(short, "what {{system_prompt}}?") == greedy(bare, "yes: what {{system_prompt}}? Answer:")
    with pytest.raises(InvalidArgumentError, match="no place for the prompt"):
        HFTransformers("x", chat_prompt_template="Question:")


def test_a_jinja_template_replaces_the_tokenizers(models: Path) -> None:
    bare = HFTransformers(str(models / "chat"), chat_prompt_template=None)
    jinja = HFTransformers(
        str(models / "chat"),
        chat_prompt_template="{% for m in messages %}Input: {{ m.content }} {% endfor %}{{ mood }} Output:",
    )
    text = jinja.run(["rain"], temperature=0, max_new_tokens=10, chat_template_kwargs={"mood": "maybe"})[0]
    assert text == greedy(bare, "Input: rain maybe Output:")


def test_a_date_in_a_template_does_not_change_overnight(models: Path) -> None:
    dated = HFTransformers(
        str(models / "chat"), chat_prompt_template="  {{ strftime_now('%d %b %Y') }} {{ messages[0].content }}"
    )
    bare = HFTransformers(str(models / "chat"), chat_prompt_template=None)
    assert greedy(dated, "rain") == greedy(bare, "  26 Jul 2024 rain")


def test_a_conversation_without_a_template_fails_with_the_cure(plain: HFTransformers) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    failed = outcome(plain, turns)  # type: ignore[arg-type]
    assert failed.reason == "bad_request"
    assert "chat_prompt_template" in failed.message


# --- adapters, devices, quiet ----------------------------------------


def test_an_adapter_changes_the_answers(chat: HFTransformers, models: Path) -> None:
    adapted = HFTransformers(str(models / "chat"), adapter_name=str(models / "chat-lora"))
    alone = HFTransformers(str(models / "chat-lora"))
    assert greedy(adapted, "rain") == greedy(alone, "rain")
    assert greedy(adapted, "rain") != greedy(chat, "rain")
    assert adapted.spec() == alone.spec()


def test_an_adapter_of_an_encoder_decoder(t5: HFTransformers, models: Path) -> None:
    adapted = HFTransformers(str(models / "t5-lora"))
    rows = prompts(4)
    assert adapted.run(rows, temperature=0, max_new_tokens=8) != t5.run(rows, temperature=0, max_new_tokens=8)


def test_unloading_frees_the_model_and_it_comes_back(models: Path) -> None:
    import gc
    import weakref

    llm = HFTransformers(str(models / "plain"))
    before = greedy(llm, "rain")
    alive = weakref.ref(llm.model)
    llm.unload_model()
    gc.collect()
    assert alive() is None
    assert greedy(llm, "rain") == before


def test_number_formats(models: Path) -> None:
    half = HFTransformers(str(models / "plain"), dtype="bfloat16", device="cpu")
    assert half.model.dtype == torch.bfloat16
    assert isinstance(greedy(half, "rain"), str)
    assert HFTransformers(str(models / "plain"), dtype=torch.float32, device=-1).model.dtype == torch.float32


def test_nothing_is_printed(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    llm = HFTransformers(str(models / "chat-lora"), device="cpu")
    llm.run(prompts(3), max_new_tokens=4, temperature=0.5)
    assert capfd.readouterr() == ("", "")


def test_silence_ends_with_the_call(models: Path) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    HFTransformers(str(models / "plain")).run(["rain"], max_new_tokens=2)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
