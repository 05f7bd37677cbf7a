"""Who works in an output folder right now, asked without touching the lock."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from datetime import datetime
from pathlib import Path

import msgspec

from ..ledger.lock_backends import alive
from ..ledger.locks import LOCK_NAME, read_owner


class Owner(msgspec.Struct, kw_only=True):
    """The process that holds a folder. `since` is UTC seconds, None when it is not known."""

    pid: int | None = None
    host: str | None = None
    since: float | None = None
    here: bool = True  # whether it runs on this machine

    def __str__(self) -> str:
        if self.pid is None:
            return "another process"
        return f"process {self.pid}" if self.here else f"process {self.pid} on {self.host}"


def owner_of(folder: str | os.PathLike[str]) -> Owner | None:
    """The process that works in the folder, or None. A lock that a killed process left behind is nobody's."""
    path = Path(folder) / LOCK_NAME
    if not path.is_file():
        return None
    said = read_owner(path)
    pid, host = said.get("pid"), said.get("host")
    here = host is None or host == socket.gethostname()
    if here and isinstance(pid, int) and not alive(pid):
        return None
    if _free(path):
        return None
    return Owner(pid=pid, host=host, since=_seconds(said.get("since")), here=here)


def _seconds(since: object) -> float | None:
    try:
        return datetime.fromisoformat(str(since)).timestamp()
    except ValueError:
        return None


if sys.platform == "win32":
    import msvcrt

    def _free(path: Path) -> bool:
        with contextlib.suppress(OSError), path.open("rb+") as file:
            file.seek(1 << 30)  # the byte that a holder locks
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(1 << 30)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
            return True
        return False
else:
    import fcntl

    def _free(path: Path) -> bool:
        """Whether the system knows of no lock on the file; False as well where it cannot say."""
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go at once, by closing
            return True
        except FileNotFoundError:
            return True
        except OSError:
            return False
