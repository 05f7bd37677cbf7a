"""Where answers are remembered: the session's ledger, and the folder that a model shares with other projects."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..._context import StepScope
    from ..llm import LLM

_lock = Lock()
_shared: dict[tuple[int, Path], Any] = {}  # a forked child opens its own


class Memory:
    """One or two ledgers, or none, as one. The first is the session's."""

    def __init__(self, ledgers: Sequence[Any]) -> None:
        self.ledgers = tuple(ledgers)

    @classmethod
    def of(cls, llm: LLM, scope: StepScope | None) -> Memory:
        """What `llm` may remember in `scope`."""
        ledgers = [] if scope is None or scope.ledger is None else [scope.ledger]
        if llm.cache_folder_path is not None:
            ledgers.append(_open(Path(llm.cache_folder_path)))
        return cls(ledgers)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Any]:
        """The records of those `keys` that were answered before. What only a later ledger knows, the first learns."""
        found: dict[bytes, Any] = {}
        for position, ledger in enumerate(self.ledgers):
            missing = [key for key in keys if key not in found]
            if not missing:
                break
            for key, record in ledger.get_calls(missing).items():
                found[key] = record
                if position:
                    self.ledgers[0].put_call(key, record)
        return found

    def put(self, key: bytes, record: Any) -> None:
        """Remember; returns at once."""
        for ledger in self.ledgers:
            ledger.put_call(key, record)

    @property
    def empty(self) -> bool:
        return not self.ledgers


def _open(folder: Path) -> Any:
    from ...ledger import Ledger

    where = os.getpid(), folder.resolve()
    with _lock:
        if where not in _shared:
            folder.mkdir(parents=True, exist_ok=True)
            _shared[where] = Ledger.open(where[1] / "calls.sqlite")
        return _shared[where]
