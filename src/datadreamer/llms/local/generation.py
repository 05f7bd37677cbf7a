"""Token ids in, token ids out: one padded batch through `model.generate`, each row as if it were alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .constrained import constraint
from .quiet import quiet
from .sampling import Sampling, logits_processors
from .stopping import cut_at_stop, row_stops


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt: its token ids, the request key its random numbers come from, and how many tokens it may become.

    `format`: the `response_format` that its answer is decoded by, if it has one.
    """

    ids: Sequence[int]
    key: bytes
    max_new_tokens: int
    format: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a row became. `tokens` counts what was generated, an end-of-text token included."""

    text: str
    tokens: int
    finish_reason: str  # "stop" or "length"


def generate_batch(model: Any, tokenizer: Any, rows: Sequence[Row], sampling: Sampling) -> list[Answer]:
    """Answer `rows` in one call of `model.generate`.

    Args:
        model: a causal or encoder-decoder model of transformers, or a PEFT model around one.
        tokenizer: its tokenizer.
        rows: at least one prompt of at least one token.
        sampling: completed settings, the same for every row.
    """
    import torch

    config = _config(model, tokenizer, sampling, max(row.max_new_tokens for row in rows))
    input_ids, attention_mask = pad([row.ids for row in rows], config.pad_token_id, left=not _has_encoder(model))
    start = 1 if _has_encoder(model) else input_ids.shape[1]
    seen = None if _has_encoder(model) else attention_mask.to(model.device)
    ends = _end_tokens(config)
    vocabulary = model.config.get_text_config().vocab_size
    grammar = constraint([row.format for row in rows], tokenizer, vocabulary, ends, start)
    criteria, stopped = row_stops([row.max_new_tokens for row in rows], sampling.stop, start, tokenizer.decode)
    with torch.inference_mode(), quiet():
        output = model.generate(
            input_ids=input_ids.to(model.device),
            attention_mask=attention_mask.to(model.device),
            generation_config=config,
            logits_processor=logits_processors(sampling, [row.key for row in rows], start, seen, grammar),
            stopping_criteria=criteria,
        )
    answers = []
    for place, (row, ids) in enumerate(zip(rows, output[:, start:].tolist(), strict=True)):
        ids = ids[: min(row.max_new_tokens, stopped.get(place, len(ids)))]
        answer = _answer(tokenizer, ids, ends, sampling.stop)
        if grammar is not None and answer.finish_reason == "length" and grammar.complete(place, ids):
            answer = replace(answer, finish_reason="stop")
        answers.append(answer)
    return answers


def pad(sequences: Sequence[Sequence[int]], pad_token: int, left: bool) -> tuple[Any, Any]:
    """Token ids and attention mask, int64 of shape (sequences, longest)."""
    import torch

    width = max(len(ids) for ids in sequences)
    input_ids = torch.full((len(sequences), width), pad_token, dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    for row, ids in enumerate(sequences):
        place = slice(width - len(ids), width) if left else slice(0, len(ids))
        input_ids[row, place] = torch.tensor(list(ids), dtype=torch.long)
        attention_mask[row, place] = 1
    return input_ids, attention_mask


def _has_encoder(model: Any) -> bool:
    return bool(getattr(model.config, "is_encoder_decoder", False))


def _config(model: Any, tokenizer: Any, sampling: Sampling, limit: int) -> Any:
    """The checkpoint's generation config with everything that our processors and criteria do switched off in it."""
    config = copy.deepcopy(model.generation_config)
    config.update(
        do_sample=False, num_beams=1, num_return_sequences=1, max_new_tokens=limit, max_length=None,
        return_dict_in_generate=False, temperature=None, top_p=None, top_k=None, min_p=None, typical_p=None,
        repetition_penalty=None,
        # these two look at the padded length, so they would make a row depend on its batch
        min_length=None, forced_eos_token_id=None,
        no_repeat_ngram_size=sampling.no_repeat_ngram_size, min_new_tokens=sampling.min_new_tokens,
    )  # fmt: skip
    if config.eos_token_id is None:
        config.eos_token_id = tokenizer.eos_token_id
    if config.pad_token_id is None:
        ends = _end_tokens(config)
        config.pad_token_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(ends, default=0)
    return config


def _end_tokens(config: Any) -> frozenset[int]:
    ends = config.eos_token_id
    return frozenset() if ends is None else frozenset([ends] if isinstance(ends, int) else ends)


def _answer(tokenizer: Any, ids: list[int], ends: frozenset[int], stop: Sequence[str]) -> Answer:
    end = next((place for place, token in enumerate(ids) if token in ends), None)
    text = tokenizer.decode(ids[:end], skip_special_tokens=True)
    text, found = cut_at_stop(text, stop)
    finished = found or end is not None
    return Answer(text, len(ids) if end is None else end + 1, "stop" if finished else "length")
