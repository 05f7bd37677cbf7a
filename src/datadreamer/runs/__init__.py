"""Finished, running and broken-off runs, read: nothing here runs a step. `rescue` and `free` alone change a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from .collecting import Garbage as Garbage
    from .collecting import free as free
    from .collecting import garbage as garbage
    from .folder import Found as Found
    from .folder import find as find
    from .folder import found as found
    from .folder import output_folder as output_folder
    from .folder import reading_ledger as reading_ledger
    from .losses import LostRow as LostRow
    from .losses import lost_dataset as lost_dataset
    from .losses import lost_rows as lost_rows
    from .owner import Owner as Owner
    from .owner import owner_of as owner_of
    from .reasons import Why as Why
    from .reasons import why as why
    from .rescuing import rescue as rescue
    from .rows import open_rows as open_rows
    from .rows import rows_of as rows_of
    from .status import FolderStatus as FolderStatus
    from .status import ResultStatus as ResultStatus
    from .status import folder_status as folder_status
    from .verifying import Check as Check
    from .verifying import verify as verify

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Check": "verifying",
        "FolderStatus": "status",
        "Found": "folder",
        "Garbage": "collecting",
        "LostRow": "losses",
        "Owner": "owner",
        "ResultStatus": "status",
        "Why": "reasons",
        "find": "folder",
        "folder_status": "status",
        "found": "folder",
        "free": "collecting",
        "garbage": "collecting",
        "lost_dataset": "losses",
        "lost_rows": "losses",
        "open_rows": "rows",
        "output_folder": "folder",
        "owner_of": "owner",
        "reading_ledger": "folder",
        "rescue": "rescuing",
        "rows_of": "rows",
        "verify": "verifying",
        "why": "reasons",
    },
)
