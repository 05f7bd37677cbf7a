"""Types that hold for a whole source: every row is looked at before the first is given out.

Small sources are read once and kept; larger ones are read twice, so that memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

KEEP_BYTES = 64 << 20


@dataclass(frozen=True)
class Piece:
    """Some rows of one file as they were read; `first_row` counts from 0 within the file."""

    batch: pa.RecordBatch
    file: Path
    first_row: int


class TwoPass:
    """A reader that settles its schema in a first pass. Subclasses say how to read, look, and finish a piece."""

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        self._keep_bytes = keep_bytes
        self._schema: pa.Schema | None = None
        self._kept: list[Piece] | None = []

    def read(self) -> Iterator[Piece]:
        """All rows, untyped or with the types of their piece."""
        raise NotImplementedError

    def look(self, piece: Piece) -> None:
        """Widen what is known of the columns by one piece."""
        raise NotImplementedError

    def settle(self) -> pa.Schema:
        """The schema, after the last piece."""
        raise NotImplementedError

    def finish(self, piece: Piece, schema: pa.Schema) -> pa.RecordBatch:
        """A piece with the settled types."""
        raise NotImplementedError

    @property
    def schema(self) -> pa.Schema:
        if self._schema is None:
            size = 0
            for piece in self.read():
                self.look(piece)
                size += piece.batch.nbytes
                if self._kept is not None:
                    self._kept.append(piece)
                    if size > self._keep_bytes:
                        self._kept = None
            self._schema = self.settle()
        return self._schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        schema = self.schema
        for piece in self._kept if self._kept is not None else self.read():
            yield self.finish(piece, schema)
