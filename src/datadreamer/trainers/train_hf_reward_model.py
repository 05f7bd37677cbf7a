"""`TrainHFRewardModel`: teach a model to say how good an answer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeAlias

from ..llms.local.templates import AUTO
from ._train_hf_base import _TrainHFBase
from .arguments import common_arguments
from .columns import check_columns
from .train_hf_classifier import TrainHFClassifier

if TYPE_CHECKING:
    from ..datasets import OutputDatasetColumn, OutputIterableDatasetColumn

    Column: TypeAlias = OutputDatasetColumn | OutputIterableDatasetColumn

CELLS = {
    "prompts": "conversation",
    "chosen": "text",
    "rejected": "text",
    "generations": "text",
    "chosen_scores": "score",
    "rejected_scores": "score",
    "scores": "score",
}
_PAPER = """@inproceedings{ouyang2022training,
  title={Training language models to follow instructions with human feedback},
  author={Ouyang, Long and Wu, Jeffrey and Jiang, Xu and Almeida, Diogo and Wainwright, Carroll and others},
  booktitle={Advances in Neural Information Processing Systems},
  volume={35},
  year={2022},
  url={https://arxiv.org/abs/2203.02155}
}"""


class TrainHFRewardModel(TrainHFClassifier):
    """Trains a transformers model to score answers, from pairs of a better and a worse one or from scores.

    The model has one output: `AutoModelForSequenceClassification` with a single label, whose logit is the reward.
    Source: Ouyang et al. 2022 (arXiv 2203.02155), section 3.5. Arguments as for every trainer of transformers models.
    """

    def __init__(
        self,
        name: str,
        model_name: str,
        chat_prompt_template: str | None = AUTO,
        system_prompt: str | None = AUTO,
        revision: str | None = None,
        trust_remote_code: bool = False,
        device: Any = None,
        dtype: Any = None,
        quantization_config: Any = None,
        peft_config: Any = None,
        **kwargs: Any,
    ) -> None:
        _TrainHFBase.__init__(
            self,
            name,
            model_name,
            chat_prompt_template=chat_prompt_template,
            system_prompt=system_prompt,
            revision=revision,
            trust_remote_code=trust_remote_code,
            device=device,
            dtype=dtype,
            quantization_config=quantization_config,
            peft_config=peft_config,
            **kwargs,
        )

    def train(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not for this trainer: say what it learns from.

        Raises:
            RuntimeError: always; it names the three methods.
        """
        raise RuntimeError(
            f"{self.who} learns from pairs or from scores: call train_with_pairs(), train_with_pairs_and_scores() or "
            "train_with_scores()."
        )

    def train_with_pairs(
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
        seed: int = 42,
        **kwargs: Any,
    ) -> Self:
        """Train on pairs, or find the model trained.

        With validation columns the model is evaluated before training and after each epoch (`accuracy`: share of pairs
        whose chosen answer has the higher reward), the best one is kept, ties broken by loss, and training stops
        early after 5 evaluations without improvement.

        Args:
            train_prompts: what was asked: text, or lists of messages.
            train_chosen, train_rejected: the better and the worse answer, as text.
            validation_prompts, validation_chosen, validation_rejected: the same, held out.
            truncate, epochs, batch_size, optim, learning_rate, weight_decay, lr_scheduler_type, warmup_steps,
            neftune_noise_alpha, seed, **kwargs: as for `TrainHFFineTune.train`.

        Raises:
            InvalidArgumentError, InvalidTypeError: something cannot be used; before anything is loaded.
            TrainingError: the training failed; the message has its last lines and how to go on.
        """
        given = dict(locals())
        return self._train_on("pairs", given, ("prompts", "chosen", "rejected"))

    def train_with_pairs_and_scores(
        self,
        train_prompts: Column,
        train_chosen: Column,
        train_chosen_scores: Column,
        train_rejected: Column,
        train_rejected_scores: Column,
        validation_prompts: Column | None = None,
        validation_chosen: Column | None = None,
        validation_chosen_scores: Column | None = None,
        validation_rejected: Column | None = None,
        validation_rejected_scores: Column | None = None,
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
        """Train on pairs whose answers have scores: their difference is the margin by which the rewards should differ.

        Source of the margin: Touvron et al. 2023 (arXiv 2307.09288), section 3.2.2.

        Args:
            train_chosen_scores, train_rejected_scores: numbers.
            validation_chosen_scores, validation_rejected_scores: the same, held out.
            train_prompts, train_chosen, train_rejected, validation_prompts, validation_chosen, validation_rejected,
            truncate, epochs, batch_size, optim, learning_rate, weight_decay, lr_scheduler_type, warmup_steps,
            neftune_noise_alpha, seed, **kwargs: as for `train_with_pairs`.

        Raises:
            InvalidArgumentError, InvalidTypeError, TrainingError: as for `train_with_pairs`.
        """
        given = dict(locals())
        names = ("prompts", "chosen", "chosen_scores", "rejected", "rejected_scores")
        return self._train_on("pairs", given, names)

    def train_with_scores(
        self,
        train_prompts: Column,
        train_generations: Column,
        train_scores: Column,
        validation_prompts: Column | None = None,
        validation_generations: Column | None = None,
        validation_scores: Column | None = None,
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
        """Train on answers with scores, by regression; the model with the lowest mean squared error is kept.

        Args:
            train_generations: answers, as text.
            train_scores: how good each is: numbers.
            validation_generations, validation_scores: the same, held out.
            train_prompts, validation_prompts, truncate, epochs, batch_size, optim, learning_rate, weight_decay,
            lr_scheduler_type, warmup_steps, neftune_noise_alpha, seed, **kwargs: as for `train_with_pairs`.

        Raises:
            InvalidArgumentError, InvalidTypeError, TrainingError: as for `train_with_pairs`.
        """
        given = dict(locals())
        return self._train_on("scores", given, ("prompts", "generations", "scores"))

    def _train_on(self, what: str, given: dict[str, Any], names: tuple[str, ...]) -> Self:
        self._session()
        columns = {f"{split}_{name}": given[f"{split}_{name}"] for split in ("train", "validation") for name in names}
        cells = {name: CELLS[name.partition("_")[2]] for name in columns}
        common = common_arguments(**{name: given[name] for name in _COMMON})
        plan = self._plan(
            "hf-reward",
            check_columns(self.who, columns, cells),
            cells,
            common,
            given["kwargs"],
            task="classifier",
            truncate=bool(given["truncate"]),
            learns_from=what,
            chat_prompt_template=self.chat_prompt_template,
            system_prompt=self.system_prompt,
        )
        return self._run(plan)

    @property
    def citation(self) -> list[str] | None:
        """BibTeX entries of the base model and of the method."""
        return [*(super().citation or []), _PAPER]


_COMMON = (
    "epochs",
    "batch_size",
    "optim",
    "learning_rate",
    "weight_decay",
    "lr_scheduler_type",
    "warmup_steps",
    "neftune_noise_alpha",
    "seed",
)
