"""Very small models, built from a configuration, and the data they learn in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from datadreamer.datasets import OutputDataset

COLOURS = ["red", "blue", "green", "black"]
THINGS = ["apple", "car", "house", "bird", "stone", "river", "lamp", "door"]
PAIRS = [(f"what colour is the {thing} number {i}", COLOURS[t % 4]) for i in range(5) for t, thing in enumerate(THINGS)]

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def columns(**lists: list[Any]) -> OutputDataset:
    """A dataset of the given columns, as a step would give it."""
    return OutputDataset(None, pa.table(lists))


def tokenizer(folder: Path, chat: bool = False, ends_texts: bool = False) -> Any:
    """A word-level tokenizer of the words in `PAIRS`, saved in `folder`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<unk>", "<eos>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"]
    words = sorted({word for pair in PAIRS for text in pair for word in text.split()} | {"\n"})
    vocabulary = {word: i for i, word in enumerate([*special, *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if ends_texts:
        inner.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 2)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="<eos>",
        additional_special_tokens=special[3:],
        model_max_length=64,
    )
    if chat:
        made.chat_template = CHAT_TEMPLATE
    made.save_pretrained(str(folder))
    return made


def causal(folder: Path, chat: bool = False) -> Path:
    """A decoder of 20,000 parameters, with dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel, set_seed

    words = tokenizer(folder, chat)
    set_seed(0)
    config = GPT2Config(
        vocab_size=len(words),
        n_positions=64,
        n_embd=32,
        n_layer=1,
        n_head=2,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    GPT2LMHeadModel(config).save_pretrained(str(folder))
    return folder


def llama(folder: Path, chat: bool = False) -> Path:
    """A decoder with plain linear layers, for adapters and classifiers."""
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    words = tokenizer(folder, chat)
    set_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.2,  # an adapter can only move what a frozen output layer lets through
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(str(folder))
    return folder


def t5(folder: Path) -> Path:
    """An encoder-decoder."""
    from transformers import T5Config, T5ForConditionalGeneration, set_seed

    words = tokenizer(folder, ends_texts=True)
    set_seed(0)
    config = T5Config(
        vocab_size=len(words),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
        eos_token_id=2,
        pad_token_id=0,
    )
    T5ForConditionalGeneration(config).save_pretrained(str(folder))
    return folder
