"""A step's rows on the Hugging Face Hub, with their card and record. Nothing is ever asked on the terminal."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ..datasets import export_parquet
from ..errors import AuthenticationError, InvalidArgumentError, nearest
from .export import split_rows, write_card
from .step import Step

_UPLOAD = {"commit_message", "commit_description", "create_pr", "dry_run"}


def publish_dataset(
    step: Step,
    repo_id: str,
    branch: str | None,
    private: bool,
    token: str | None,
    is_synthetic: bool,
    **options: Any,
) -> str:
    """Write the rows as Parquet, one file for each split, and upload them; gives the URL.

    With `dry_run=<folder>` nothing is uploaded: the folder holds what would have been.

    Raises:
        AuthenticationError: there is no token, or the Hub refuses it.
        InvalidArgumentError: an option is unknown.
    """
    parts = split_rows(step, options)
    dry_run = options.pop("dry_run", None)
    for name in options:
        if name not in _UPLOAD:
            raise InvalidArgumentError(f"publish_to_hf_hub() has no argument '{name}'. {nearest(name, _UPLOAD)}")
    if dry_run is not None:
        _write(step, parts, Path(dry_run), repo_id, is_synthetic)
        return str(dry_run)
    api = _api(token)
    with tempfile.TemporaryDirectory(prefix="datadreamer-publish-") as folder:
        _write(step, parts, Path(folder), repo_id, is_synthetic)
        return _upload(api, folder, repo_id, branch, private, options)


def _write(step: Step, parts: dict[str, Any], folder: Path, repo_id: str, is_synthetic: bool) -> None:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, rows in parts.items():
        export_parquet(rows, folder / "data" / f"{split}-00000-of-00001.parquet")
    write_card(step, folder, title=repo_id.partition("/")[2] or repo_id, synthetic=is_synthetic)


def _api(token: str | None) -> Any:
    import huggingface_hub as hub

    token = token or hub.get_token()
    if not token:
        raise AuthenticationError(
            "Publishing on the Hugging Face Hub needs a token, and there is none. Pass token=…, set HF_TOKEN, or log "
            "in once with: hf auth login"
        )
    return hub.HfApi(token=token)


def _upload(api: Any, folder: str, repo_id: str, branch: str | None, private: bool, options: dict[str, Any]) -> str:
    import huggingface_hub as hub

    message = {"commit_message": "Publish the dataset", **options}
    try:
        repository = api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True).repo_id
        if branch is not None:
            api.create_branch(repository, repo_type="dataset", branch=branch, exist_ok=True)
        api.upload_folder(repo_id=repository, repo_type="dataset", folder_path=folder, revision=branch, **message)
    except hub.errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status not in (401, 403):
            raise
        raise AuthenticationError(
            f"The Hugging Face Hub refused the token for '{repo_id}' (HTTP {status}). It needs write access there."
        ) from error
    url = f"{api.endpoint}/datasets/{repository}"
    return url if branch is None else f"{url}/tree/{branch}"
