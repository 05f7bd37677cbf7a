"""A dataset repository on the Hugging Face Hub, at one commit: its files, its card, and how to get at them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import _context, _lazy
from ...errors import SourceError

logger = logging.getLogger("datadreamer.step")

_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT = 15.0  # seconds to wait for the Hub to say what is in a repository
_AT_ONCE = 8
_BIBTEX = re.compile(r"@[A-Za-z]+\s*\{")


@dataclass(frozen=True)
class HubRepository:
    """What is in a dataset repository at a commit.

    Attributes:
        path: its name, `"user/name"`.
        commit: 40 hexadecimal digits.
        files: paths of all files.
        card: the metadata of the dataset card.
    """

    path: str
    commit: str
    files: list[str]
    card: dict[str, Any]

    def fetch(self, name: str, token: str | None) -> Path:
        """The file on this machine, downloaded if it is not in the cache.

        Raises:
            SourceError: it cannot be downloaded.
        """
        hub = _hub()
        try:
            return Path(hub.hf_hub_download(self.path, name, repo_type="dataset", revision=self.commit, token=token))
        except Exception as error:
            raise SourceError(_explained(error, self.path, self.commit, f"{name} cannot be downloaded")) from error

    def fetch_all(self, names: list[str], token: str | None) -> list[Path]:
        """Several files, a few at a time, in their order."""
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, max(1, len(names)))) as pool:
            return list(pool.map(lambda name: self.fetch(name, token), names))

    def readme(self, token: str | None) -> str:
        """The text of the dataset card; empty when there is none."""
        return self.fetch("README.md", token).read_text("utf-8", "replace") if "README.md" in self.files else ""


def resolve(path: str, revision: str | None, token: str | None) -> HubRepository:
    """What a repository holds at a revision: a branch, a tag or a commit; the main branch when None.

    What a commit holds never changes, so it is remembered in the session's ledger. When the Hub cannot be reached, a
    branch is taken at the commit that it had in the last run on this output folder.

    Raises:
        SourceError: there is no such repository or revision, or no way to the Hub.
    """
    ledger = getattr(_context.session(), "ledger", None)
    asked = f"{path}@{revision or 'main'}"
    commit = revision if revision is not None and _COMMIT.fullmatch(revision) else None
    known = ledger.memo_get("hub dataset", asked) if ledger is not None and commit else None
    if known is not None:
        return HubRepository(path, str(commit), known["files"], known["card"])
    try:
        found = _ask(path, revision, token)
    except Exception as error:
        last = ledger.memo_get("hub commit", asked) if ledger is not None and _unreachable(error) else None
        known = ledger.memo_get("hub dataset", f"{path}@{last}") if ledger is not None and last else None
        if last is None or known is None:
            raise SourceError(_explained(error, path, revision or "main", "it cannot be looked up")) from error
        logger.warning("The Hugging Face Hub cannot be reached: %s is read at its last known commit %s.", asked, last)
        return HubRepository(path, last, known["files"], known["card"])
    if ledger is not None:
        ledger.memo_put("hub commit", asked, found.commit)
        ledger.memo_put("hub dataset", f"{path}@{found.commit}", {"files": found.files, "card": found.card})
    return found


def _ask(path: str, revision: str | None, token: str | None) -> HubRepository:
    info = _hub().HfApi(token=token).dataset_info(path, revision=revision, timeout=_TIMEOUT)
    card = info.card_data.to_dict() if info.card_data is not None else {}
    return HubRepository(path, info.sha, sorted(item.rfilename for item in info.siblings or []), _plain(card))


def _hub() -> Any:
    return _lazy.require("huggingface_hub", extra="hf", needed_for="HFHubDataSource")


def _plain(value: Any) -> Any:
    """Card metadata as JSON values: dates become text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _unreachable(error: Exception) -> bool:
    response = getattr(error, "response", None)
    return response is None or response.status_code >= 500


def _explained(error: Exception, path: str, revision: str, what: str) -> str:
    """What went wrong, and what to do, in words."""
    errors = _hub().errors
    at = f"The dataset '{path}' on the Hugging Face Hub"
    if isinstance(error, errors.HFValidationError):
        return f"'{path}' is no name on the Hugging Face Hub: those look like 'user/name'."
    if isinstance(error, errors.GatedRepoError):
        return f"{at} is gated. Accept its terms on huggingface.co, then log in once with: hf auth login"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{at} has no revision '{revision}'."
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{at} does not exist, or you may not read it. Check the spelling; for a private one: hf auth login"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"{at}: {what}, because HF_HUB_OFFLINE is set. Unset it, or read files of your own with another source."
    if isinstance(error, errors.HfHubHTTPError) and error.response is not None:
        return f"{at}: {what} (HTTP {error.response.status_code})."
    return f"{at}: {what}: the Hub cannot be reached ({type(error).__name__}). Check the connection and proxy."


def bibtex(text: str) -> Iterator[str]:
    """The BibTeX entries of a text, each from its `@` to the brace that closes it."""
    for start in _BIBTEX.finditer(text):
        depth = 0
        for at in range(start.end() - 1, len(text)):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            if depth == 0:
                yield text[start.start() : at + 1]
                break
