"""Opening the SQLite file, and saying in plain words what SQLite complains about."""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import time
from pathlib import Path

from ..errors import (
    DamagedFileError,
    DataDreamerError,
    FolderInUseError,
    FolderNotWritableError,
    NewerVersionError,
    SourceError,
)
from . import schema

MEMORY = ":memory:"
BUSY_SECONDS = 10.0  # how long to wait for another process that writes to the same file


def open_writable(path: str) -> sqlite3.Connection:
    """Open or create a ledger, upgraded to the current version. `path` may be `":memory:"`."""
    if path != MEMORY:
        _make_folder(Path(path).parent)
    try:
        connection = _connect(path, "rwc")
    except sqlite3.Error as error:
        raise plain(error, path) from error
    try:
        connection.execute(f"PRAGMA page_size = {schema.PAGE_BYTES}")
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {schema.CHECKPOINT_PAGES}")
        schema.upgrade(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise plain(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on. SQLite does not wait by itself while another process does the same to a new file."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def open_readable(path: str) -> sqlite3.Connection:
    """Open an existing ledger for reading, also in a folder that cannot be written."""
    if not Path(path).is_file():
        raise SourceError(f"There is no ledger at {path}. Check the path, or run the workflow that writes it.")
    try:
        # Not mode=ro, which cannot remove the -wal and -shm files that it makes; query_only refuses every change.
        connection = _checked(_connect(path, "rw"), path)
    except sqlite3.OperationalError as error:
        if not _quiet(path):
            raise plain(error, path) from error
        # A WAL database wants a -shm file beside it, which a read-only folder refuses. Nobody writes: no need of one.
        try:
            connection = _checked(_connect(path, "ro&immutable=1"), path)
        except sqlite3.Error as second:
            raise plain(second, path) from second
    except sqlite3.Error as error:
        raise plain(error, path) from error
    return connection


def _checked(connection: sqlite3.Connection, path: str) -> sqlite3.Connection:
    try:
        connection.execute("PRAGMA query_only = ON")
        version = schema.version_of(connection, path)
    except BaseException:
        connection.close()
        raise
    if version < len(schema.UPGRADES):
        connection.close()
        raise NewerVersionError(
            f"{path} is a ledger of version {version}, older than the current version {len(schema.UPGRADES)}, and "
            "cannot be upgraded while it is read only. Copy it to a folder that can be written and open it once there."
        )
    return connection


def _connect(path: str, mode: str) -> sqlite3.Connection:
    target = MEMORY if path == MEMORY else f"{Path(path).absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        target, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=4, uri=True
    )
    try:
        connection.execute(f"PRAGMA cache_size = -{schema.CACHE_KIB}")
    except BaseException:
        connection.close()  # left open, it would keep the file locked for the one that is put in its place
        raise
    return connection


def _quiet(path: str) -> bool:
    """True when no other process can be in the middle of writing: nothing waits in a write-ahead log."""
    log = Path(f"{path}-wal")
    return not log.exists() or log.stat().st_size == 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderNotWritableError(
            f"The folder {folder} cannot be created ({error.strerror}). Choose another output folder."
        ) from error


def plain(error: BaseException, path: str, waiting: int = 0) -> DataDreamerError:
    """The error to raise for what SQLite reported; `waiting` is the number of records not yet on disk."""
    code = getattr(error, "sqlite_errorcode", None)
    code = None if code is None else code & 0xFF
    records = "1 record waits" if waiting == 1 else f"{waiting} records wait"
    held = f" {records} in memory; flush() tries again." if waiting else ""
    if code == sqlite3.SQLITE_FULL:
        return FolderNotWritableError(f"The disk is full: {path} cannot grow{_free(path)}.{held} Free some space.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return FolderNotWritableError(
            f"The ledger {path} cannot be written or opened ({error}).{held} "
            "Check the permissions of the file and of its folder, or choose another output folder."
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedFileError(
            f"The ledger {path} is damaged ({error}).{held} Save what can still be read with: {rescue_command(path)}. "
            "The damaged file is kept beside the new one."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FolderInUseError(
            f"Another process has been writing to {path} for more than {BUSY_SECONDS:.0f} s ({error}).{held} "
            "Stop it, or give this run its own output folder."
        )
    if code == sqlite3.SQLITE_IOERR:
        return FolderNotWritableError(
            f"Reading or writing {path} failed ({error}).{held} Check the disk, its quota and, on a network file "
            "system, the connection; a local folder is safer."
        )
    return DataDreamerError(f"The ledger {path} could not be used ({type(error).__name__}: {error}).{held}")


def rescue_command(path: str) -> str:
    """What to type to mend a ledger."""
    place = Path(path)
    return f"datadreamer rescue {shlex.quote(str(place.parent if place.name == 'ledger.sqlite' else place))}"


def _free(path: str) -> str:
    folder = "." if path == MEMORY else os.path.dirname(path) or "."  # noqa: PTH120
    try:
        return f" ({shutil.disk_usage(folder).free / 1e6:.0f} MB are free)"
    except OSError:
        return ""
