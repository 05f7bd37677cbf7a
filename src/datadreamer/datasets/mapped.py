"""Memory-mapped files whose pages are given back while a dataset larger than memory is read.

The system keeps every page of a map that was touched in the memory of the process until it needs the room (and on
recent kernels touching one byte brings two megabytes in). A pass over 100 GB would then look, and be killed, like a
process that holds 100 GB. So whoever reads a lot calls `settle()` now and then, which gives back the pages of all maps
once they are more than a bound; a page that is touched again comes from the page cache, or from the disk.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from weakref import WeakSet

import pyarrow as pa

MOST_RESIDENT = 24 << 20
_DONTNEED = 4  # MADV_DONTNEED, the same number on Linux and macOS; for a file it only lets go of pages


class MappedFile:
    """The bytes of a file, mapped; the file may be renamed or deleted while it is in use."""

    __slots__ = ("__weakref__", "buffer")

    def __init__(self, path: Path) -> None:
        # the buffer keeps the map and not the file, so many parts cost no file descriptors
        with pa.memory_map(str(path)) as file:
            self.buffer: pa.Buffer = file.read_buffer()
        _maps.add(self)

    def give_back(self) -> None:
        """Let go of the pages; their content stays readable."""
        if _madvise is not None and self.buffer.size:
            _madvise(ctypes.c_void_p(self.buffer.address), ctypes.c_size_t(self.buffer.size), _DONTNEED)


_maps: WeakSet[MappedFile] = WeakSet()


def _find_madvise() -> ctypes._NamedFuncPointer | None:
    if sys.platform not in ("linux", "darwin"):
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "madvise", None)


_madvise = _find_madvise()
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


class _Resident:
    """How many bytes of files are in memory, beyond those of programs and libraries."""

    def __init__(self) -> None:
        self._page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
        self._base = 0
        try:
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            self._pid = os.getpid()
        except (OSError, AttributeError):
            self._statm = -1

    def measure(self) -> int | None:
        """Bytes of mapped files in memory, libraries included; None where the system does not say."""
        if self._statm < 0:
            return None
        if os.getpid() != self._pid:  # a forked child reads its own numbers
            self.__init__()  # type: ignore[misc]
        return int(os.pread(self._statm, 100, 0).split()[2]) * self._page

    def above(self, bound: int) -> bool:
        found = self.measure()
        return found is None or found > self._base + bound

    def rest(self) -> None:
        """What is there now is not of datasets."""
        self._base = self.measure() or 0


_resident = _Resident()
_unmeasured = 0


def settle(read: int = 0) -> None:
    """Give back the pages of all maps when they are more than `MOST_RESIDENT` bytes.

    Args:
        read: bytes read since the last call: what counts where the system does not say what is in memory.
    """
    global _unmeasured
    if not _maps:
        return
    _unmeasured += read
    if not _resident.above(MOST_RESIDENT) or (_resident._statm < 0 and _unmeasured < MOST_RESIDENT):
        return
    _unmeasured = 0
    for file in list(_maps):
        file.give_back()
    _resident.rest()


def return_memory() -> None:
    """Hand memory that was freed back to the system: else what comes next is on top of what this thread had."""
    pa.default_memory_pool().release_unused()
    if _trim is not None:
        _trim(0)


__all__ = ["MOST_RESIDENT", "MappedFile", "return_memory", "settle"]
