"""Rows to files that other programs read: JSON, CSV, Parquet, and folders for `datasets.load_from_disk`."""

from ..._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "export_csv": "csv_export",
        "export_hf_dataset": "hf_export",
        "export_json": "json_export",
        "export_parquet": "parquet_export",
        "split_paths": "target",
    },
)
