"""Mending the ledger of an output folder."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DamagedFileError, SourceError
from ..ledger import FolderLock, Ledger, Recovered, recover
from .folder import LEDGER

STORE = "calls.sqlite"  # the ledger of a folder that several projects share


def rescue(path: str | os.PathLike[str]) -> Recovered | None:
    """Save what can still be read of a damaged ledger into a fresh one; None when it is not damaged.

    The damaged file is kept beside the new one. Calls that could not be saved are asked again when a step needs them.

    Args:
        path: an output folder, a folder of shared answers, or the file itself.

    Raises:
        SourceError: there is no ledger.
        FolderInUseError: a session is working in the folder.
        NewerVersionError: a newer version of this library wrote it.
        FolderNotWritableError: the folder cannot be written.
    """
    file = _ledger(Path(path))
    with FolderLock(file.parent):
        try:
            with Ledger.open(file, readonly=True) as ledger:
                ledger.check()
            return None
        except DamagedFileError:
            return recover(file)


def _ledger(path: Path) -> Path:
    candidates = [path, path / LEDGER, path / STORE]
    found = next((one for one in candidates if one.is_file()), None)
    if found is None:
        raise SourceError(f"There is no ledger in '{path}'. Give the output folder of a session.")
    return found
