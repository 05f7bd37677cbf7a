"""Rows that are computed as they are read, put on disk so that they can be looked at in any order."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from .rows import Rows
from .writer import DatasetWriter

IN_MEMORY_ROWS = 1_000


def spooled(rows: Iterable[Mapping[str, Any]], folder: Path | None = None) -> Rows:
    """`rows` as stored rows: a few in memory, many in a file that is gone when nobody reads them any more.

    Args:
        rows: dicts with the same keys.
        folder: where the file is made; the system's temporary folder when None.
    """
    source = iter(rows)
    first = list(islice(source, IN_MEMORY_ROWS))
    if len(first) < IN_MEMORY_ROWS:
        return Rows.from_list(first)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="spool-", dir=folder))
    try:
        with DatasetWriter(place, returned_by="the rows before it") as writer:
            for row in first:
                writer.append(row)
            first.clear()
            for row in source:
                writer.append(row)
            info = writer.finish()
        made = writer.dataset(info)
        made.take(1).table()  # mapped: from now on the cells are there without the file's name
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    shutil.rmtree(place, ignore_errors=True)  # where files in use cannot be removed, they stay in the folder
    return made
