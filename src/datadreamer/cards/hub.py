"""Publishing a folder on the Hugging Face Hub. Nothing is ever asked on the terminal."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from ..errors import AuthenticationError, InvalidArgumentError, nearest

OPTIONS = ("commit_description", "commit_message", "create_pr", "dry_run")


def publish(
    write: Callable[[Path], None],
    kind: Literal["dataset", "model"],
    repo_id: str,
    branch: str | None,
    private: bool,
    token: str | None,
    options: Mapping[str, Any],
) -> str:
    """Fill a folder and upload it, making the repository and the branch if need be.

    With the option `dry_run=<folder>` nothing is uploaded: that folder holds what would have been.

    Args:
        write: fills the folder it is given.
        kind: of repository.
        options: `commit_message`, `commit_description`, `create_pr`, `dry_run`.

    Returns:
        The URL, or the folder of a dry run.

    Raises:
        AuthenticationError: there is no token, or the Hub refuses it.
        InvalidArgumentError: an option is unknown.
    """
    for name in options:
        if name not in OPTIONS:
            raise InvalidArgumentError(f"publish_to_hf_hub() has no argument '{name}'. {nearest(name, OPTIONS)}")
    upload = dict(options)
    dry_run = upload.pop("dry_run", None)
    if dry_run is not None:
        Path(dry_run).mkdir(parents=True, exist_ok=True)
        write(Path(dry_run))
        return str(dry_run)
    api = _api(token)
    with tempfile.TemporaryDirectory(prefix="datadreamer-publish-") as folder:
        write(Path(folder))
        return _upload(api, folder, kind, repo_id, branch, private, upload)


def _api(token: str | None) -> Any:
    import huggingface_hub as hub

    token = token or hub.get_token()
    if not token:
        raise AuthenticationError(
            "Publishing on the Hugging Face Hub needs a token, and there is none. Pass token=…, set HF_TOKEN, or log "
            "in once with: hf auth login"
        )
    return hub.HfApi(token=token)


def _upload(
    api: Any, folder: str, kind: str, repo_id: str, branch: str | None, private: bool, upload: dict[str, Any]
) -> str:
    import huggingface_hub as hub

    message = {"commit_message": f"Publish the {kind}", **upload}
    try:
        repository = api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True).repo_id
        if branch is not None:
            api.create_branch(repository, repo_type=kind, branch=branch, exist_ok=True)
        api.upload_folder(repo_id=repository, repo_type=kind, folder_path=folder, revision=branch, **message)
    except hub.errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status not in (401, 403):
            raise
        raise AuthenticationError(
            f"The Hugging Face Hub refused the token for '{repo_id}' (HTTP {status}). It needs write access there."
        ) from error
    url = f"{api.endpoint}/{'datasets/' if kind == 'dataset' else ''}{repository}"
    return url if branch is None else f"{url}/tree/{branch}"
