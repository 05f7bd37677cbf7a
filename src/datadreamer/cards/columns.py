"""Output columns of a record, out of what the dataset room says about a finished dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .record import Origin, OutputColumn

if TYPE_CHECKING:
    from ..datasets.info import DatasetInfo


def output_columns(
    info: DatasetInfo, declared: Mapping[str, str] | None = None, origins: Mapping[str, Origin] | None = None
) -> list[OutputColumn]:
    """One `OutputColumn` for each column of a dataset, with its Arrow type and content digest.

    Args:
        info: of the finished dataset.
        declared: column name to the name of the output in the step's declaration, where the user renamed it.
        origins: column name to how it came about, where the step says so.
    """
    digests = info.column_digests
    return [
        OutputColumn(
            name=field.name,
            type=str(field.type),
            digest=digests[field.name],
            declared=(declared or {}).get(field.name),
            origin=(origins or {}).get(field.name),
        )
        for field in info.arrow_schema
    ]
