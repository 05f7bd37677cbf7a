"""How a lock file is held: by the operating system where it can, by the file's existence where it cannot.

Some cluster file systems know no locks. There the file itself is the lock, made exclusively, and one that a dead
process of this host left behind is taken over.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import weakref
from pathlib import Path

_NO_LOCKS_HERE = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


class Held:
    """A lock that is held: an open descriptor that the system locked, or (`descriptor` None) a file that is ours."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self._path, self._descriptor, self._pid = path, descriptor, os.getpid()
        _held.add(self)

    def release(self) -> None:
        if self._pid != os.getpid():
            return
        with contextlib.suppress(OSError):  # first the name, so that nobody locks a file that is about to go
            self._path.unlink()
        self.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


_held: weakref.WeakSet[Held] = weakref.WeakSet()


def take(path: Path, owner: bytes) -> Held | None:
    """Lock `path` and write `owner` into it; None when someone else holds it."""
    try:
        return take_locked(path, owner)
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            raise
        return take_exclusive(path, owner)


def take_locked(path: Path, owner: bytes) -> Held | None:
    """By a lock of the operating system."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        # After the lock: the holder before us may have deleted the file between our opening and our locking it.
        if not _lock(descriptor) or not _still_there(path, descriptor):
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, owner)
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        raise
    return Held(path, descriptor)


def take_exclusive(path: Path, owner: bytes) -> Held | None:
    """By making the file; one whose process is dead is moved away first."""
    _remove_stale(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return None
    with os.fdopen(descriptor, "wb") as file:
        file.write(owner)
    return Held(path, None)


def alive(pid: int) -> bool:
    """True unless a process of this host is certainly gone."""
    if sys.platform == "win32":
        return True  # signal 0 would interrupt it; the lock of the operating system covers Windows
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _remove_stale(path: Path) -> None:
    try:
        content = path.read_bytes()
        owner = json.loads(content)
        stale = owner["host"] == socket.gethostname() and not alive(int(owner["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return
    if not stale:
        return
    aside = path.with_name(f"{path.name}.{os.getpid()}.stale")
    with contextlib.suppress(OSError):
        path.replace(aside)
        if aside.read_bytes() != content:  # someone took it over between our reading and our moving it: give it back
            os.link(aside, path)
        aside.unlink()


def _still_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # far behind the content, which others want to read
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _close_in_child() -> None:
    # The lock belongs to the open file, which a fork shares: an orphaned worker would hold it after its parent's death.
    for held in list(_held):
        held.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
