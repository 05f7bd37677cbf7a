"""The output folder: where results lie, and how they get there whole.

    <label>/step.json, _dataset/, …        a finished result
    _work/<key>/                           one that is being made; renamed to its label when it is whole
    _backups/<label>/<key>/                one that was replaced; brought back when it is asked for again

A result is found by its key, not by its name: a renamed step links the files it already has under the new name.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from ..errors import FolderNotWritableError, InvalidArgumentError
from ..ledger import atomic_write
from ..ledger.atomic import sync_folder

WORK, BACKUPS = "_work", "_backups"
RECORDS = ("step.json", "trainer.json")
_HIDDEN = "_"
# Names of files and folders that lie beside results, or in one.
_TAKEN = {*RECORDS, "datadreamer.json", "readme.md", "citations.bib", "licenses.md", "croissant.json", "run_output"}


class Store:
    """Results in one output folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.moving: Callable[[str, Path], None] = lambda label, backup: None  # told before a result is set aside
        self.lock = threading.RLock()  # held while results are looked for and moved: steps run in several threads
        self._claimed: dict[str, str] = {}  # label -> name

    def prepare(self) -> None:
        """Create the folder, and see that it can be written.

        Raises:
            InvalidArgumentError: the path is a file.
            FolderNotWritableError: it cannot be created, or nothing can be written into it.
        """
        try:
            str(self.folder).encode()  # Arrow and the records want names that are text
            if self.folder.exists() and not self.folder.is_dir():
                raise InvalidArgumentError(f"The output folder '{self.folder}' is a file. Give the path of a folder.")
            (self.folder / WORK).mkdir(parents=True, exist_ok=True)
            probe = self.folder / WORK / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise FolderNotWritableError(
                f"The output folder '{self.folder}' cannot be written ({error.strerror or error}). "
                "Choose another folder, or change its permissions."
            ) from error
        except UnicodeEncodeError as error:
            raise FolderNotWritableError(
                f"The output folder {str(self.folder)!a} has letters that file names cannot have in this locale "
                f"({sys.getfilesystemencoding()}). Choose another name, or set the environment variable PYTHONUTF8=1."
            ) from error

    # --- names --------------------------------------------------------------------------------------------------------

    def claim(self, name: str) -> str:
        """The folder, relative to the output folder, for a step or trainer of this name; its own in this session."""
        label = "/".join(_slug(part) for part in name.split(" / "))
        if self._claimed.setdefault(label, name) != name:
            label = f"{label}-{sha256(name.encode()).hexdigest()[:6]}"
            self._claimed[label] = name
        return label

    def path(self, label: str) -> Path:
        return self.folder / label

    def work(self, key: str) -> Path:
        """The folder in which the result with this key is made."""
        return self.folder / WORK / _short(key)

    def clear(self, key: str) -> None:
        """Remove what a run that was killed in the middle of its commit left of a result that is in its place."""
        work = self.work(key)
        if work.exists():
            shutil.rmtree(work, ignore_errors=True)

    # --- finding ------------------------------------------------------------------------------------------------------

    def record(self, folder: Path, name: str) -> bytes | None:
        """The bytes of `step.json` or `trainer.json` in a folder, or None."""
        try:
            return (folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def others(self, record_name: str) -> Iterator[Path]:
        """Every folder with a record of this kind, finished ones before backups: where a renamed step is looked for."""
        found = []
        for folder, below, files in os.walk(self.folder):
            below[:] = [name for name in below if name == BACKUPS or not name.startswith(_HIDDEN)]  # results only
            if record_name in files:
                found.append(Path(folder))
        return iter(sorted(found, key=lambda path: (BACKUPS in path.relative_to(self.folder).parts, path)))

    # --- moving -------------------------------------------------------------------------------------------------------

    def commit(self, work: Path, label: str, replaced_key: str | None) -> Path:
        """Put a whole result in its place; what was there is kept as a backup."""
        with self.lock:
            return self._commit(work, label, replaced_key)

    def _commit(self, work: Path, label: str, replaced_key: str | None) -> Path:
        target = self.path(label)
        self.set_aside(label, replaced_key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # a folder without a record: children of a step that makes other steps, or leftovers
            for item in sorted(work.iterdir(), key=lambda item: item.name in RECORDS):  # the record last
                _replace(item, target / item.name)
            shutil.rmtree(work, ignore_errors=True)
        else:
            work.replace(target)
        sync_folder(target.parent)
        return target

    def set_aside(self, label: str, key: str | None) -> None:
        """Move the result at `label` to the backups, under its key; only its own files, not those of its children."""
        target = self.path(label)
        if key is None or not target.exists():
            return
        backup = self.folder / BACKUPS / label / _short(key)
        self.moving(label, backup)
        shutil.rmtree(backup, ignore_errors=True)
        items = list(target.iterdir())
        own = [item for item in items if not _has_record(item)]
        if len(own) == len(items):  # nothing else lives there: one rename, whole or not at all
            backup.parent.mkdir(parents=True, exist_ok=True)
            target.replace(backup)
            return
        backup.mkdir(parents=True)
        for item in sorted(own, key=lambda item: item.name in RECORDS):  # the record last: what has one is whole
            item.replace(backup / item.name)

    def discard(self, label: str) -> None:
        """Remove a damaged result at `label`; only its own files, the record first."""
        items = [item for item in self.path(label).glob("*") if not _has_record(item)]
        for item in sorted(items, key=lambda item: item.name not in RECORDS):
            _remove(item)

    def link(self, source: Path, label: str) -> Path:
        """The same result under another label, without copying its bytes where the file system can link them."""
        target, staging = self.path(label), self.folder / WORK / f"link-{os.getpid()}-{_slug(label)}"
        shutil.rmtree(staging, ignore_errors=True)
        shutil.copytree(source, staging, copy_function=_link, ignore=_children)
        return self.commit(staging, label, None) if not target.exists() else self._merge(staging, target)

    def _merge(self, staging: Path, target: Path) -> Path:
        for item in staging.iterdir():
            _replace(item, target / item.name)
        shutil.rmtree(staging, ignore_errors=True)
        return target

    def write(self, label: str, name: str, content: str) -> None:
        """Write one text file of a result, whole."""
        atomic_write(self.path(label) / name, content.encode())


def _slug(name: str) -> str:
    """A folder name that can be read and typed: letters and digits of any script, joined by dashes."""
    words = re.sub(r"[^\w.]+", "-", name.strip().lower()).strip("-.")
    if not _can_be_a_file_name(words):
        words = re.sub(r"[^a-z0-9_.]+", "-", words).strip("-.") + f"-{sha256(words.encode()).hexdigest()[:6]}"
    if words in _TAKEN or words.startswith("ledger.sqlite"):
        words += "-step"
    return (words.lstrip(_HIDDEN) or sha256(name.encode()).hexdigest()[:8])[:80]


def _can_be_a_file_name(word: str) -> bool:
    """False where the system's locale knows no letters but ASCII, and the word has others."""
    try:
        os.fsencode(word)
    except UnicodeEncodeError:
        return False
    return True


def _short(key: str) -> str:
    return key.partition(":")[2][:24] or key


def _has_record(item: Path) -> bool:
    return item.is_dir() and any((item / name).exists() for name in RECORDS)


def _children(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if _has_record(Path(folder) / name)]


def _replace(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    source.replace(target)


def _remove(item: Path) -> None:
    if item.is_dir() and not item.is_symlink():
        shutil.rmtree(item)
    else:
        item.unlink(missing_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
