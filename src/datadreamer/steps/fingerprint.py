"""The identities of a step: what it is cached under, and what experiment it stands for.

Both count the same things (type, code, settings, model specs, output names); they differ in how inputs enter. The *key*
takes the content of the columns that are read, so that an upstream rerun with identical rows changes nothing. The
*workflow fingerprint* takes the fingerprints of the steps that are read: a Merkle graph of what was asked for.
See `docs/design/identity.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import identity
from ..errors import CannotIdentifyError

if TYPE_CHECKING:
    from .step import Step

KEY_PREFIX = "ddk1"
WORKFLOW_PREFIX = "ddw1"


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """`key` decides whether a step is finished; `workflow` names the experiment; `counted` is what both digest."""

    key: str
    workflow: str
    counted: dict[str, Any]

    @property
    def view(self) -> Any:
        """The canonical view of what was counted, JSON-able: stored beside the digests, for `why`."""
        return identity.view(self.counted)


def fingerprints(step: Step) -> Fingerprints:
    """Compute (once) both identities of a bound step.

    Raises:
        CannotIdentifyError: a setting has no identity; the message names it and what to do.
    """
    known = getattr(step, "_fingerprints", None)
    if known is None:
        known = step._fingerprints = _compute(step)  # type: ignore[attr-defined]
    return known


def _compute(step: Step) -> Fingerprints:
    settings: dict[str, Any] = {}
    models: dict[str, Any] = {}
    for name, value in step.identity().items():
        (models if callable(getattr(value, "spec", None)) else settings)[name] = value
    counted: dict[str, Any] = {
        "type": f"{type(step).__module__}.{type(step).__qualname__}" if _is_ours(type(step)) else "custom",
        "code": type(step),
        "settings": settings,
        "models": models,
        "inputs": {name: content_of(value) for name, value in step._inputs.items()},
        "outputs": {} if step.any_columns else step.output_name_mapping,  # else they follow from what is counted
    }
    asked = {**counted, "inputs": {name: origin_of(value) for name, value in step._inputs.items()}}
    try:
        return Fingerprints(identity.digest(counted, KEY_PREFIX), identity.digest(asked, WORKFLOW_PREFIX), counted)
    except CannotIdentifyError as error:
        raise CannotIdentifyError(f"Step '{step.name}' cannot be cached. {error}") from None


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith("datadreamer.")


def content_of(value: Any) -> dict[str, Any]:
    """What an input is, by content; a lazy input, whose rows do not exist yet, by what makes them."""
    digest = getattr(value, "digest", None)
    if digest is not None:
        return {"digest": digest}
    return {"lazy": fingerprints(value.step).key, "columns": _columns(value)}


def origin_of(value: Any) -> dict[str, Any]:
    """What an input is, by the step it comes from."""
    step = getattr(value, "step", None)
    if step is None:
        return {"digest": getattr(value, "digest", None)}
    return {"step": fingerprints(step).workflow, "columns": _columns(value)}


def _columns(value: Any) -> list[str] | None:
    """Which columns are read; None for all of a lazy result, whose names may not be known before a row is made."""
    if hasattr(value, "known_column_names") and not hasattr(value, "name"):
        return None
    return list(value.column_names)
