"""Direct preference optimisation: making a model prefer the chosen answers, without a reward model.

What the reference model (the base model, before training) thinks of every answer is computed once, before the first
step, and kept in a file: the base model need not stay in memory, and a resumed training compares with the same numbers.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any

from ..job import TrainingJob
from ..plan import TrainingResult
from . import chat, finetune, loading, loop
from .events import Emit, log
from .preference_losses import PER_TOKEN, loss_of
from .preferences import PairCollator, PreferenceRows, encode_preferences


def dpo(job: TrainingJob, emit: Emit, stop: threading.Event) -> TrainingResult | None:
    """Train as `TrainHFDPO` says; None when stopped in between."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, DataCollatorForSeq2Seq

    validation = (job.data / "validation.arrow").exists()
    args = loop.arguments(job, validation)
    config, tokenizer = loading.load_config(job), loading.load_tokenizer(job)
    seq2seq = bool(getattr(config, "is_encoder_decoder", False))
    job.settings["task"] = "seq2seq" if seq2seq else "causal"
    template = chat.use_template(tokenizer, job.settings["chat_prompt_template"], job.settings["system_prompt"])
    limit = loading.max_length(tokenizer, config)
    splits = {
        name: _encode(job, name, tokenizer, template, limit, seq2seq, emit) for name in finetune.split_names(validation)
    }
    if stop.is_set():
        return None
    model = loading.load_model(job, AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM)
    if job.settings["disable_dropout"]:
        _disable_dropout(model)
    task = loop.Task(
        tokenizer=tokenizer,
        model=model,
        train=splits["train"],
        validation=splits.get("validation"),
        collator=PairCollator(DataCollatorForSeq2Seq(tokenizer, model=model if seq2seq else None)),
        metric="eval_rewards/margins",
        greater_is_better=True,
        trainer_class=dpo_trainer(job.settings["loss_type"], job.settings["dpo_beta"], emit),
        chat_template=template,
    )
    return loop.run(job, task, args, emit, stop)


def _encode(
    job: TrainingJob, split: str, tokenizer: Any, template: str | None, limit: int, seq2seq: bool, emit: Emit
) -> PreferenceRows:
    turns = chat.TurnEncoder(
        tokenizer, template is not None, job.settings["system_prompt"], limit, job.settings["truncate"]
    )

    return encode_preferences(job, split, turns, seq2seq, emit)


def _disable_dropout(model: Any) -> None:
    from torch.nn import Dropout

    for module in model.modules():
        if isinstance(module, Dropout):
            module.p = 0.0


def dpo_trainer(loss_type: str, beta: float, emit: Emit) -> type:
    """A `transformers.Trainer` of preference pairs, which compares the model with what it was before training."""
    import torch
    from transformers import Trainer

    class DPOTrainer(Trainer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.model_accepts_loss_kwargs = False  # the loss is a mean over pairs, not over tokens
            self._sums: dict[str, dict[str, float]] = {"train": {}, "eval": {}}
            self._loss_of = loss_of(loss_type)
            for rows in (self.train_dataset, self.eval_dataset):
                if rows is not None and rows.reference is None:
                    rows.reference = self._reference(rows)

        # --- the reference --------------------------------------------------------------------------------------------

        def _reference(self, rows: PreferenceRows) -> Any:
            """What the base model thinks of every answer; from the file, where an earlier try computed it."""
            import numpy as np

            path = rows.path.with_suffix(".reference.npy")
            if not path.exists():
                log(emit, f"Computing the reference log-probabilities of {len(rows):,} rows.")
                draft = path.with_suffix(".draft")
                with draft.open("wb") as file:
                    np.save(file, self._ask_base(rows), allow_pickle=False)
                draft.replace(path)
            return np.load(path, allow_pickle=False)

        def _ask_base(self, rows: PreferenceRows) -> Any:
            import numpy as np

            size, model = self.args.per_device_eval_batch_size, self.model
            model.eval()
            found = []
            without = model.disable_adapter() if hasattr(model, "disable_adapter") else nullcontext()
            with torch.no_grad(), without:
                for start in range(0, len(rows), size):
                    batch = self.data_collator([rows[i] for i in range(start, min(start + size, len(rows)))])
                    chosen, rejected = self._log_probabilities(model, self._prepare_inputs(batch))
                    found.append(torch.stack([chosen, rejected], dim=1).float().cpu().numpy())
            return np.concatenate(found)

        # --- the loss -------------------------------------------------------------------------------------------------

        def _log_probabilities(self, model: Any, inputs: Any) -> tuple[Any, Any]:
            """Of the chosen and the rejected answers, each of shape (pairs,)."""
            labels = inputs["labels"]
            logits = model(**{k: v for k, v in inputs.items() if k not in ("labels", "reference")}).logits
            if "decoder_input_ids" not in inputs:
                logits, labels = logits[:, :-1], labels[:, 1:]
            counts = labels != -100
            picked = logits.gather(-1, labels.masked_fill(~counts, 0).unsqueeze(-1)).squeeze(-1).float()
            per_token = (picked - logits.float().logsumexp(-1)) * counts
            whole = per_token.sum(-1)
            if loss_type in PER_TOKEN:
                whole = whole / counts.sum(-1).clamp(min=1)
            chosen, rejected = whole.chunk(2)
            return chosen, rejected

        def _losses(self, model: Any, inputs: Any) -> tuple[Any, dict[str, Any]]:
            """The loss of each pair, and what is reported of it."""
            chosen, rejected = self._log_probabilities(model, inputs)
            reference = inputs["reference"]
            up, down = chosen - reference[:, 0], rejected - reference[:, 1]
            losses = self._loss_of(up, down, beta)
            good, bad = beta * up.detach(), beta * down.detach()
            return losses, {
                "rewards/chosen": good,
                "rewards/rejected": bad,
                "rewards/margins": good - bad,
                "rewards/accuracies": (good > bad).float(),
                "logps/chosen": chosen.detach(),
                "logps/rejected": rejected.detach(),
            }

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            losses, told = self._losses(model, inputs)
            self._count("train", told)
            return (losses.mean(), told) if return_outputs else losses.mean()

        def prediction_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            inputs = self._prepare_inputs(inputs)
            with torch.no_grad(), self.compute_loss_context_manager():
                losses, told = self._losses(model, inputs)
            self._count("eval", {"loss": losses, **told})
            return losses.mean(), None, None

        # --- what is reported -----------------------------------------------------------------------------------------

        def _count(self, split: str, told: dict[str, Any]) -> None:
            sums = self._sums[split]
            sums["rows"] = sums.get("rows", 0) + len(told["rewards/chosen"])
            for name, values in told.items():
                sums[name] = sums.get(name, 0.0) + float(values.sum())

        def _means(self, split: str) -> dict[str, float]:
            sums, self._sums[split] = self._sums[split], {}
            rows = sums.pop("rows", 0)
            return {name: total / rows for name, total in sums.items()} if rows else {}

        def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
            if "loss" in logs:
                logs = {**logs, **self._means("train")}
            super().log(logs, *args, **kwargs)

        def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
            self._sums["eval"] = {}
            output = super().evaluation_loop(*args, **kwargs)
            prefix = kwargs.get("metric_key_prefix", "eval")
            output.metrics.update({f"{prefix}_{name}": value for name, value in self._means("eval").items()})
            return output

    return DPOTrainer
