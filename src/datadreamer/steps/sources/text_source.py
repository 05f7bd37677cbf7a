"""`TextDataSource`: one row for each line of text files."""

from __future__ import annotations

from typing import ClassVar

from .file_source import FileSource


class TextDataSource(FileSource):
    """Lines of text files, in the column `text`."""

    kind: ClassVar[str] = "text"
