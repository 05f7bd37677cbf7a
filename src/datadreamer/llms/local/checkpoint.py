"""Where a model's files are: a folder, or a repository of the Hugging Face Hub at one commit.

Nothing is downloaded here. The hub is asked once, with a short time-out, which commit a name stands for; without an
answer the local cache decides, and everything after that reads the cache only, so no later call waits for the network.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ... import _lazy
from ...errors import AuthenticationError, InvalidArgumentError, ModelNotFoundError, ServerUnreachableError

HUB_TIMEOUT = 5.0  # seconds
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MARKS = ("config.json", "adapter_config.json")  # every model, every adapter has one


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The files of one model or adapter.

    Exactly one of `folder` (files on this machine) and `repository` (a name on the hub) is set. `commit` is the
    resolved commit; None with a repository means that neither the hub nor the cache could say. `offline` means that
    the hub did not answer, so only what is cached can be read. `access` holds the arguments that say how the hub is
    read (`token`, `cache_dir`); it is never part of an identity.
    """

    name: str
    folder: Path | None = None
    repository: str | None = None
    revision: str | None = None
    commit: str | None = None
    offline: bool = False
    access: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def where(self) -> str:
        """What transformers and PEFT call the name or path."""
        return str(self.folder or self._snapshot() or self.repository)

    def _snapshot(self) -> Path | None:
        """The folder of the cache that holds a repository which cannot be reached.

        Under its name, transformers would still ask the hub for files that the repository never had.
        """
        if not self.offline:
            return None
        found = (self.local_file(name) for name in _MARKS)
        return next((path.parent for path in found if path is not None), None)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments for `from_pretrained` that pin the files to this checkpoint."""
        if self.folder is not None or self.offline:
            return {"local_files_only": True}
        return {**self.access, "revision": self.commit}

    def local_file(self, name: str) -> Path | None:
        """A file of the checkpoint if it is on this machine already."""
        if self.folder is not None:
            path = self.folder / name
            return path if path.is_file() else None
        hub = _lazy.require("huggingface_hub", extra="hf", needed_for=self.name)
        found = hub.try_to_load_from_cache(
            self.repository, name, cache_dir=self.access.get("cache_dir"), revision=self.commit or self.revision
        )
        return Path(found) if isinstance(found, str) else None

    def json_file(self, name: str) -> dict[str, Any] | None:
        """A JSON file of the checkpoint, fetched if it may be; None if there is none."""
        path = self.local_file(name) or self._fetch(name)
        return None if path is None else json.loads(path.read_text(encoding="utf-8"))

    def _fetch(self, name: str) -> Path | None:
        if self.folder is not None or self.offline:
            return None
        hub = _lazy.require("huggingface_hub", extra="hf", needed_for=self.name)
        try:
            return Path(
                hub.hf_hub_download(
                    self.repository, name, revision=self.commit, etag_timeout=HUB_TIMEOUT, **self.access
                )
            )
        except hub.errors.EntryNotFoundError:
            return None


def locate(
    name: str | os.PathLike[str], revision: str | None, needed_for: str, access: Mapping[str, Any] | None = None
) -> Checkpoint:
    """Find a model or adapter by folder or hub name.

    Raises:
        InvalidArgumentError: neither a folder that exists nor a possible hub name.
        ModelNotFoundError, AuthenticationError: the hub says so.
    """
    text = os.fspath(name)
    folder = Path(text).expanduser()
    if folder.is_dir():
        return Checkpoint(text, folder=_model_folder(folder))
    if folder.is_file():
        raise InvalidArgumentError(
            f"{needed_for}: '{text}' is a file. Give the folder that holds the model's config.json."
        )
    if not _HUB_NAME.fullmatch(text) or text.startswith("."):
        raise InvalidArgumentError(
            f"{needed_for}: there is no folder '{text}', and it is no name on the Hugging Face Hub either "
            "(those look like 'organisation/model')."
        )
    return _on_hub(Checkpoint(text, repository=text, revision=revision, access=access or {}), needed_for)


def _model_folder(folder: Path) -> Path:
    """The folder itself, or, of a trainer's output folder, the model inside."""
    inside = folder / "_model"
    is_model = (folder / "config.json").is_file() or (folder / "adapter_config.json").is_file()
    return inside if not is_model and inside.is_dir() else folder


def _on_hub(checkpoint: Checkpoint, needed_for: str) -> Checkpoint:
    hub = _lazy.require("huggingface_hub", extra="hf", needed_for=needed_for)
    for module in ("constants", "errors"):  # not all of its modules come by themselves
        _lazy.require(f"huggingface_hub.{module}", extra="hf", needed_for=needed_for)
    revision = checkpoint.revision or "main"
    if hub.constants.HF_HUB_OFFLINE:
        return _offline(hub, checkpoint, revision)
    try:
        info = hub.HfApi(token=checkpoint.access.get("token")).model_info(
            checkpoint.repository, revision=revision, timeout=HUB_TIMEOUT
        )
    except hub.errors.GatedRepoError as error:
        raise AuthenticationError(
            f"{needed_for}: '{checkpoint.name}' is gated. Accept its terms on huggingface.co, then: hf auth login"
        ) from error
    except (hub.errors.RepositoryNotFoundError, hub.errors.RevisionNotFoundError) as error:
        raise ModelNotFoundError(
            f"{needed_for}: the Hugging Face Hub has no model '{checkpoint.name}' at revision '{revision}' that you "
            "may read, and there is no such folder here. Check the spelling; for a private model: hf auth login"
        ) from error
    except Exception:  # no connection, a time-out or a failing hub: each HTTP library has errors of its own
        return _offline(hub, checkpoint, revision)
    return replace(checkpoint, commit=info.sha)


def _offline(hub: Any, checkpoint: Checkpoint, revision: str) -> Checkpoint:
    """`checkpoint` at the commit that `revision` had when the cache last heard of it."""
    if _COMMIT.fullmatch(revision):
        return replace(checkpoint, commit=revision, offline=True)
    cache = Path(checkpoint.access.get("cache_dir") or hub.constants.HF_HUB_CACHE)
    reference = cache / ("models--" + str(checkpoint.repository).replace("/", "--")) / "refs" / revision
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else None
    return replace(checkpoint, commit=commit, offline=True)


def require_files(checkpoint: Checkpoint, needed_for: str, what: str = "config.json") -> None:
    """Raise, with the reason, if a checkpoint's `what` can neither be read here nor fetched."""
    if checkpoint.folder is None:
        if checkpoint.offline and checkpoint.local_file(what) is None:
            raise ServerUnreachableError(
                f"{needed_for}: '{checkpoint.name}' is not in the local cache, and the Hugging Face Hub cannot be "
                "reached. Connect to the network, or give a folder that holds the model."
            )
        return
    if checkpoint.local_file(what) is not None:
        return
    present = sorted(path.name for path in checkpoint.folder.iterdir())
    if any(name.endswith(".gguf") for name in present):
        raise InvalidArgumentError(
            f"{needed_for}: '{checkpoint.name}' holds only GGUF files, which transformers does not run as they are. "
            "Serve them with llama.cpp and use OpenAI(base_url=…), or give a folder with config.json and safetensors."
        )
    listing = ", ".join(present[:5]) or "nothing"
    raise InvalidArgumentError(f"{needed_for}: folder '{checkpoint.name}' has no {what} (it holds {listing}).")
