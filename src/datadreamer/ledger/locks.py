"""One process per output folder. The lock goes with the process that holds it, however that one ends."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import FolderInUseError, FolderNotWritableError
from . import lock_backends as backends

LOCK_NAME = ".datadreamer.lock"
# A killed process may have been starting another one, which has the lock's file until it runs its own program.
ORPHAN_SECONDS = 2.0


class FolderLock:
    """Holds a folder for the body of a `with`.

    Args:
        folder: created if missing.
        wait: wait for the other process instead of failing.
        timeout: seconds to wait at most, with `wait`; None waits for ever.

    Raises:
        FolderInUseError: another process (or another lock in this one) holds the folder; has its pid and host.
        FolderNotWritableError: the folder cannot be created or written.
    """

    def __init__(self, folder: str | os.PathLike[str], wait: bool = False, timeout: float | None = None) -> None:
        self.folder = Path(folder)
        self._wait, self._timeout = wait, timeout
        self._held: backends.Held | None = None

    def acquire(self) -> FolderLock:
        """Take the lock, or raise."""
        path = self.folder / LOCK_NAME
        deadline = None if self._timeout is None or not self._wait else time.monotonic() + self._timeout
        pause = 0.02
        while self._held is None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._held = backends.take(path, _owner_line())
            except OSError as error:
                raise FolderNotWritableError(
                    f"The folder {self.folder} cannot be written ({error.strerror}). "
                    "Check its permissions, or choose another output folder."
                ) from error
            if self._held is None:
                if not self._wait and not _owner_is_dead(path):
                    raise FolderInUseError(self._in_use(path))
                if not self._wait and deadline is None:
                    deadline = time.monotonic() + ORPHAN_SECONDS
                if deadline is not None and time.monotonic() >= deadline:
                    raise FolderInUseError(self._in_use(path))
                time.sleep(pause)
                pause = min(pause * 1.5, 0.5)
        return self

    def release(self) -> None:
        """Let the folder go. Safe to call twice; in a forked child it does nothing."""
        held, self._held = self._held, None
        if held is not None:
            held.release()

    def __enter__(self) -> FolderLock:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _in_use(self, path: Path) -> str:
        owner = read_owner(path)
        pid, host = owner.get("pid"), owner.get("host")
        if pid is None:
            return f"The folder {self.folder} is in use by another process. Wait for it, or choose another folder."
        here = host == socket.gethostname()
        if _owner_is_dead(path):
            return (
                f"The folder {self.folder} was in use by process {pid}, which has ended, and something that it had "
                f"started still holds {path}. End that (for example with: fuser -k {path}), or choose another folder."
            )
        who = "this very process" if here and pid == os.getpid() else f"process {pid} on {host}"
        cure = (
            "End the session that runs in it first."
            if who == "this very process"
            else f"Wait until it ends, stop it{f' (kill {pid})' if here else ''}, or choose another folder."
        )
        lost = "" if here else f" If that process is gone for certain, delete {path}."
        return (
            f"The folder {self.folder} is in use by {who} since {owner.get('since', 'an unknown time')}. {cure}{lost}"
        )


def read_owner(path: Path) -> dict[str, Any]:
    """Who holds a lock file: `pid`, `host`, `since` (UTC); empty when it cannot be told."""
    with contextlib.suppress(OSError, ValueError):
        owner = json.loads(path.read_bytes())
        if isinstance(owner, dict):
            return owner
    return {}


def _owner_is_dead(path: Path) -> bool:
    """Whether the process that holds the lock has ended: then something that it had just started still has the file."""
    owner = read_owner(path)
    pid = owner.get("pid")
    return isinstance(pid, int) and owner.get("host") == socket.gethostname() and not backends.alive(pid)


def _owner_line() -> bytes:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode()
