"""`TrainHFFineTune`: teach a language model to answer inputs with outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ._train_hf_base import _TrainHFBase
from .arguments import common_arguments
from .columns import check_columns

if TYPE_CHECKING:
    from ..datasets import OutputDatasetColumn, OutputIterableDatasetColumn

    Column: TypeAlias = OutputDatasetColumn | OutputIterableDatasetColumn

CELLS = {"input": "conversation", "output": "text"}


class TrainHFFineTune(_TrainHFBase):
    """Fine-tunes a transformers language model, causal or encoder-decoder, on inputs and outputs.

    The loss of a causal model is on the output and the token that ends it, never on the input. Arguments as for every
    trainer of transformers models.
    """

    @property
    def pipeline_tag(self) -> str:
        """What the Hub calls the task."""
        seq2seq = self._base.config().get("is_encoder_decoder", False)
        return "text2text-generation" if seq2seq else "text-generation"

    def train(
        self,
        train_input: Column,
        train_output: Column,
        validation_input: Column | None = None,
        validation_output: Column | None = None,
        truncate: bool = True,
        epochs: float = 3.0,
        batch_size: int = 8,
        optim: str = "adamw_torch",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        lr_scheduler_type: str = "linear",
        warmup_steps: int | float = 0,
        neftune_noise_alpha: float | None = None,
        seed: int = 42,
        **kwargs: Any,
    ) -> Self:
        """Train, or find the model trained.

        With validation columns the model is evaluated before training and after each epoch, the best model by
        perplexity is kept, and training stops early after 5 evaluations without improvement.

        Args:
            train_input: what the model is asked: text, or lists of messages.
            train_output: text it is to answer.
            validation_input, validation_output: the same, held out. None: the model after the last epoch is kept.
            truncate: cut examples that are longer than the model takes; False refuses them, naming the row. (Encoders
                without a fixed length take rows of any length then.)
            epochs: times through the training rows; may be a fraction.
            batch_size: rows in a step on the device.
            optim: name of an optimizer of transformers.
            learning_rate: peak learning rate. The default suits adapters and small models; for full fine-tuning of a
                large model 1e-5 to 5e-5 is usual.
            weight_decay, lr_scheduler_type, warmup_steps, neftune_noise_alpha: as in `transformers.TrainingArguments`.
            seed: of the order of rows, dropout and new weights.
            **kwargs: any further `transformers.TrainingArguments`; `early_stopping_patience` (evaluations, None: off)
                and `early_stopping_threshold`; and the functions `callbacks`, `compute_metrics`, `data_collator`,
                `compute_loss`, `preprocess_logits_for_metrics`, `optimizer` (takes the model), `lr_scheduler` (takes
                the optimizer and the number of steps), `trainer_cls`. With any of these, training runs in this process.

        Raises:
            InvalidArgumentError, InvalidTypeError: something cannot be used; before anything is loaded.
            TrainingError: the training failed; the message has its last lines and how to go on.
        """
        self._session()
        columns = {
            "train_input": train_input,
            "train_output": train_output,
            "validation_input": validation_input,
            "validation_output": validation_output,
        }
        cells = {name: CELLS[name.partition("_")[2]] for name in columns}
        common = common_arguments(
            epochs=epochs,
            batch_size=batch_size,
            optim=optim,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            lr_scheduler_type=lr_scheduler_type,
            warmup_steps=warmup_steps,
            neftune_noise_alpha=neftune_noise_alpha,
            seed=seed,
        )
        plan = self._plan(
            "hf-finetune",
            check_columns(self.who, columns, cells),
            cells,
            common,
            kwargs,
            truncate=bool(truncate),
            chat_prompt_template=self.chat_prompt_template,
            system_prompt=self.system_prompt,
        )
        return self._run(plan)
