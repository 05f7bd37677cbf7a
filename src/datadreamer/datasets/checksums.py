"""Is a part what was written? Its CRC-32 is in the manifest, and is compared when the part is first read.

Sizes tell a part that is missing or cut short; only its bytes tell that it was swapped, or that a bit flipped.
"""

from __future__ import annotations

import os
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from ..errors import DamagedFileError
from .info import PartInfo

_PIECE_BYTES = 1 << 20
# Files that were compared, or written, in this process: by device, inode, size and times of their last change.
_whole: set[tuple[int, ...]] = set()


def written(path: Path) -> int:
    """The CRC-32 of a file that this process has just written."""
    crc = file_crc(path)
    _whole.add(_stamp(path))
    return crc


def file_crc(path: Path) -> int:
    """The CRC-32 of a file, read a megabyte at a time."""
    crc, buffer = 0, memoryview(bytearray(_PIECE_BYTES))
    with path.open("rb", buffering=0) as file:
        while read := file.readinto(buffer):
            crc = zlib.crc32(buffer[:read], crc)
    return crc


def check_bytes(folder: Path, part: PartInfo) -> None:
    """Compare a part and its lineage with the manifest. Raises as `check_file`."""
    check_file(folder / part.file, part.crc)
    if part.lineage is not None:
        check_file(folder / part.lineage, part.lineage_crc)


def check_file(path: Path, crc: int | None) -> None:
    """Compare a file with its CRC-32, unless this process has done so; None: early versions wrote none.

    Raises:
        DamagedFileError: it is not what was written; the message names it.
    """
    if crc is None:
        return
    try:
        stamp = _stamp(path)
        if stamp in _whole:
            return
        found = file_crc(path)
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {error.strerror or error}. {_CURE}") from None
    if found != crc:
        raise DamagedFileError(
            f"{path} is not what was written: its checksum is {found:08x}, and its manifest says {crc:08x}. {_CURE}"
        )
    _whole.add(stamp)


class PartChecks:
    """Compares the parts of one dataset when their rows are first read."""

    def __init__(self, folder: Path, parts: Sequence[PartInfo]) -> None:
        self._folder, self._parts = folder, parts
        self._stops = list(accumulate(part.rows for part in parts))
        self._open = {number for number, part in enumerate(parts) if part.crc is not None}

    def before_range(self, start: int, stop: int) -> None:
        """Rows `start` to `stop` are about to be read."""
        if self._open and start < stop:
            self._check(range(bisect_right(self._stops, start), bisect_right(self._stops, stop - 1) + 1))

    def before_rows(self, indices: np.ndarray) -> None:
        """Rows at these positions are about to be read."""
        if self._open and len(indices):
            self._check(np.unique(np.searchsorted(self._stops, indices, side="right")).tolist())

    def _check(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if number in self._open:
                path = self._folder / self._parts[number].file
                if path.exists():  # else it was moved away, mapped and whole
                    check_file(path, self._parts[number].crc)
                self._open.discard(number)


def _stamp(path: Path) -> tuple[int, ...]:
    stat = os.stat(path)  # noqa: PTH116
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


_CURE = "Delete the step's folder and run the script again: it is made anew, and no answer is asked again."
