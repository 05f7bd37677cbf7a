"""Content digests of files and folders, remembered so that a file is read once."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import time
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SourceError

if TYPE_CHECKING:
    from ..identity import FileRef
    from .store import Ledger

# A file changed twice within one tick of its file system's clock shows the same time for both contents.
RACY_SECONDS = 2.0
IGNORED = (".git", "__pycache__", ".DS_Store", "*.lock", ".*.lock", ".*.tmp")
_TRIES = 3


class FileDigests:
    """SHA-256 of files by content, and of folders by the names and contents in them.

    Args:
        ledger: where digests are remembered by path, size, times and inode (the path as a hash, so that it tells
            nobody's name); None remembers nothing.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger

    def digest(self, path: str | os.PathLike[str]) -> FileRef:
        """The content of a file: `FileRef("sha256:" + 64 hexadecimal digits, size in bytes)`.

        Raises:
            SourceError: there is no such file, it cannot be read, or it keeps changing while it is read.
        """
        from ..identity import FileRef

        absolute = os.path.abspath(path)  # noqa: PTH100 - a link keeps its own name; what it leads to shows in the stat
        try:
            for _ in range(_TRIES):
                before = _stamp(absolute)
                known = self._remembered(absolute, before)
                if known is None:
                    known = _sha256(absolute)
                    if _stamp(absolute) != before:
                        continue
                    self._remember(absolute, before, known)
                return FileRef(digest=known, size=before[0])
        except OSError as error:
            raise SourceError(f"The file {path} cannot be read ({error.strerror}). Check the path.") from error
        raise SourceError(f"The file {path} changes while it is being read. Wait until its writer is done, or copy it.")

    def tree(self, folder: str | os.PathLike[str], ignore: Sequence[str] = IGNORED) -> str:
        """A folder's content: `"sha256:..."` over relative names and file digests, in a fixed order.

        Links are followed, times, permissions and empty folders do not count. A model folder from the Hub has the
        same digest as a plain copy of it.

        Args:
            ignore: shell patterns; a file or folder whose own name matches one does not count.

        Raises:
            SourceError: there is no such folder, or a file in it cannot be read.
        """
        root = Path(folder)
        if not root.is_dir():
            raise SourceError(f"There is no folder {folder}. Check the path.")
        entries = sorted((_name(root, path), self.digest(path).digest) for path in _files(root, tuple(ignore), set()))
        state = hashlib.sha256(b"datadreamer.tree.1\0")
        for name, digest in entries:
            for part in (name, digest.encode()):
                state.update(len(part).to_bytes(8, "big") + part)
        return f"sha256:{state.hexdigest()}"

    def _remembered(self, absolute: str, stamp: tuple[int, ...]) -> str | None:
        known = None if self._ledger is None else self._ledger.memo_get("file", _hidden(absolute))
        return known["digest"] if known and tuple(known["stamp"]) == stamp else None

    def _remember(self, absolute: str, stamp: tuple[int, ...], digest: str) -> None:
        if self._ledger is None or self._ledger.readonly or time.time() - stamp[1] / 1e9 < RACY_SECONDS:
            return
        self._ledger.memo_put("file", _hidden(absolute), {"stamp": stamp, "digest": digest})


def _stamp(path: str) -> tuple[int, ...]:
    """Size in bytes, modification time in ns, inode, device and change time, which no tool can set back."""
    stat = os.stat(path)  # noqa: PTH116
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev, stat.st_ctime_ns


def _sha256(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _hidden(path: str) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()


def _name(root: Path, path: Path) -> bytes:
    # macOS stores names decomposed, Linux as they were given
    return unicodedata.normalize("NFC", path.relative_to(root).as_posix()).encode("utf-8", "surrogateescape")


def _files(folder: Path, ignore: tuple[str, ...], above: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        return  # a link to a folder that contains it
    for path in folder.iterdir():
        if any(fnmatch.fnmatchcase(path.name, pattern) for pattern in ignore):
            continue
        if path.is_dir():
            yield from _files(path, ignore, above | {real})
        else:
            yield path
