"""Rows as conversations: what the model is asked is what it was trained on, and the loss is on the answer alone."""

from __future__ import annotations

import pytest
import tiny
from transformers import AutoTokenizer

from datadreamer.errors import InvalidArgumentError
from datadreamer.llms.local.templates import PromptFormat
from datadreamer.trainers import TrainHFFineTune
from datadreamer.trainers.work import chat


def turns(tokenizer, template="auto", system=None, length=64, truncate=True):
    used = chat.use_template(tokenizer, template, system)
    return chat.TurnEncoder(tokenizer, used is not None, system, length, truncate)


def shown(tokenizer, row):
    """(the prompt, what the loss is on)"""
    head = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label == -100]
    tail = [label for label in row["labels"] if label != -100]
    assert row["input_ids"] == head + tail
    return tokenizer.decode(head), tokenizer.decode(tail)


@pytest.fixture
def plain(models):
    return AutoTokenizer.from_pretrained(models["causal"])


@pytest.fixture
def chatty(models):
    return AutoTokenizer.from_pretrained(models["chat"])


def test_plain_text_ends_with_the_end_of_text(plain):
    row = turns(plain).encode("the car", "blue", 0)
    assert shown(plain, row) == ("the car", "blue <eos>")


def test_a_chat_template_formats_the_prompt_and_its_end_of_turn_is_learnt(chatty):
    row = turns(chatty).encode("the car", "blue", 0)
    head, tail = shown(chatty, row)
    assert head.replace(" ", "") == "<|user|>thecar<|end|><|assistant|>"
    assert tail.replace(" ", "") == "blue<|end|>"


def test_the_prompt_is_what_a_model_is_asked_later(chatty):
    row = turns(chatty, system="what is").encode("the car", "blue", 0)
    asked = PromptFormat.of("auto", chatty).render(chatty, [{"role": "user", "content": "the car"}], "what is")
    ids = chatty(asked, add_special_tokens=False)["input_ids"]
    assert row["input_ids"][: len(ids)] == ids and row["labels"][: len(ids)] == [-100] * len(ids)
    assert row["labels"][len(ids)] != -100


def test_a_template_that_asks_for_the_date_is_told_the_same_in_training_and_in_use(chatty):
    chatty.chat_template = "{{ strftime_now('%d %b %Y') }} " + tiny.CHAT_TEMPLATE
    encoder = turns(chatty)
    asked = PromptFormat.of("auto", chatty).render(chatty, [{"role": "user", "content": "the car"}], None)
    assert asked.startswith("26 Jul 2024") and encoder.text("the car") == asked
    assert encoder.encode("the car", "blue", 0)["input_ids"][-2:] == chatty("blue<|end|>")["input_ids"]


def test_a_system_prompt_without_a_template_stands_before_the_text(plain):
    row = turns(plain, system="what is").encode("the car", "blue", 0)
    assert shown(plain, row)[0] == "what is the car"


def test_training_without_the_models_template_leaves_none_behind(chatty):
    assert chat.use_template(chatty, None, None) is None and chatty.chat_template is None


def test_a_conversation_keeps_its_turns(chatty):
    history = [
        {"role": "user", "content": "the car"},
        {"role": "assistant", "content": "red"},
        {"role": "user", "content": "the house"},
    ]
    head, tail = shown(chatty, turns(chatty).encode(history, "blue", 0))
    assert head.count("<|user|>") == 2 and "red" in head and tail.startswith("blue")


def test_a_conversation_without_a_template_is_refused(plain):
    with pytest.raises(InvalidArgumentError, match="no chat template"):
        turns(plain).encode([{"role": "user", "content": "the car"}], "blue", 0)


def test_a_template_with_a_place_for_the_prompt_becomes_the_tokenizers(plain):
    encoder = turns(plain, "what colour is {{prompt}} number", None)
    assert shown(plain, encoder.encode("the car", "blue", 0)) == ("what colour is the car number", "blue <eos>")
    messages = [{"role": "user", "content": "the car"}]
    text = plain.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "what colour is the car number"


@pytest.mark.parametrize(
    "text", ['"quoted"\n\tand \\ ünïcode 🚗 {{prompt}} {% {# ', "{{ prompt }}", "{{system_prompt}}|{{prompt}}|"]
)
def test_any_text_around_the_prompt_survives_as_jinja(plain, text):
    plain.chat_template = chat.to_jinja(text, "be brief", begins_with_bos=False)
    messages = [{"role": "user", "content": "{{system_prompt}} {% x"}]
    wanted = text.replace("{{ prompt }}", "{{prompt}}").replace("{{system_prompt}}", "be brief")
    assert plain.apply_chat_template(messages, tokenize=False) == wanted.replace("{{prompt}}", "{{system_prompt}} {% x")


def test_a_template_that_refuses_the_system_prompt_says_so(chatty):
    chatty.chat_template = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    with pytest.raises(InvalidArgumentError, match=r"no system.*chat_prompt_template"):
        turns(chatty, system="be brief").encode("the car", "blue", 0)


def test_a_template_that_rewrites_answers_still_teaches_the_answer(chatty):
    chatty.chat_template = tiny.CHAT_TEMPLATE.replace("{{ m['content'] }}", "{{ m['content'] | upper }}")
    head, tail = shown(chatty, turns(chatty).encode("the car", "blue", 0))
    assert "<|assistant|>" in head and tail.replace(" ", "").startswith("blue")


def test_a_long_prompt_loses_its_beginning_and_keeps_the_answer(plain):
    row = turns(plain, length=8).encode("what colour is the car number 1 2 3 4", "blue red", 0)
    assert shown(plain, row) == ("number 1 2 3 4", "blue red <eos>")


def test_a_long_answer_is_cut_without_an_end_of_text(plain):
    encoder = turns(plain, length=8)
    row = encoder.encode("the car", "red red red red red red red red red", 0)
    assert shown(plain, row) == ("the car", "red red red red red red") and encoder.cut == 1


def test_both_too_long_share_the_room(plain):
    row = turns(plain, length=8).encode("1 2 3 4 0 1 2 3 4 0", "red " * 10, 0)
    assert shown(plain, row) == ("2 3 4 0", "red red red red")


def test_a_trained_chat_model_answers_through_its_own_template(here, models, pairs):
    trainer = TrainHFFineTune("chat", models["llama"], device="cpu", system_prompt="the colour")
    trainer.train(pairs["question"], pairs["answer"], epochs=8, learning_rate=1e-2)
    assert trainer.result.chat_template == tiny.CHAT_TEMPLATE
    tokenizer = AutoTokenizer.from_pretrained(trainer.model_path)
    messages = [{"role": "system", "content": "the colour"}, {"role": "user", "content": pairs["question"][1]}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    made = trainer.model.generate(**ids, max_new_tokens=2, do_sample=False)[0][ids["input_ids"].shape[1] :]
    assert tokenizer.decode(made).split() == ["blue", "<|end|>"]
