"""The base model and its tokenizer, as they are when training begins."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidArgumentError, TrainingError
from ..job import TrainingJob

TASK_TYPES = {"causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM", "classifier": "SEQ_CLS"}


def load_tokenizer(job: TrainingJob) -> Any:
    """The base model's tokenizer, with a padding token."""
    from transformers import AutoTokenizer

    remote = job.settings.get("trust_remote_code", False)
    tokenizer = AutoTokenizer.from_pretrained(job.model_source, trust_remote_code=remote, **job.runtime["load"])
    if tokenizer.pad_token_id is None:
        # Examples are masked by their labels, never by the padding's id, so sharing a token is harmless.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token_id is None:
        raise TrainingError(
            f"The tokenizer of '{job.model_source}' has no padding token and no end-of-text token to use instead."
        )
    return tokenizer


def load_config(job: TrainingJob) -> Any:
    """The base model's configuration."""
    from transformers import AutoConfig

    remote = job.settings.get("trust_remote_code", False)
    return AutoConfig.from_pretrained(job.model_source, trust_remote_code=remote, **job.runtime["load"])


def load_model(job: TrainingJob, auto_class: Any, **extra: Any) -> Any:
    """The base model, with fresh adapters where `peft_config` was given.

    New weights (a classification head, adapters) are drawn from the seed of the training.

    Raises:
        InvalidArgumentError: the model's weights are only there as a pickle, or it does not suit the task.
    """
    from transformers import set_seed

    set_seed(job.settings["arguments"]["seed"])
    model = load_weights(job, auto_class, job.settings["quantization_config"], **extra)
    return _with_adapters(model, job)


def load_weights(job: TrainingJob, auto_class: Any, quantization_config: Any, **extra: Any) -> Any:
    """The base model as it is stored."""
    settings = job.settings
    try:
        return auto_class.from_pretrained(
            job.model_source,
            dtype=settings["dtype"],
            quantization_config=quantization_config,
            trust_remote_code=settings.get("trust_remote_code", False),
            use_safetensors=True,
            **settings["model_kwargs"],
            **job.runtime["load"],
            **extra,
        )
    except OSError as error:
        if "safetensors" not in str(error):
            raise
        raise InvalidArgumentError(
            f"The weights of '{job.model_source}' are not stored as safetensors. Other formats can run code when they "
            "are read; convert the model with save_pretrained() where you trust it."
        ) from error


def _with_adapters(model: Any, job: TrainingJob) -> Any:
    settings = job.settings
    given = settings.get("peft_config")
    if given is None:
        return model
    import peft

    if settings.get("quantization_config"):
        model = peft.prepare_model_for_kbit_training(model)
    config = dict(given)
    kind = config.pop("peft_type")
    config["revision"] = job.runtime.get("revision")  # whoever loads the adapter gets the base it was trained on
    config["task_type"] = TASK_TYPES[settings["task"]]
    return peft.get_peft_model(model, peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING[kind](**config))


def max_length(tokenizer: Any, config: Any) -> int:
    """How many tokens fit: the lesser of the tokenizer's limit and the model's positions (both may be unlimited)."""
    limits = [tokenizer.model_max_length]
    if not getattr(config, "is_encoder_decoder", False):
        limits += [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions", "n_ctx")]
    known = [limit for limit in limits if limit and limit < 10**9]
    length = min(known, default=10**9)
    if getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl"):
        length = min(length, config.max_position_embeddings - config.pad_token_id - 1)  # positions begin after padding
    return int(length)


def parameter_counts(model: Any) -> tuple[int, int]:
    """Trainable and total parameters."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes)
