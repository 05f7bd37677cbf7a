"""Real models, a few thousand weights each, with tokenizers trained on the spot: what the tests here run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CORPUS = [
    "the quick brown fox jumps over the lazy dog near the river bank",
    "a model reads a prompt and writes an answer, one token after another",
    "Rain fell on the harbour while seven boats waited for the morning tide.",
    "Question: what is two plus two? Answer: four. STOP",
    "<|user|> <|assistant|> <|system|> Input: Output: Instruction: yes no maybe 0123456789",
]
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer(chat: bool = False) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(CORPUS, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=256
    )
    if chat:
        fast.chat_template = TEMPLATE
    return fast


def save_llama(folder: Path, chat: bool = False, seed: int = 0, context: int = 256) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    words = tokenizer(chat)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=context, bos_token_id=None, eos_token_id=1, pad_token_id=0,
        initializer_range=0.3,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def save_t5(folder: Path) -> Path:
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    words = tokenizer()
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(words), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, n_positions=256,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, initializer_factor=3.0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def save_lora(folder: Path, base: Path, task: str = "CAUSAL_LM", seed: int = 3) -> Path:
    """A LoRA adapter whose weights are not zero, so it changes what the model says."""
    import warnings

    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    loader = AutoModelForSeq2SeqLM if task == "SEQ_2_SEQ_LM" else AutoModelForCausalLM
    model = loader.from_pretrained(base)
    torch.manual_seed(seed)
    targets = ["q", "v"] if task == "SEQ_2_SEQ_LM" else ["q_proj", "v_proj"]
    settings = LoraConfig(r=4, task_type=task, target_modules=targets, init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        adapted = get_peft_model(model, settings)
    adapted.save_pretrained(folder)
    return folder
