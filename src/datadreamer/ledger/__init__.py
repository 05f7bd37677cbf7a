"""The durable record of a run: calls, step events, losses; file digests, locks, redaction and atomic writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from .atomic import atomic_json as atomic_json
    from .atomic import atomic_write as atomic_write
    from .files import FileDigests as FileDigests
    from .locks import FolderLock as FolderLock
    from .records import CallRecord as CallRecord
    from .records import Loss as Loss
    from .records import StepEvent as StepEvent
    from .records import StepTotals as StepTotals
    from .records import Usage as Usage
    from .redact import Redactor as Redactor
    from .rescue import Recovered as Recovered
    from .rescue import recover as recover
    from .store import Ledger as Ledger

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "CallRecord": "records",
        "FileDigests": "files",
        "FolderLock": "locks",
        "Ledger": "store",
        "Loss": "records",
        "Recovered": "rescue",
        "Redactor": "redact",
        "StepEvent": "records",
        "StepTotals": "records",
        "Usage": "records",
        "atomic_json": "atomic",
        "atomic_write": "atomic",
        "recover": "rescue",
    },
)
