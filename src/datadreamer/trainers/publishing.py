"""A trained model on the Hugging Face Hub, with its card and record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cards import publish
from ..errors import InvalidArgumentError
from .exporting import write_model

if TYPE_CHECKING:
    from ._train_hf_base import _TrainHFBase


def publish_model(
    trainer: _TrainHFBase,
    repo_id: str,
    branch: str | None,
    private: bool,
    token: str | None,
    adapter_only: bool,
    is_synthetic: bool,
    upload: dict[str, Any],
) -> str:
    """Upload the model; gives the URL. See `cards.hub.publish` for the rest.

    Raises:
        InvalidArgumentError: an adapter's base model is not on the Hub.
    """
    if adapter_only:
        _check_base(trainer)
    facts = {"title": repo_id.rpartition("/")[2], "synthetic": is_synthetic}

    def write(folder: Path) -> None:
        write_model(trainer, folder, adapter_only, **facts)

    return publish(write, "model", repo_id, branch, private, token, upload)


def _check_base(trainer: _TrainHFBase) -> None:
    if trainer._base.checkpoints[0].folder is not None:
        raise InvalidArgumentError(
            f"{trainer.who} trained an adapter of the model in the folder '{trainer.model_name}', which nobody else "
            "has, so the adapter alone is of no use to them. Leave out adapter_only to publish it merged."
        )
