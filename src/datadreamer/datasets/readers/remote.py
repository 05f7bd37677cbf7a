"""Files behind an address: copied beside the rows once, then read like any others.

A copy is found again while the service says that nothing changed (its ETag, else size and time). What counts as the
identity of a source is the content of the copies, so an object that was replaced without its ETag saying so is the one
thing that goes unnoticed, and only while the copy is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ..._lazy import require
from ...errors import DataDreamerError, SourceError

_BLOCK = 4 << 20
_SAYS_VERSION = ("ETag", "etag", "md5Hash", "md5", "sha256", "LastModified", "mtime", "created", "last_modified")


def is_address(entry: str | Path) -> bool:
    return isinstance(entry, str) and "://" in entry


def fetch(address: str, suffixes: tuple[str, ...], folder: Path | None) -> list[Path]:
    """Copies of the files at an address: an object, a pattern such as `s3://bucket/part-*.jsonl`, or a folder.

    Args:
        address: anything fsspec understands; how to log in is the service's own affair (environment, profiles).
        suffixes: which endings count in a folder.
        folder: where copies are kept; a temporary folder when None.

    Raises:
        SourceError: nothing is there, or the service refuses.
        MissingDependencyError: fsspec, or what it needs for this kind of address, is not installed.
    """
    fsspec: Any = require("fsspec", extra="hf", needed_for="An address")
    folder = folder or Path(tempfile.gettempdir()) / "datadreamer-downloads"
    try:
        system, path = fsspec.core.url_to_fs(address)
        found = sorted(system.glob(path)) if any(mark in path for mark in "*?[") else _listed(system, path, suffixes)
        if not found:
            raise SourceError(f"{_shown(address)} names no file.")
        return [_copied(system, name, folder) for name in found]
    except DataDreamerError:
        raise
    except ImportError as error:
        raise SourceError(f"{_shown(address)} cannot be read: {error}") from None
    except Exception as error:
        raise SourceError(
            f"{_shown(address)} cannot be read: {type(error).__name__}: {_masked(error, address)}"
        ) from None


def _listed(system: Any, path: str, suffixes: tuple[str, ...]) -> list[str]:
    if not system.isdir(path):
        return [path]
    packed = (".gz", ".bz2", ".xz", ".zst")
    endings = (*suffixes, *(suffix + more for suffix in suffixes for more in packed))
    return sorted(name for name in system.find(path) if name.lower().endswith(endings))


def _copied(system: Any, name: str, folder: Path) -> Path:
    info = system.info(name)
    version = {key: str(info[key]) for key in _SAYS_VERSION if info.get(key)}
    told = json.dumps([str(system.protocol), name, info.get("size"), version], sort_keys=True)
    place = folder / hashlib.sha256(told.encode()).hexdigest()[:32]
    copy = place / name.rstrip("/").rpartition("/")[2].partition("?")[0]
    if version and copy.exists():
        return copy
    place.mkdir(parents=True, exist_ok=True)
    temporary = place / f".{os.getpid()}.tmp"
    try:
        with system.open(name, "rb") as source, temporary.open("wb") as target:
            shutil.copyfileobj(source, target, _BLOCK)
        temporary.replace(copy)
    finally:
        temporary.unlink(missing_ok=True)
    return copy


def _shown(address: str) -> str:
    """The address without a password."""
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


def _masked(error: Exception, address: str) -> str:
    user = address.partition("://")[2].partition("/")[0].rpartition("@")[0]
    said = str(error).replace(address, _shown(address))
    return said.replace(user, "***") if user else said
