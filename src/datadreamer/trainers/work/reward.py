"""Reward models: one number for a prompt and an answer, learnt from pairs or from scores."""

from __future__ import annotations

import threading
from typing import Any

import pyarrow as pa

from ..job import TrainingJob
from ..plan import TrainingResult
from . import chat, finetune, loading, loop
from .classify import joint
from .encoding import EncodedRows, encode_split
from .events import Emit, log
from .preferences import SIDES

_IDS = pa.list_(pa.int32())
_PAIRS = pa.schema([(f"{side}_input_ids", _IDS) for side in SIDES] + [("margin", pa.float32())])
_SCORES = pa.schema([("input_ids", _IDS), ("labels", pa.float32())])


def reward(job: TrainingJob, emit: Emit, stop: threading.Event) -> TrainingResult | None:
    """Train as `TrainHFRewardModel` says; None when stopped in between."""
    from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

    validation = (job.data / "validation.arrow").exists()
    args = loop.arguments(job, validation)
    config, tokenizer = loading.load_config(job), loading.load_tokenizer(job)
    template = chat.use_template(tokenizer, job.settings["chat_prompt_template"], job.settings["system_prompt"])
    limit = loading.max_length(tokenizer, config)
    splits = {name: _encode(job, name, tokenizer, template, limit, emit) for name in finetune.split_names(validation)}
    if stop.is_set():
        return None
    pad = getattr(config, "pad_token_id", None)
    head = {"num_labels": 1, "pad_token_id": tokenizer.pad_token_id if pad is None else pad}
    model = loading.load_model(job, AutoModelForSequenceClassification, **head)
    pairs = job.settings["learns_from"] == "pairs"
    padding = DataCollatorWithPadding(tokenizer)
    task = loop.Task(
        tokenizer=tokenizer,
        model=model,
        train=splits["train"],
        validation=splits.get("validation"),
        collator=_PairPadding(padding) if pairs else padding,
        metric="eval_joint" if pairs else "eval_mse",
        greater_is_better=pairs,
        trainer_class=reward_trainer(pairs),
        chat_template=template,
        unquantized=lambda: loading.load_weights(job, AutoModelForSequenceClassification, None, **head),
    )
    return loop.run(job, task, args, emit, stop)


def _encode(job: TrainingJob, split: str, tokenizer: Any, template: str | None, limit: int, emit: Emit) -> EncodedRows:
    pairs = job.settings["learns_from"] == "pairs"
    turns = chat.TurnEncoder(
        tokenizer, template is not None, job.settings["system_prompt"], limit, job.settings["truncate"]
    )
    counts = {"truncated": 0}

    def encode(batch: dict[str, list[Any]], first: int) -> list[dict[str, Any]]:
        prompts = batch["prompts"]
        rows = _pairs(turns, batch, prompts, first) if pairs else _scored(turns, batch, prompts, first)
        counts["truncated"] = turns.cut
        return rows

    schema = _PAIRS if pairs else _SCORES
    rows = encode_split(job.data / f"{split}.arrow", job.encoded / f"{split}.arrow", schema, encode, counts)
    if cut := rows.counts["truncated"]:
        log(emit, f"{cut} answers of {len(rows)} {split} rows are longer than {limit} tokens and were cut.", "warning")
    return rows


def _pairs(
    turns: chat.TurnEncoder, batch: dict[str, list[Any]], prompts: list[Any], first: int
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"margin": 0.0} for _ in prompts]
    for side in SIDES:
        for row, ids in zip(rows, _ids(turns, prompts, batch[side], first), strict=True):
            row[f"{side}_input_ids"] = ids
    if "chosen_scores" in batch:
        for row, high, low in zip(rows, batch["chosen_scores"], batch["rejected_scores"], strict=True):
            row["margin"] = float(high) - float(low)
    return rows


def _scored(
    turns: chat.TurnEncoder, batch: dict[str, list[Any]], prompts: list[Any], first: int
) -> list[dict[str, Any]]:
    ids = _ids(turns, prompts, batch["generations"], first)
    return [{"input_ids": row, "labels": float(score)} for row, score in zip(ids, batch["scores"], strict=True)]


def _ids(turns: chat.TurnEncoder, prompts: list[Any], answers: list[str], first: int) -> list[list[int]]:
    """The token ids of each prompt with its answer."""
    if not turns.chat and turns.tokenizer.eos_token_id is None:  # an encoder: two texts, as it was trained on
        return [_two_texts(turns, prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
    encoded = finetune.encode_turns(turns, prompts, answers, first, seq2seq=False)
    return [row["input_ids"] for row in encoded]


def _two_texts(turns: chat.TurnEncoder, prompt: Any, answer: str) -> list[int]:
    cut = {"truncation": turns.truncate, "max_length": turns.max_length if turns.truncate else None}
    ids = list(turns.tokenizer(turns.text(prompt), answer, **cut)["input_ids"])
    turns.cut += int(turns.truncate and len(ids) == turns.max_length)
    return ids


class _PairPadding:
    """A batch of n pairs as 2 n padded rows: all chosen ones, then all rejected ones."""

    def __init__(self, pad: Any) -> None:
        self.pad = pad

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        batch = dict(self.pad([{"input_ids": row[f"{side}_input_ids"]} for side in SIDES for row in rows]))
        batch["margin"] = torch.tensor([row["margin"] for row in rows], dtype=torch.float32)
        return batch


def reward_trainer(pairs: bool) -> type:
    """A `transformers.Trainer` of one number per row: of pairs by their order, of scores by the squared error."""
    import torch
    from torch.nn.functional import logsigmoid
    from transformers import Trainer

    class RewardTrainer(Trainer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.model_accepts_loss_kwargs = False  # the loss is a mean over rows
            self._sums: dict[str, float] = {}

        def _losses(self, model: Any, inputs: Any) -> tuple[Any, dict[str, Any]]:
            inputs = dict(inputs)
            margin, labels = inputs.pop("margin", None), inputs.pop("labels", None)
            rewards = model(**inputs).logits.squeeze(-1).float()
            if not pairs:
                errors = (rewards - labels) ** 2
                return errors, {"loss": errors, "mse": errors}
            chosen, rejected = rewards.chunk(2)
            losses = -logsigmoid(chosen - rejected - margin)
            right = (chosen > rejected).float()
            return losses, {"loss": losses, "accuracy": right, "margin": chosen - rejected}

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            losses, told = self._losses(model, inputs)
            return (losses.mean(), told) if return_outputs else losses.mean()

        def prediction_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            with torch.no_grad(), self.compute_loss_context_manager():
                losses, told = self._losses(model, self._prepare_inputs(inputs))
            self._sums["rows"] = self._sums.get("rows", 0) + len(losses)
            for name, values in told.items():
                self._sums[name] = self._sums.get(name, 0.0) + float(values.sum())
            return losses.mean(), None, None

        def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
            self._sums = {}
            output = super().evaluation_loop(*args, **kwargs)
            rows = self._sums.pop("rows", 0)
            means = {name: total / rows for name, total in self._sums.items()} if rows else {}
            if pairs and means:
                means["joint"] = joint(means["accuracy"], means["loss"])
            prefix = kwargs.get("metric_key_prefix", "eval")
            output.metrics.update({f"{prefix}_{name}": value for name, value in means.items()})
            return output

    return RewardTrainer
