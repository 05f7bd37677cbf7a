"""Files to rows: CSV, JSON, text and Parquet, streamed as Arrow batches, with errors that name file, line and cure."""

from ..._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__, {"Source": "source", "open_source": "source", "resolve_files": "files"}
)
