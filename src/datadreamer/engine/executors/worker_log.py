"""What a worker prints, on its way to its log: without secrets and home paths."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import IO

from ..session_facts import redactor

_BLOCK = 64 << 10
END_SECONDS = 5.0  # a process that the worker left behind may hold the pipe open


class WorkerLog:
    """Copies a worker's standard error into a file until it ends, whole lines at a time."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream, self._path = stream, path
        self._thread = threading.Thread(target=self._copy, name="datadreamer-worker-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the last lines."""
        self._thread.join(END_SECONDS)

    def _copy(self) -> None:
        rest = b""
        with self._path.open("ab", buffering=0) as log:
            while block := self._stream.read1(_BLOCK):  # type: ignore[attr-defined]
                lines, end, rest = (rest + block).rpartition(b"\n")
                if end:
                    log.write(redactor().data(lines) + end)
            log.write(redactor().data(rest))
