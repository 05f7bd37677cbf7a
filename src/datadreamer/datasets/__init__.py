"""Rows on disk as typed columns: written in whole parts, opened lazily, identified by their content."""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "ColumnDigest": "digest",
        "ColumnInfo": "info",
        "DatasetInfo": "info",
        "DatasetWriter": "writer",
        "OutputDataset": "output",
        "OutputDatasetColumn": "output",
        "OutputIterableDataset": "iterable",
        "OutputIterableDatasetColumn": "iterable",
        "PartInfo": "info",
        "Rows": "rows",
        "as_rows": "output",
        "column_digest": "digest",
        "concat_rows": "rows",
        "open_dataset": "rows",
        "parse_type": "types",
        "table_digest": "digest",
        "to_hf": "hf",
        "zip_rows": "rows",
    },
)
