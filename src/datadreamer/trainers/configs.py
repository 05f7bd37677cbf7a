"""Configuration objects of other libraries, and plain values, as JSON: what is recorded and sent to the worker."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidArgumentError, InvalidTypeError

# What PEFT notes down about where it was used; none of it is a choice of the user.
_NOTES = ("base_model_name_or_path", "revision", "inference_mode", "auto_mapping", "peft_version", "task_type")


def plain(value: Any, name: str) -> Any:
    """`value` as JSON can hold it: enums by value, sets sorted, torch dtypes by name, tuples as lists.

    Raises:
        InvalidTypeError: it is something else; the message has `name`, the path of the value.
    """
    if isinstance(value, enum.Enum):
        return plain(value.value, name)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidArgumentError(f"{name} is {value}, which is not a number that could be meant.")
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{name}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{name}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((plain(item, name) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if type(value).__module__ == "torch" and type(value).__name__ == "dtype":
        return str(value).removeprefix("torch.")
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a NumPy or torch scalar
        return plain(value.item(), name)
    raise InvalidTypeError(
        f"{name} is a {type(value).__name__}, which cannot be recorded. Give a number, a text, True, False, None, or a "
        "list or dict of those."
    )


def adapter_settings(config: Any) -> dict[str, Any] | None:
    """A `peft` configuration (`LoraConfig(...)`, or a dict with its arguments) as JSON, with its `peft_type`.

    Without `target_modules` a LoRA adapts every linear layer except the output.
    """
    if config is None:
        return None
    given = config.to_dict() if hasattr(config, "to_dict") else config
    if not isinstance(given, Mapping):
        raise InvalidTypeError(f"peft_config is a {type(config).__name__}. Give a peft.LoraConfig, or a dict.")
    settings = {name: value for name, value in given.items() if name not in _NOTES and value is not None}
    settings = plain(settings, "peft_config")
    settings.setdefault("peft_type", "LORA")
    settings["peft_type"] = str(settings["peft_type"]).upper()
    if settings["peft_type"] == "LORA":
        settings.setdefault("target_modules", "all-linear")
    return {name: settings[name] for name in sorted(settings) if settings[name] not in ({}, [])}


def quantization_settings(config: Any) -> dict[str, Any] | None:
    """A quantization configuration of transformers (or its dict) as JSON."""
    if config is None:
        return None
    given = config.to_dict() if hasattr(config, "to_dict") else config
    if not isinstance(given, Mapping) or "quant_method" not in given:
        raise InvalidTypeError(
            "quantization_config is neither a configuration of transformers, such as BitsAndBytesConfig(load_in_4bit="
            "True), nor a dict with 'quant_method'."
        )
    settings: dict[str, Any] = plain({k: v for k, v in given.items() if not k.startswith("_")}, "quantization_config")
    return settings


def number_format(dtype: Any) -> str:
    """The name of the dtype that weights are trained in: `"float32"` unless said otherwise."""
    if dtype is None:
        return "float32"
    name = str(dtype).removeprefix("torch.")
    if name not in ("float32", "bfloat16", "float16", "auto"):
        raise InvalidArgumentError(f"dtype={dtype!r} cannot be trained in. Use 'float32', 'bfloat16' or 'float16'.")
    return name


def device_name(device: Any) -> str | None:
    """One device by name, or None for the best there is.

    Raises:
        InvalidArgumentError: several devices; training runs on one.
    """
    if isinstance(device, list | tuple):
        if len(device) != 1:
            raise InvalidArgumentError(
                f"device={list(device)!r} names {len(device)} devices; a trainer trains on one. Name one, or None for "
                "the best there is."
            )
        device = device[0]
    if device is None:
        return None
    name = f"cuda:{device}" if isinstance(device, int) and not isinstance(device, bool) else str(device)
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise InvalidArgumentError(f"device={device!r} is no device. Use 'cpu', 'cuda', 'cuda:1', 'mps' or None.")
    return name
