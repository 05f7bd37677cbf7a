"""`TrainHFDPO`: align a language model with preferences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ..errors import InvalidArgumentError, nearest
from .arguments import common_arguments
from .columns import check_columns
from .train_hf_finetune import TrainHFFineTune

if TYPE_CHECKING:
    from ..datasets import OutputDatasetColumn, OutputIterableDatasetColumn

    Column: TypeAlias = OutputDatasetColumn | OutputIterableDatasetColumn

CELLS = {"prompts": "conversation", "chosen": "text", "rejected": "text"}
LOSS_TYPES = ("sigmoid", "hinge", "ipo", "kto_pair")
DPO = """@inproceedings{rafailov2023direct,
  title = {Direct Preference Optimization: Your Language Model is Secretly a Reward Model},
  author = {Rafailov, Rafael and Sharma, Archit and Mitchell, Eric and Manning, Christopher D and Ermon, Stefano and Finn, Chelsea},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {36},
  year = {2023},
  url = {https://arxiv.org/abs/2305.18290}
}"""  # noqa: E501


class TrainHFDPO(TrainHFFineTune):
    """Aligns a transformers language model with pairs of answers by direct preference optimisation (DPO).

    Rafailov et al. 2023 (arXiv 2305.18290). The reference is the base model; what it thinks of each answer is computed
    once, before training. Arguments as for every trainer of transformers models.
    """

    def train(  # type: ignore[override]
        self,
        train_prompts: Column,
        train_chosen: Column,
        train_rejected: Column,
        validation_prompts: Column | None = None,
        validation_chosen: Column | None = None,
        validation_rejected: Column | None = None,
        truncate: bool = True,
        epochs: float = 3.0,
        batch_size: int = 8,
        optim: str = "adamw_torch",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        lr_scheduler_type: str = "linear",
        warmup_steps: int | float = 0,
        neftune_noise_alpha: float | None = None,
        dpo_beta: float = 0.1,
        loss_type: str = "sigmoid",
        disable_dropout: bool = True,
        seed: int = 42,
        **kwargs: Any,
    ) -> Self:
        """Train, or find the model trained.

        With validation columns the model is evaluated before training and after each epoch, the model with the highest
        reward margin is kept, and training stops early after 5 evaluations without improvement.

        Args:
            train_prompts: what the model is asked: text, or lists of messages.
            train_chosen, train_rejected: the better and the worse answer, as text.
            validation_prompts, validation_chosen, validation_rejected: the same, held out. None: the model after the
                last epoch is kept.
            truncate: cut examples that are longer than the model takes; False refuses them, naming the row.
            epochs: times through the training rows; may be a fraction.
            batch_size: pairs in a step on the device.
            optim, weight_decay, lr_scheduler_type, warmup_steps, neftune_noise_alpha: as for `TrainHFFineTune`.
            learning_rate: peak learning rate. The default suits adapters and small models; 1e-6 to 1e-5 is usual for
                all weights of a large model.
            dpo_beta: how far the model may move from the reference; higher keeps it closer (beta in equation 7).
            loss_type: `"sigmoid"` (DPO), `"hinge"` (SLiC-HF, arXiv 2305.10425), `"ipo"` (arXiv 2310.12036, on mean
                log-probabilities of tokens) or `"kto_pair"` (the paired form of KTO, arXiv 2402.01306).
            disable_dropout: without dropout the model begins exactly at its reference.
            seed: of the order of rows, dropout and new weights.
            **kwargs: as for `TrainHFFineTune`.

        Raises:
            InvalidArgumentError, InvalidTypeError: something cannot be used; before anything is loaded.
            TrainingError: the training failed; the message has its last lines and how to go on.
        """
        self._session()
        if loss_type not in LOSS_TYPES:
            raise InvalidArgumentError(f"{self.who} knows no loss_type '{loss_type}'. {nearest(loss_type, LOSS_TYPES)}")
        columns = {
            "train_prompts": train_prompts,
            "train_chosen": train_chosen,
            "train_rejected": train_rejected,
            "validation_prompts": validation_prompts,
            "validation_chosen": validation_chosen,
            "validation_rejected": validation_rejected,
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
        kwargs.pop("precompute_ref_log_probs", None)  # of the published signature: they always are
        plan = self._plan(
            "hf-dpo",
            check_columns(self.who, columns, cells),
            cells,
            common,
            kwargs,
            truncate=bool(truncate),
            chat_prompt_template=self.chat_prompt_template,
            system_prompt=self.system_prompt,
            dpo_beta=self._positive("dpo_beta", dpo_beta),
            loss_type=loss_type,
            disable_dropout=bool(disable_dropout),
        )
        return self._run(plan)

    def _positive(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise InvalidArgumentError(f"{self.who}: {name} must be a number above 0, not {value!r}.")
        return float(value)

    @property
    def citation(self) -> list[str] | None:
        """BibTeX entries of the base model and of the method."""
        return [*(super().citation or []), DPO]
