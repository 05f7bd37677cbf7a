"""A step's rows on the Hugging Face Hub, as Parquet, with their card and record."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ..cards import publish
from ..datasets import Rows, export_parquet
from .export import split_rows, write_card
from .step import Step


def publish_dataset(
    step: Step,
    repo_id: str,
    branch: str | None,
    private: bool,
    token: str | None,
    is_synthetic: bool,
    **options: Any,
) -> str:
    """Write one Parquet file for each split, and upload them; gives the URL. See `cards.hub.publish` for the rest."""
    parts = split_rows(step, options)
    facts = {"title": repo_id.rpartition("/")[2], "synthetic": is_synthetic}
    return publish(partial(_write, step, parts, facts), "dataset", repo_id, branch, private, token, options)


def _write(step: Step, parts: dict[str, Rows], facts: dict[str, Any], folder: Path) -> None:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, rows in parts.items():
        export_parquet(rows, folder / "data" / f"{split}-00000-of-00001.parquet")
    write_card(step, folder, **facts)
