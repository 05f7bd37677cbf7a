"""The card of a dataset: what it is, how every row came about, and under which terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import card_sections as shared
from .data_card_types import DataCardType, add_entry, sort_data_card
from .lineage import Lineage, Record, closure
from .markdown import code, inline, number, percent, section, sections, table, when
from .readme import Card
from .record import ModelUse, RunRecord, StepRecord, TrainerRecord

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"),
    (100_000_000_000, "10B<n<100B"),
)


def data_card(
    run: RunRecord, step: str, *, title: str | None = None, synthetic: bool | None = None, tags: Sequence[str] = ()
) -> Card:
    """The card of one step's result.

    Args:
        run: the record of the output folder, or a closure.
        step: the step's name.
        title: the heading; the step's name when None.
        synthetic: whether to tag the dataset as synthetic; derived from lineage when None.
        tags: more tags for the YAML block.
    """
    run = closure(run, step)
    record = next(found for found in run.steps if found.name == step)
    return Card(kind="dataset", metadata=_metadata(run, record, title, synthetic, tags), body=_body(run, record, title))


def _metadata(
    run: RunRecord, record: StepRecord, title: str | None, synthetic: bool | None, tags: Sequence[str]
) -> dict[str, Any]:
    if synthetic is None:
        synthetic = is_synthetic(record)
    return {
        "pretty_name": title or record.name,
        "library_name": "datadreamer",
        "size_categories": [size_category(record.rows.output)],
        "source_datasets": shared.hub_ids(run) or None,
        "tags": list(dict.fromkeys([*tags, *(["synthetic"] if synthetic else []), *shared.version_tags(run)])),
    }


def is_synthetic(record: StepRecord) -> bool:
    """Whether a model wrote any of it."""
    return any(column.share in ("full", "partial") for column in record.synthetic.values())


def size_category(rows: int) -> str:
    """The Hub's name for a number of rows."""
    return next((name for bound, name in _SIZES if rows < bound), "100B<n<1T")


def _body(run: RunRecord, record: StepRecord, title: str | None) -> str:
    return sections(
        f"# {inline(title or record.name)}",
        _sentence(run, record),
        _partial(record),
        columns_section(record),
        section("How it was made", shared.chain(run), _steps_table(run)),
        shared.models_section(run),
        shared.prompts_section(run),
        shared.sources_section(run),
        shared.rows_section(run),
        shared.cost_section(run),
        shared.determinism_section(run, record.name),
        shared.contamination_section(run),
        shared.licenses_section(run),
        shared.notes_section(run),
        shared.citations_section(run),
        shared.reproduce_section(run, record),
    )


def _sentence(run: RunRecord, record: StepRecord) -> str:
    doc = f" ({inline(record.doc).rstrip('.')})" if record.doc else ""
    made = f"made by {code(shared.short_kind(record))}{doc}, with [DataDreamer](https://pypi.org/project/datadreamer/)"
    size = f"{number(record.rows.output)} rows in {number(len(record.outputs))} columns"
    steps = "step" if len(run.steps) == 1 else "steps"
    return f"{size}, {made} {inline(run.library_version)}, in a workflow of {number(len(run.steps))} {steps}."


def _partial(record: StepRecord) -> str:
    """A warning in front of a result that is not whole."""
    if record.status != "partial":
        return ""
    pending = f": {number(record.rows.pending)} rows were not asked" if record.rows.pending else ""
    return f"**This dataset is partial.** The budget of the run was used up before the step was finished{pending}."


def columns_section(record: StepRecord) -> str:
    rows = []
    for column in record.outputs:
        found = record.synthetic.get(column.name)
        share = "unknown" if found is None else found.share
        fraction, depth = (found.fraction, found.depth) if found else (None, None)
        rows.append((code(column.name), code(column.type), share, percent(fraction), number(depth)))
    note = (
        "*Synthetic* says whether a model wrote the column, in how many of its rows, and how many generations of "
        "model-written data lie beneath it. It is derived from the record; sources count as not synthetic unless "
        "their own cards say otherwise."
    )
    return section("Columns", table(("column", "type", "synthetic", "of rows", "depth"), rows), note)


def _steps_table(run: RunRecord) -> str:
    rows = []
    for record in shared.records_in_order(run):
        digest = record.digest if isinstance(record, StepRecord) else record.model.digest
        what = inline(record.doc or "")
        rows.append(
            (inline(record.name), code(shared.short_kind(record)), what, when(record.ended), code(digest or ""))
        )
    return table(("step", "kind", "what it does", "finished", "content digest"), rows)


def published_data_card(run: RunRecord, step: str) -> dict[str, dict[str, list[Any]]]:
    """What `step.data_card()` prints: for the step and each it came from, its entries by `DataCardType`."""
    lineage = Lineage(run)
    wanted = lineage.ancestors(step)
    cards = {record.name: _entries(record) for record in shared.records_in_order(run) if record.name in wanted}
    return {name: sort_data_card(card) for name, card in cards.items() if card}


def _entries(record: Record) -> dict[str, list[Any]]:
    card: dict[str, list[Any]] = {}
    add_entry(card, DataCardType.DATETIME, when(record.ended) if record.ended is not None else None)
    models = [*record.models]
    if isinstance(record, TrainerRecord):
        models += [record.base_model] if record.base_model else []
    else:
        _add_sources(card, record)
    for model in models:
        _add_model(card, model)
    for kind, values in record.data_card.items():
        for value in values:
            add_entry(card, kind, value)
    return card


def _add_sources(card: dict[str, list[Any]], record: StepRecord) -> None:
    for source in record.sources:
        add_entry(card, DataCardType.DATASET_NAME, source.name)
        add_entry(card, DataCardType.URL, source.homepage)
        if source.license is not None:
            add_entry(card, DataCardType.LICENSE, source.license.id or source.license.text or source.license.url)
        for citation in source.citations:
            add_entry(card, DataCardType.CITATION, citation)


def _add_model(card: dict[str, list[Any]], model: ModelUse) -> None:
    add_entry(card, DataCardType.MODEL_NAME, model.asked or model.name)
    add_entry(card, DataCardType.MODEL_CARD, model.card_url)
    for fact in (model.license, model.terms):
        if fact is not None:
            add_entry(card, DataCardType.LICENSE, fact.url or fact.id or fact.text)
    for citation in model.citations:
        add_entry(card, DataCardType.CITATION, citation)
