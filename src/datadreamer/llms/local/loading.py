"""From a checkpoint to a model in memory. Weights come from safetensors only: other formats can carry code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ... import _lazy
from ...errors import InvalidArgumentError, ModelError, PermanentModelError
from .checkpoint import Checkpoint, locate, require_files
from .devices import best_device, load_format, spread
from .quiet import quiet


def base_of(checkpoint: Checkpoint, needed_for: str) -> tuple[Checkpoint, Checkpoint | None]:
    """(model, adapter) for a checkpoint that is a model, or an adapter that names its base."""
    if not _is_adapter(checkpoint):
        return checkpoint, None
    return adapter_base(checkpoint, needed_for), checkpoint


def adapter_base(adapter: Checkpoint, needed_for: str) -> Checkpoint:
    """The model that an adapter was trained on, as its `adapter_config.json` says."""
    config = adapter.json_file("adapter_config.json") or {}
    name = config.get("base_model_name_or_path")
    if adapter.folder is not None and name and (adapter.folder / name).is_dir():
        return locate(adapter.folder / name, None, needed_for)
    try:
        if not name:
            raise InvalidArgumentError("its adapter_config.json names no base model")
        return locate(name, config.get("revision"), needed_for, adapter.access)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"{needed_for}: '{adapter.name}' is an adapter whose base model cannot be found: {error} "
            f"Pass the base as model_name and this as adapter_name."
        ) from error


def _is_adapter(checkpoint: Checkpoint) -> bool:
    if checkpoint.folder is not None:
        # a trainer may leave the config of the model, with its labels, beside the adapter; weights tell them apart
        names = {path.name for path in checkpoint.folder.glob("*.safetensors*")} - {"adapter_model.safetensors"}
        return checkpoint.local_file("adapter_config.json") is not None and not names
    if checkpoint.local_file("config.json") is not None or checkpoint.offline:
        return checkpoint.local_file("config.json") is None and checkpoint.local_file("adapter_config.json") is not None
    return checkpoint.json_file("config.json") is None and checkpoint.json_file("adapter_config.json") is not None


def load_tokenizer(model: Checkpoint, adapter: Checkpoint | None, trust_remote_code: bool, needed_for: str) -> Any:
    """The tokenizer; an adapter's own if it brings one, for it may have added tokens or a chat template."""
    transformers = _lazy.require("transformers", extra="hf", needed_for=needed_for)
    brings = adapter is not None and adapter.local_file("tokenizer_config.json") is not None
    source = adapter if adapter is not None and brings else model
    with quiet(), _explained(source, needed_for):
        return transformers.AutoTokenizer.from_pretrained(
            source.where, trust_remote_code=trust_remote_code, padding_side="left", **source.arguments
        )


def load_model(
    model: Checkpoint,
    adapter: Checkpoint | None,
    *,
    auto_class: str | None,
    trust_remote_code: bool,
    device: Any,
    device_map: Any,
    dtype: Any,
    quantization_config: Any,
    adapter_kwargs: Mapping[str, Any],
    model_kwargs: Mapping[str, Any],
    needed_for: str,
) -> Any:
    """The model, with its adapter, ready for inference.

    Args:
        auto_class: name of a transformers auto class; None picks causal or encoder-decoder by the config.
    """
    transformers = _lazy.require("transformers", extra="hf", needed_for=needed_for)
    _lazy.require("torch", extra="hf", needed_for=needed_for)
    require_files(model, needed_for)
    place = best_device(device)
    options: dict[str, Any] = {"dtype": load_format(dtype, place), "use_safetensors": True}
    if auto_class is not None and adapter is not None:
        options |= _labels(adapter)
    options |= model_kwargs
    if quantization_config is not None:
        options["quantization_config"] = quantization_config
    gpus = spread(device)
    if device_map is None and gpus is not None:
        device_map = "auto"
        options.setdefault("max_memory", gpus)
    elif quantization_config is not None:
        device_map = device_map or {"": place}
    if device_map is not None:
        _lazy.require("accelerate", extra="hf", needed_for=f"{needed_for} with device_map")
        options["device_map"] = device_map
    with quiet(), _explained(model, needed_for):
        config = transformers.AutoConfig.from_pretrained(
            model.where, trust_remote_code=trust_remote_code, **model.arguments
        )
        seq2seq = getattr(config, "is_encoder_decoder", False)
        loader = auto_class or ("AutoModelForSeq2SeqLM" if seq2seq else "AutoModelForCausalLM")
        loaded, info = getattr(transformers, loader).from_pretrained(
            model.where,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
            **model.arguments,
            **options,
        )
        if adapter is None:
            _all_there(info["missing_keys"], loader)
        if device_map is None:
            loaded = loaded.to(place)
    if adapter is not None:
        loaded = _with_adapter(loaded, adapter, adapter_kwargs, needed_for)
    with quiet():
        return loaded.eval()


def _with_adapter(model: Any, adapter: Checkpoint, adapter_kwargs: Mapping[str, Any], needed_for: str) -> Any:
    peft = _lazy.require("peft", extra="hf", needed_for=f"{needed_for} with an adapter")
    require_files(adapter, needed_for, "adapter_config.json")
    if adapter.folder is not None:
        require_files(adapter, needed_for, "adapter_model.safetensors")
    with quiet(), _explained(adapter, needed_for):
        return peft.PeftModel.from_pretrained(
            model, adapter.where, use_safetensors=True, **_peft_arguments(adapter), **adapter_kwargs
        )


def _all_there(missing: Iterable[str], loader: str) -> None:
    """Refuse a model part of which would be random, such as a classifier's head: transformers only warns."""
    names = sorted(missing)
    if names:
        raise ValueError(
            f"It has no weights for {', '.join(names[:3])}{', …' if len(names) > 3 else ''}, which {loader} needs, so "
            "its answers would be random. Give a model that was trained for this."
        )


def _labels(adapter: Checkpoint) -> dict[str, Any]:
    """The labels that a classifier's adapter was trained for, if the config of the model lies beside it."""
    path = adapter.local_file("config.json")
    config = {} if path is None else json.loads(path.read_text(encoding="utf-8"))
    labels = {name: config[name] for name in ("id2label", "label2id", "problem_type") if config.get(name) is not None}
    if "id2label" in labels:
        labels["ignore_mismatched_sizes"] = True  # the base's own head, if it has one, is replaced by the adapter's
        labels["id2label"] = {int(place): label for place, label in labels["id2label"].items()}
    return labels


def _peft_arguments(adapter: Checkpoint) -> dict[str, Any]:
    return {} if adapter.folder is not None or adapter.offline else adapter.arguments


@contextmanager
def _explained(checkpoint: Checkpoint, needed_for: str) -> Iterator[None]:
    """Turns what transformers raises about a checkpoint into one of our errors, with the checkpoint's name."""
    try:
        yield
    except ModelError:
        raise
    except (OSError, ValueError, KeyError) as error:
        said = " ".join(str(error).split())
        cure = next((cure for word, cure in _CURES.items() if word in said), "")
        raise PermanentModelError(f"{needed_for}: '{checkpoint.name}' cannot be loaded. {said[:600]}{cure}") from error


_CURES = {
    "safetensors": " Only safetensors weights are loaded, because the older formats can carry code: convert them once.",
    "trust_remote_code": " It brings code of its own: read it, then pass trust_remote_code=True and a revision.",
}
