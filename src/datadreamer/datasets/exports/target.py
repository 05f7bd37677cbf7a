"""Where an export goes: written beside its place and renamed, and over an earlier export only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import InvalidArgumentError
from ..parts import sync_folder

_SHORT = {"validation": "val"}


def split_paths(path: str | Path, names: Iterable[str]) -> dict[str, Path]:
    """One file for each split beside `path`: `tweets.json` gives `tweets.train.json`, `tweets.val.json`, ..."""
    path = Path(path)
    return {name: path.with_name(f"{path.stem}.{_SHORT.get(name, name)}{path.suffix}") for name in names}


@contextmanager
def writing_file(path: str | Path, kind: str) -> Iterator[Path]:
    """A temporary path to write to; when the body ends well it becomes `path`.

    Raises:
        InvalidArgumentError: `path` is a folder, or a file that is not an earlier `kind` export.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise InvalidArgumentError(f"{path} is a folder: give a file name, for example {path / f'data.{kind}'}.")
    if path.exists() and not _looks_like(path, kind):
        raise InvalidArgumentError(
            f"{path} exists and is not a {kind} file, so it is left alone. Delete it, or choose another name."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _looks_like(path: Path, kind: str) -> bool:
    with path.open("rb") as file:
        start = file.read(4096)
    if kind == "parquet":
        return start.startswith(b"PAR1")
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if kind == "json":
        return not text or text[:1] in b"[{"
    return b"\0" not in start and text[:1] not in (b"[", b"{", b"<")


@contextmanager
def writing_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder to fill; when the body ends well it becomes `path`, in place of an earlier dataset folder."""
    path = Path(path).expanduser()
    if path.exists() and not _is_dataset_folder(path):
        raise InvalidArgumentError(
            f"{path} exists and is not a dataset folder, so it is left alone. Delete it, or choose another name."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        _replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace_folder(temporary: Path, path: Path) -> None:
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    if path.exists():
        path.replace(old)
    temporary.replace(path)
    shutil.rmtree(old, ignore_errors=True)
    sync_folder(path.parent)


def _is_dataset_folder(path: Path) -> bool:
    if not path.is_dir():
        return False
    known = {"dataset_dict.json"}, {"state.json", "dataset_info.json"}
    names = {entry.name for entry in path.iterdir()}
    return not names or any(needed <= names for needed in known)
