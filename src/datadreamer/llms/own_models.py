"""What counts of a model that the user has written: its code, and what it was made with."""

from __future__ import annotations

import inspect
from typing import Any, Self

from ..errors import CannotIdentifyError

# Names of things that never count, and of keys, which must not.
_UNCOUNTED = ("cache_folder_path", "retry_on_fail", "chat_prompt_template", "system_prompt")
_KEYS = ("api_key", "key", "token", "access_token", "secret", "password", "headers", "default_headers")


def is_ours(kind: type) -> bool:
    """Whether a class comes with this library, which counts by its name and `version`."""
    return kind.__module__.startswith("datadreamer.")


def code_of(kind: type) -> dict[str, str]:
    """`{"code": digest}` of a class of the user's; {} for one of ours."""
    if is_ours(kind):
        return {}
    from ..identity import digest

    return {"code": digest(kind, "code")}


class MadeWith:
    """Keeps what a model of the user's own was made with. Not its state: that may change with every answer."""

    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        if not is_ours(cls):
            made._made_with = args, kwargs
        return made


def arguments_of(model: MadeWith) -> dict[str, Any]:
    """What a model of the user's own was made with, by parameter; as it is now, where it has an attribute of that name.

    Plain values stay as they are, others are there by digest. Keys, and what never counts, are left out.

    Raises:
        CannotIdentifyError: names the parameter, and what to do.
    """
    args, kwargs = model._made_with
    try:
        bound = inspect.signature(type(model)).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return {}
    bound.apply_defaults()
    counted = {}
    for name, given in bound.arguments.items():
        if name not in _UNCOUNTED and name.strip("_").lower() not in _KEYS:
            counted[name] = _counted(model, name, getattr(model, name, given))
    return {"made_with": counted} if counted else {}


def _counted(model: MadeWith, name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    from ..identity import digest

    try:
        return digest(value, "ddv1")
    except CannotIdentifyError as error:
        kind = type(model).__name__
        raise CannotIdentifyError(
            f"{kind} was made with {name}={type(value).__name__}(…), which has no identity, so its answers cannot be "
            f"remembered. {error} Or give {kind} a method spec(): a dictionary of what counts of it."
        ) from None
