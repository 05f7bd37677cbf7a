"""The tables, and how an older file becomes a current one.

`UPGRADES[n]` turns a file of version n into one of version n + 1; a new file starts at version 0. A released script is
never edited: the next version appends one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from ..errors import DamagedFileError, NewerVersionError

APPLICATION_ID = 0x44447231  # "DDr1": tells a ledger from any other SQLite file
PAGE_BYTES = 8192
CACHE_KIB = 8192  # the index over some 100,000 keys stays in memory
CHECKPOINT_PAGES = 512  # 4 MiB: a checkpoint holds up the commits behind it, so it stays well below 100 ms

UPGRADES: tuple[str, ...] = (
    """
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        step TEXT NOT NULL,
        started REAL NOT NULL, ended REAL NOT NULL, attempts INTEGER NOT NULL, cost_usd REAL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
        finish_reason TEXT NOT NULL, sample INTEGER NOT NULL,
        model TEXT NOT NULL, served_model TEXT NOT NULL, provider TEXT NOT NULL, host TEXT NOT NULL,
        response_id TEXT NOT NULL, request_id TEXT NOT NULL, system_fingerprint TEXT NOT NULL,
        packed INTEGER NOT NULL,
        text TEXT NOT NULL, extra TEXT NOT NULL, request BLOB NOT NULL, response BLOB NOT NULL
    );
    CREATE INDEX calls_by_step ON calls (step);
    CREATE TABLE events (
        id INTEGER PRIMARY KEY, step TEXT NOT NULL, kind TEXT NOT NULL, fingerprint TEXT NOT NULL, at REAL NOT NULL,
        view TEXT NOT NULL, data TEXT NOT NULL
    );
    CREATE INDEX events_by_step ON events (step, kind);
    CREATE TABLE losses (
        id INTEGER PRIMARY KEY, step TEXT NOT NULL, row INTEGER, reason TEXT NOT NULL, message TEXT NOT NULL,
        request_key TEXT NOT NULL, at REAL NOT NULL, data TEXT NOT NULL
    );
    CREATE INDEX losses_by_step ON losses (step, row);
    CREATE TABLE memo (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL);
    CREATE UNIQUE INDEX memo_by_key ON memo (kind, key);
    """,
)

TABLES = ("calls", "events", "losses", "memo")


def version_of(connection: sqlite3.Connection, path: str | Path, newest: int = len(UPGRADES)) -> int:
    """The file's version; 0 for an empty one. Refuses files that are newer, or are not ledgers."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application != APPLICATION_ID:
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise DamagedFileError(
                f"{path} is a SQLite database, but not a ledger of DataDreamer. "
                "Move it away, or choose another output folder."
            )
        return 0
    if version > newest:
        raise NewerVersionError(
            f"{path} is a ledger of version {version}; this DataDreamer reads up to version {newest}. "
            'Update it with: pip install --upgrade "datadreamer"'
        )
    return version


def upgrade(connection: sqlite3.Connection, path: str | Path, scripts: Sequence[str] = UPGRADES) -> None:
    """Bring the file to the newest version, in one transaction: it is upgraded whole or not at all."""
    if version_of(connection, path, len(scripts)) == len(scripts):
        return
    connection.execute("BEGIN EXCLUSIVE")
    try:
        version = version_of(connection, path, len(scripts))  # again: another process may have been faster
        for script in scripts[version:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(scripts)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
