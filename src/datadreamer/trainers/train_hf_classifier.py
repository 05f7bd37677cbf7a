"""`TrainHFClassifier`: teach a model to label texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ._train_hf_base import _TrainHFBase
from .arguments import common_arguments
from .columns import check_columns
from .labels import find_labels

if TYPE_CHECKING:
    from ..datasets import OutputDatasetColumn, OutputIterableDatasetColumn

    Column: TypeAlias = OutputDatasetColumn | OutputIterableDatasetColumn

CELLS = {"input": "text", "output": "label"}


class TrainHFClassifier(_TrainHFBase):
    """Trains a transformers model to give each text one label, or any number of labels.

    Arguments as for every trainer of transformers models, without a chat template.
    """

    auto_class = "AutoModelForSequenceClassification"
    pipeline_tag = "text-classification"

    def __init__(
        self,
        name: str,
        model_name: str,
        revision: str | None = None,
        trust_remote_code: bool = False,
        device: Any = None,
        dtype: Any = None,
        quantization_config: Any = None,
        peft_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name,
            model_name,
            chat_prompt_template=None,
            system_prompt=None,
            revision=revision,
            trust_remote_code=trust_remote_code,
            device=device,
            dtype=dtype,
            quantization_config=quantization_config,
            peft_config=peft_config,
            **kwargs,
        )

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

        With validation columns the model is evaluated (`accuracy`, macro `f1`) before training and after each epoch,
        the best model by F1 and then by loss is kept, and training stops early after 5 evaluations without improvement.

        Args:
            train_input: text.
            train_output: its label (text, whole number, True or False), or a list of labels, which may be empty. The
                labels that occur are sorted; `model.config.label2id` numbers them in that order.
            validation_input, validation_output: the same, held out. None: the model after the last epoch is kept.
            truncate: cut texts that are longer than the model takes; False refuses them, naming the row.
            epochs, batch_size, optim, learning_rate, weight_decay, lr_scheduler_type, warmup_steps,
            neftune_noise_alpha, seed, **kwargs: as for `TrainHFFineTune.train`.

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
        given = check_columns(self.who, columns, cells)
        labels, several = find_labels(self.who, [given[name] for name in given if name.endswith("_output")])
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
            "hf-classifier",
            given,
            cells,
            common,
            kwargs,
            task="classifier",
            truncate=bool(truncate),
            labels=labels,
            multi_label=several,
        )
        return self._run(plan)
