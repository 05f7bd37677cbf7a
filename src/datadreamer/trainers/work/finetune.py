"""Fine-tuning a language model on inputs and outputs: causal models and encoder-decoders."""

from __future__ import annotations

import math
import threading
from functools import cache
from typing import Any

import pyarrow as pa

from ..job import TrainingJob
from ..plan import TrainingResult
from . import chat, loading, loop
from .encoding import EncodedRows, encode_split
from .events import Emit, log

SCHEMA = pa.schema([("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32()))])


def finetune(job: TrainingJob, emit: Emit, stop: threading.Event) -> TrainingResult | None:
    """Train as `TrainHFFineTune` says; None when stopped in between."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, DataCollatorForSeq2Seq

    validation = (job.data / "validation.arrow").exists()
    args = loop.arguments(job, validation)
    config, tokenizer = loading.load_config(job), loading.load_tokenizer(job)
    seq2seq = bool(getattr(config, "is_encoder_decoder", False))
    job.settings["task"] = "seq2seq" if seq2seq else "causal"
    template = chat.use_template(tokenizer, job.settings["chat_prompt_template"], job.settings["system_prompt"])
    limit = loading.max_length(tokenizer, config)
    splits = {name: _encode(job, name, tokenizer, template, limit, seq2seq, emit) for name in split_names(validation)}
    if stop.is_set():
        return None
    model = loading.load_model(job, AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM)
    task = loop.Task(
        tokenizer=tokenizer,
        model=model,
        train=splits["train"],
        validation=splits.get("validation"),
        collator=DataCollatorForSeq2Seq(tokenizer, model=model if seq2seq else None),
        metric="eval_perplexity",
        greater_is_better=False,
        trainer_class=perplexity_trainer(),
        chat_template=template,
    )
    return loop.run(job, task, args, emit, stop)


def split_names(validation: bool) -> list[str]:
    """The splits of a training with or without validation rows."""
    return ["train", "validation"] if validation else ["train"]


def _encode(
    job: TrainingJob, split: str, tokenizer: Any, template: str | None, limit: int, seq2seq: bool, emit: Emit
) -> EncodedRows:
    truncate = job.settings["truncate"]
    turns = chat.TurnEncoder(tokenizer, template is not None, job.settings["system_prompt"], limit, truncate)
    counts: dict[str, int] = {"truncated": 0}

    def encode(batch: dict[str, list[Any]], first: int) -> list[dict[str, Any]]:
        rows = encode_turns(turns, batch["input"], batch["output"], first, seq2seq)
        counts["truncated"] = turns.cut
        return rows

    rows = encode_split(job.data / f"{split}.arrow", job.encoded / f"{split}.arrow", SCHEMA, encode, counts)
    cut = rows.counts["truncated"]
    if cut:
        log(emit, f"{cut} of {len(rows)} {split} rows are longer than {limit} tokens and were cut.", "warning")
    return rows


def encode_turns(
    turns: chat.TurnEncoder, prompts: list[Any], outputs: list[str], first: int, seq2seq: bool
) -> list[dict[str, Any]]:
    """`input_ids` and `labels` of each row; `turns.cut` counts those that had to be cut.

    Args:
        first: number of the first row, for errors.
    """
    if seq2seq:
        return _encode_pairs(turns, prompts, outputs)
    pairs = zip(prompts, outputs, strict=True)
    return [turns.encode(prompt, output, first + i) for i, (prompt, output) in enumerate(pairs)]


def _encode_pairs(turns: chat.TurnEncoder, prompts: list[Any], outputs: list[str]) -> list[dict[str, Any]]:
    """Rows of an encoder-decoder: the input as the encoder reads it, the output as the decoder is to write it."""
    tokenizer, cut = turns.tokenizer, {"truncation": turns.truncate, "max_length": turns.max_length}
    limits = cut if turns.truncate else {}
    inputs = [turns.text(prompt) for prompt in prompts]
    sources = tokenizer(inputs, add_special_tokens=not turns.chat, **limits)["input_ids"]
    targets = tokenizer(text_target=outputs, **limits)["input_ids"]
    rows = []
    for source, target in zip(sources, targets, strict=True):
        full = turns.truncate and turns.max_length in (len(source), len(target))
        turns.cut += int(full)
        if not full and target[-1:] != [tokenizer.eos_token_id]:
            target = [*target, tokenizer.eos_token_id]
        rows.append({"input_ids": source, "labels": target})
    return rows


@cache
def perplexity_trainer() -> type:
    """A `transformers.Trainer` whose validation loss is the mean over all output tokens, and its exponential.

    (The mean of the batches' means, which it replaces, weighs a token by the length of its batch's other rows.)
    """
    from transformers import Trainer

    class PerplexityTrainer(Trainer):
        _nll = 0.0  # summed over the tokens of an evaluation
        _tokens = 0

        def prediction_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            labels = inputs["labels"]
            shifted = labels if getattr(self.model.config, "is_encoder_decoder", False) else labels[:, 1:]
            tokens = int((shifted != -100).sum())
            outcome = super().prediction_step(model, inputs, *args, **kwargs)
            if outcome[0] is not None and tokens:
                self._nll += float(outcome[0]) * tokens
                self._tokens += tokens
            return outcome

        def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
            self._nll, self._tokens = 0.0, 0
            output = super().evaluation_loop(*args, **kwargs)
            prefix = kwargs.get("metric_key_prefix", "eval")
            if self._tokens:
                loss = self._nll / self._tokens
                output.metrics[f"{prefix}_loss"] = loss
                output.metrics[f"{prefix}_perplexity"] = math.exp(loss) if loss < 700 else math.inf
            return output

    return PerplexityTrainer
