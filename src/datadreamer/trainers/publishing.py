"""A trained model on the Hugging Face Hub. Nothing is ever asked at a prompt."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _lazy
from ..errors import AuthenticationError
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
    """Make the repository and the branch if need be, and upload; returns the URL."""
    hub = _lazy.require("huggingface_hub", extra="hf", needed_for="publish_to_hf_hub()")
    token = token or hub.get_token()
    if not token:
        raise AuthenticationError(
            "Publishing on the Hugging Face Hub needs a token, and there is none. Pass token=…, set HF_TOKEN, or log "
            "in once with: hf auth login"
        )
    with tempfile.TemporaryDirectory(prefix="datadreamer-publish-") as folder:
        write_model(trainer, Path(folder), adapter_only)
        card = Path(folder) / "README.md"
        card.write_text(tagged(card.read_text(encoding="utf-8"), is_synthetic), encoding="utf-8")
        api = hub.HfApi(token=token)
        try:
            return _upload(api, folder, repo_id, branch, private, upload)
        except hub.errors.HfHubHTTPError as error:
            status = getattr(error.response, "status_code", None)
            if status not in (401, 403):
                raise
            raise AuthenticationError(
                f"The Hugging Face Hub refused the token for '{repo_id}' (HTTP {status}). It needs write access to "
                "that repository."
            ) from error


def _upload(api: Any, folder: str, repo_id: str, branch: str | None, private: bool, upload: dict[str, Any]) -> str:
    repository = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    if branch is not None:
        api.create_branch(repository, branch=branch, exist_ok=True)
    message = {"commit_message": "Publish the trained model", **upload}
    api.upload_folder(repo_id=repository, folder_path=folder, revision=branch, **message)
    url = f"{api.endpoint}/{repository}"
    return url if branch is None else f"{url}/tree/{branch}"


def tagged(card: str, is_synthetic: bool) -> str:
    """The card with the tag `synthetic` if the model was trained on synthetic data, and without it if not."""
    from huggingface_hub import ModelCard

    made = ModelCard(card, ignore_metadata_errors=True)
    tags = [tag for tag in made.data.tags or [] if tag != "synthetic"]
    made.data.tags = list(dict.fromkeys(["datadreamer", *tags, *(["synthetic"] if is_synthetic else [])]))
    return str(made)
