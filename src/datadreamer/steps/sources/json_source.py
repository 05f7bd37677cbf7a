"""`JSONDataSource`: rows from JSON and JSON Lines files."""

from __future__ import annotations

from typing import ClassVar

from .file_source import FileSource


class JSONDataSource(FileSource):
    """Rows from JSON Lines files, or from JSON files that hold a list of objects."""

    kind: ClassVar[str] = "json"
