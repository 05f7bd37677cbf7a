"""The published kinds of entry that a step may put on its data card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")


class DataCardType:
    """Kinds of data card entry, as `register_data_card(type, value)` takes them."""

    DATETIME = "Date & Time"
    MODEL_NAME = "Model Name"
    DATASET_NAME = "Dataset Name"
    LICENSE = "License Information"
    CITATION = "Citation Information"
    DATASET_CARD = "Dataset Card"
    MODEL_CARD = "Model Card"
    URL = "URL"


ORDER = (
    DataCardType.DATETIME,
    DataCardType.DATASET_NAME,
    DataCardType.MODEL_NAME,
    DataCardType.DATASET_CARD,
    DataCardType.MODEL_CARD,
    DataCardType.URL,
    DataCardType.LICENSE,
    DataCardType.CITATION,
)


def sort_data_card(data_card: Mapping[str, Value]) -> dict[str, Value]:
    """The same entries in reading order: known kinds first, a user's own kinds after them in the order given."""
    known = {kind: data_card[kind] for kind in ORDER if kind in data_card}
    return known | {kind: value for kind, value in data_card.items() if kind not in known}


def add_entry(data_card: dict[str, list[Any]], kind: str, value: Any) -> None:
    """Put `value` on a data card unless it is None or there already."""
    values = data_card.setdefault(kind, []) if value is not None else []
    if value is not None and value not in values:
        values.append(value)
