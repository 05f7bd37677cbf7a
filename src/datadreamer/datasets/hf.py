"""Rows as a Hugging Face `Dataset`: over the same memory-mapped files where possible, else the same Arrow data."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from .columns import Source
from .features import hf_features
from .rows import Rows, same_selection


def to_hf(rows: Rows) -> Any:
    """A `datasets.Dataset` of these rows; nothing is copied unless the view joins scattered rows of several sources."""
    import datasets

    selection = rows.selection()
    if selection is None or not selection[0].files or not all(file.exists() for file in selection[0].files):
        return _from_table(rows.table(), rows.schema)
    source, names, at = selection
    made = _from_files(source, datasets).select_columns(list(names))
    made = made.rename_columns({old: new for old, new in names.items() if old != new})
    return made if same_selection(at, range(source.rows)) else made.select(at)


def _from_files(source: Source, datasets: Any) -> Any:
    if source.checks is not None:
        source.checks.before_range(0, source.rows)
    info = datasets.DatasetInfo(features=hf_features(source.schema))
    parts = [datasets.Dataset.from_file(str(file), info=info.copy()) for file in source.files]
    return parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)


def _from_table(table: pa.Table, schema: pa.Schema) -> Any:
    import datasets

    plain = datasets.table.InMemoryTable(table.replace_schema_metadata(None))
    return datasets.Dataset(plain, info=datasets.DatasetInfo(features=hf_features(schema)))
