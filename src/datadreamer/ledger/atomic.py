"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from ..errors import FolderNotWritableError


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to a file beside `path`, make it durable, and rename it into place.

    Raises:
        FolderNotWritableError: the disk is full, or the folder is missing or cannot be written.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            _write_durably(beside, data)
            beside.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise FolderNotWritableError(
            f"{target} ({len(data)} bytes) cannot be written: {error.strerror}. What was there before is untouched. "
            "Check the folder's permissions and the free space, or choose another output folder."
        ) from error


def atomic_json(path: str | os.PathLike[str], obj: Any, *, redact: bool = True) -> None:
    """Write a JSON-able value (also msgspec Structs) as indented UTF-8 JSON, whole or not at all.

    Args:
        redact: take secrets and the home path out first, as everywhere. False only for what cannot hold any.
    """
    import msgspec

    from .redact import Redactor, hide_secret

    plain = msgspec.to_builtins(obj, str_keys=True, enc_hook=hide_secret)
    if redact:
        plain = Redactor.default().json(plain)
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write(path, text.encode("utf-8", "backslashreplace") + b"\n")


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable, where the system can."""
    if os.name == "nt":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems refuse; the rename itself is done
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_durably(path: Path, data: bytes) -> None:
    # os.open, not tempfile: the file shall have the permissions that the user's umask gives, not 0600
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
