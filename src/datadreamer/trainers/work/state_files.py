"""Nested Python state with tensors in it, as a JSON file and a safetensors file: what others would pickle.

Optimizers, schedulers and random generators keep dictionaries (with integer keys), lists, tuples, numbers and tensors.
The JSON file holds the structure, with a reference wherever a tensor stood; the tensors lie in the safetensors file.
Reading either can run no code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TENSOR, TUPLE, ITEMS = "$tensor", "$tuple", "$items"


def save_state(folder: Path, name: str, state: Any) -> None:
    """Write `state` as `<name>.json` and, when it has tensors, `<name>.safetensors`.

    Raises:
        TypeError: a value in it is none of the kinds above; the message has its path.
    """
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    structure = _encode(state, name, tensors, {})
    if tensors:
        save_file(tensors, str(folder / f"{name}.safetensors"))
    (folder / f"{name}.json").write_text(json.dumps(structure), encoding="utf-8")


def load_state(folder: Path, name: str) -> Any:
    """What `save_state` wrote, with its tensors on the CPU."""
    from safetensors.torch import load_file

    path = folder / f"{name}.safetensors"
    tensors = load_file(str(path)) if path.exists() else {}
    return _decode(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")), tensors)


def _encode(value: Any, path: str, tensors: dict[str, Any], seen: dict[tuple[Any, ...], str]) -> Any:
    import torch

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        return {TENSOR: _keep(value.detach(), tensors, seen)}
    if isinstance(value, dict):
        pairs = [[_key(k, path), _encode(v, f"{path}.{k}", tensors, seen)] for k, v in value.items()]
        return {ITEMS: pairs}
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{path}[{i}]", tensors, seen) for i, item in enumerate(value)]
        return {TUPLE: items} if isinstance(value, tuple) else items
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a NumPy scalar
        return value.item()
    raise TypeError(f"The training state has a {type(value).__name__} at {path}, which cannot be kept without pickle.")


def _key(key: Any, path: str) -> Any:
    if isinstance(key, str | int) and not isinstance(key, bool):
        return key
    raise TypeError(f"The training state has a {type(key).__name__} as a key at {path}.")


def _keep(tensor: Any, tensors: dict[str, Any], seen: dict[tuple[Any, ...], str]) -> str:
    # Quantised optimizers share one table between all parameters: it is stored once, under its first name.
    place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device)
    if tensor.numel() and place in seen:
        return seen[place]
    name = str(len(tensors))
    tensors[name] = tensor.to("cpu", copy=True).contiguous()
    seen[place] = name
    return name


def _decode(value: Any, tensors: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if TENSOR in value:
        return tensors[value[TENSOR]]
    if TUPLE in value:
        return tuple(_decode(item, tensors) for item in value[TUPLE])
    return {key: _decode(item, tensors) for key, item in value[ITEMS]}
