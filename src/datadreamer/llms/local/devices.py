"""Which device a model runs on, and in which number format."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidArgumentError


def best_device(device: Any = None) -> Any:
    """`device` as a `torch.device`; None means the best there is: CUDA, then MPS, then the CPU."""
    import torch

    if isinstance(device, (list, tuple)):
        if not device:
            raise InvalidArgumentError("device=[] names no device. Use None for the best there is.")
        device = device[0]  # where the answers begin, of a model that is spread over several
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    if isinstance(device, int):
        device = "cpu" if device < 0 else f"cuda:{device}"
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise InvalidArgumentError(
            f"device={device!r} is no device. Use 'cpu', 'cuda', 'cuda:1', 'mps' or None."
        ) from error


def spread(device: Any) -> dict[int, int] | None:
    """The GPUs that a list of several devices names, each with the bytes that are free there; None for one device.

    Raises:
        InvalidArgumentError: a device of the list is no GPU of this machine.
    """
    import torch

    if not isinstance(device, (list, tuple)) or len(set(map(str, device))) < 2:
        return None
    there = torch.cuda.device_count()
    places = [best_device(one) for one in device]
    for one, place in zip(device, places, strict=True):
        if place.type != "cuda" or (place.index or 0) >= there:
            raise InvalidArgumentError(
                f"device={list(device)!r}: one model can be spread over GPUs, and {one!r} is none of the {there} here."
            )
    return {place.index or 0: torch.cuda.mem_get_info(place.index or 0)[0] for place in places}


def _has_mps() -> bool:
    import torch

    return bool(torch.backends.mps.is_available())


def number_format(dtype: Any) -> str | None:
    """A dtype as its short name (`"bfloat16"`), `"auto"`, or None."""
    if dtype is None or dtype == "auto":
        return dtype
    import torch

    name = str(dtype).removeprefix("torch.")
    if not isinstance(getattr(torch, name, None), torch.dtype):
        raise InvalidArgumentError(f"dtype={dtype!r} is not known. Use 'float32', 'bfloat16', 'float16' or None.")
    return name


def load_format(dtype: Any, device: Any) -> Any:
    """What to load weights as: as asked, else the checkpoint's own format, but float32 on the CPU."""
    import torch

    name = number_format(dtype)
    if name is None:
        return torch.float32 if getattr(device, "type", device) == "cpu" else "auto"
    return name if name == "auto" else getattr(torch, name)
