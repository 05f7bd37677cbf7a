"""Real classifiers of a few thousand weights, with a tokenizer made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(special_tokens=["<pad>", "<s>", "</s>", "<unk>"], show_progress=False)
    words.train_from_iterator(
        ["the film was good", "a bad and boring film", "rain all day", "0 1 2 3 4 5 6 7 8 9"], trainer
    )
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
    )


def save_classifier(
    folder: Path,
    labels: tuple[str, ...] = ("bad", "good", "fine"),
    problem: str = "single_label_classification",
    seed: int = 0,
) -> Path:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    words = tokenizer()
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, pad_token_id=0, num_labels=len(labels), initializer_range=0.3,
        id2label=dict(enumerate(labels)), label2id={label: place for place, label in enumerate(labels)},
        problem_type=problem,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def save_causal_classifier(folder: Path) -> Path:
    """A decoder with a classification head, which finds the end of a text by where the padding starts."""
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    words = tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, num_labels=2, pad_token_id=None, bos_token_id=1,
        initializer_range=0.3, eos_token_id=2,
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def save_lora(folder: Path, base: Path, labels: tuple[str, ...]) -> Path:
    """An adapter with a classification head for labels that its base does not have, and the config that names them."""
    import warnings

    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    names = dict(enumerate(labels))
    model = AutoModelForSequenceClassification.from_pretrained(
        base, id2label=names, label2id={label: place for place, label in names.items()}, ignore_mismatched_sizes=True
    )
    torch.manual_seed(3)
    settings = LoraConfig(r=4, task_type="SEQ_CLS", target_modules=["query"], init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        adapted = get_peft_model(model, settings)
    adapted.save_pretrained(folder)
    model.config.save_pretrained(folder)
    return folder
