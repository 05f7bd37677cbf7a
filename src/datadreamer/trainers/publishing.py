"""A trained model on the Hugging Face Hub. Nothing is ever asked at a prompt."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _lazy
from ..errors import AuthenticationError, InvalidArgumentError, nearest
from .exporting import write_model

UPLOAD = ("commit_description", "commit_message", "create_pr", "dry_run")

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
    """Make the repository and the branch if need be, and upload; returns the URL.

    With `dry_run=<folder>` nothing is uploaded: the folder holds what would have been.

    Raises:
        AuthenticationError: there is no token, or the Hub refuses it.
        InvalidArgumentError: an option is unknown, or an adapter's base model is not on the Hub.
    """
    dry_run = upload.pop("dry_run", None)
    for name in upload:
        if name not in UPLOAD:
            raise InvalidArgumentError(f"publish_to_hf_hub() has no argument '{name}'. {nearest(name, UPLOAD)}")
    if adapter_only:
        _check_base(trainer)
    facts = {"title": repo_id.rpartition("/")[2], "synthetic": is_synthetic}
    if dry_run is not None:
        Path(dry_run).mkdir(parents=True, exist_ok=True)
        write_model(trainer, Path(dry_run), adapter_only, **facts)
        return str(dry_run)
    api = _api(token)
    with tempfile.TemporaryDirectory(prefix="datadreamer-publish-") as folder:
        write_model(trainer, Path(folder), adapter_only, **facts)
        return _upload(api, folder, repo_id, branch, private, upload)


def _check_base(trainer: _TrainHFBase) -> None:
    if trainer._base.checkpoints[0].folder is not None:
        raise InvalidArgumentError(
            f"{trainer.who} trained an adapter of the model in the folder '{trainer.model_name}', which nobody else "
            "has, so the adapter alone is of no use to them. Leave out adapter_only to publish it merged."
        )


def _api(token: str | None) -> Any:
    hub = _lazy.require("huggingface_hub", extra="hf", needed_for="publish_to_hf_hub()")
    token = token or hub.get_token()
    if not token:
        raise AuthenticationError(
            "Publishing on the Hugging Face Hub needs a token, and there is none. Pass token=…, set HF_TOKEN, or log "
            "in once with: hf auth login"
        )
    return hub.HfApi(token=token)


def _upload(api: Any, folder: str, repo_id: str, branch: str | None, private: bool, upload: dict[str, Any]) -> str:
    import huggingface_hub as hub

    message = {"commit_message": "Publish the trained model", **upload}
    try:
        repository = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        if branch is not None:
            api.create_branch(repository, branch=branch, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder, revision=branch, **message)
    except hub.errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status not in (401, 403):
            raise
        raise AuthenticationError(
            f"The Hugging Face Hub refused the token for '{repo_id}' (HTTP {status}). It needs write access there."
        ) from error
    url = f"{api.endpoint}/{repository}"
    return url if branch is None else f"{url}/tree/{branch}"
