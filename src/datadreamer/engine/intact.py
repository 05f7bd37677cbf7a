"""Are a result's files still those that were written? Looked at when the result is found, at next to no cost.

A file that was changed, swapped or copied has other times or another place on the disk than when it was last compared:
then its bytes are compared with the checksum in the manifest. What changes on a disk without the system's knowing is
found when the rows are read (`datasets/checksums.py`).
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

from ..datasets import DatasetInfo
from ..datasets.checksums import check_file
from ..datasets.digest import dataset_digest
from ..errors import DamagedFileError

# A file that changed within one tick of the file system's clock after it was compared would keep its time.
RACY_SECONDS = 2.0


def check_result(folder: Path, info: DatasetInfo, ledger: Any) -> None:
    """Compare the parts that may have changed since they were last compared.

    Raises:
        DamagedFileError: one is not what was written, or the manifest contradicts itself.
    """
    if dataset_digest(info.column_digests, info.rows) != info.digest:
        raise DamagedFileError(f"The manifest of {folder} contradicts itself: its digests do not belong together.")
    for part in info.parts:
        for name, crc in ((part.file, part.crc), (part.lineage, part.lineage_crc)):
            if name is not None and crc is not None:
                _check(folder / name, crc, ledger)


def _check(path: Path, crc: int, ledger: Any) -> None:
    stat = os.stat(path)  # noqa: PTH116
    stamp = [crc, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]
    key = hashlib.sha256(os.fsencode(path)).hexdigest()
    if ledger.memo_get("part", key) == stamp:
        return
    check_file(path, crc)
    if time.time() - max(stat.st_mtime, stat.st_ctime) > RACY_SECONDS:
        ledger.memo_put("part", key, stamp)
