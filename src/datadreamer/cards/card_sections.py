"""The sections that data cards and model cards share, each a function from a closure to Markdown."""

from __future__ import annotations

import json
from typing import Any

from .bibliography import citations
from .licenses import NOTE, license_table
from .lineage import Lineage, Record, all_records, determinism, models_of, sources_of
from .markdown import (
    UNKNOWN,
    block,
    code,
    dollars,
    duration,
    inline,
    link,
    number,
    one_line,
    section,
    settings_text,
    table,
    when,
)
from .record import ModelUse, RunRecord, StepRecord, TrainerRecord

LEVELS = {
    "D4": "exact anywhere",
    "D3": "exact replay from the recording",
    "D2": "exact in the same environment",
    "D1": "statistical: sampled from a pinned model",
    "D0": "drifting: a model alias or a live source",
}


def short_kind(record: Record) -> str:
    """The class name of a step or trainer."""
    return record.kind.rpartition(".")[2]


def records_in_order(run: RunRecord) -> list[Record]:
    """Steps and trainers as they ran, or as listed where no time is known; none before what it reads."""
    records = sorted(all_records(run.steps, run.trainers), key=lambda record: record.started or 0.0)
    by_name = {record.name: record for record in records}
    ordered: dict[str, Record] = {}
    begun: set[str] = set()
    stack = records[::-1]
    while stack:
        record = stack[-1]
        # only views can come too late: they are written down after the step that reads them has started
        needed = [] if record.name in begun else [by_name[name] for name in _read_by(record) if name in by_name]
        begun.add(record.name)
        needed = [need for need in needed if need.name not in begun]
        if needed:
            stack += reversed(needed)
        else:
            ordered.setdefault(record.name, stack.pop())
    return list(ordered.values())


def _read_by(record: Record) -> list[str]:
    uses = record.inputs if isinstance(record, StepRecord) else record.columns
    return [*record.parents, *(use.step for use in uses if use.step is not None)]


def chain(run: RunRecord) -> str:
    """The graph as numbered lines, each with the numbers of the lines it reads."""
    records = records_in_order(run)
    numbers = {record.name: index for index, record in enumerate(records, 1)}
    lineage = Lineage(run)
    heads, tails = [], []
    for record in records:
        reads = ", ".join(str(numbers[need]) for need in sorted(lineage.needs(record.name), key=numbers.__getitem__))
        arrow = f" ← {reads}" if reads else ""
        heads.append(f"{numbers[record.name]:>3}. {one_line(record.name, 60)} ({short_kind(record)}){arrow}")
        tails.append(_result_of(record))
    width = max((len(head) for head in heads), default=0)
    return block("\n".join(f"{head:<{width}}  {tail}" for head, tail in zip(heads, tails, strict=True)))


def _result_of(record: Record) -> str:
    models = record.models if isinstance(record, StepRecord) else [record.base_model] if record.base_model else []
    names = ", ".join(dict.fromkeys(one_line(model.asked or model.name, 60) for model in models))
    made = f"{number(record.rows.output):>9} rows" if isinstance(record, StepRecord) else f"{'model':>14}"
    return f"{made}  {names}".rstrip()


def models_section(run: RunRecord) -> str:
    uses: dict[str, tuple[ModelUse, dict[str, int], list[str]]] = {}
    for record, model in models_of(run):
        key = repr(
            (model.name, model.role, model.provider, model.endpoint, model.asked, model.revision, model.sampling)
        )
        _, served, where = uses.setdefault(key, (model, {}, []))
        for name, answers in model.served.items():
            served[name] = served.get(name, 0) + answers
        where.append(record.name)
    rows = [_model_row(*use) for use in uses.values()]
    headers = (
        "model",
        "role",
        "provider",
        "revision or digest",
        "served as (answers)",
        "sampling",
        "configuration",
        "in",
    )
    return section("Models", table(headers, rows))


def _model_row(model: ModelUse, served: dict[str, int], where: list[str]) -> tuple[str, ...]:
    provider = " at ".join(part for part in (model.provider, model.endpoint) if part)
    asked = model.role != "trained-from"  # a base model answers nothing
    unknown = UNKNOWN if asked else ""
    configuration = {"quantization": model.quantization, "adapter": model.adapter, "trained by": model.trainer}
    return (
        link(model.asked or model.name, model.card_url),
        model.role,
        inline(provider or UNKNOWN),
        code(model.revision or model.digest or "") or UNKNOWN,
        ", ".join(f"{code(name)} ({number(answers)})" for name, answers in served.items()) or unknown,
        settings_text(model.sampling) or ("provider's defaults" if asked else ""),
        settings_text(configuration),
        ", ".join(inline(name) for name in dict.fromkeys(where)),
    )


def prompts_section(run: RunRecord) -> str:
    """Instructions, templates and system prompts in full."""
    parts = []
    for step in run.steps:
        for prompt in step.prompts:
            parts.append(f"**{inline(step.name)}**, {inline(prompt.role)}:\n\n{block(prompt.text)}")
    return section("Prompts", *parts)


def sources_section(run: RunRecord) -> str:
    rows = [
        (
            link(source.name, source.homepage),
            inline(source.kind),
            code(source.uri or "") or UNKNOWN,
            inline(", ".join(part for part in (source.config, source.split) if part)),
            code(source.revision or source.digest or "") or UNKNOWN,
            number(source.rows),
            inline((source.license.id or source.license.text or UNKNOWN) if source.license else UNKNOWN),
            {True: "yes", False: "no", None: "not stated"}[source.synthetic],
            inline(step.name),
        )
        for step, source in sources_of(run)
    ]
    headers = ("source", "kind", "where", "part", "revision or digest", "rows", "licence", "synthetic", "read by")
    return section("Sources", table(headers, rows))


def rows_section(run: RunRecord) -> str:
    """The conservation of rows: what went in, what came out, and what became of the rest."""
    listed = []
    for step in run.steps:
        rows = step.rows
        reasons = ", ".join(f"{inline(reason)}: {number(count)}" for reason, count in rows.failed.items())
        failed = f"{number(rows.lost)} ({reasons})" if reasons else "0"
        balance = "yes" if rows.balanced else "**no**"
        if rows.pending:
            balance += f", {number(rows.pending)} not reached"
        cells = (number(rows.input), number(rows.expanded), number(rows.output), number(rows.filtered), failed, balance)
        listed.append((inline(step.name), *cells))
    headers = ("step", "in", "expanded", "out", "filtered", "failed", "all accounted for")
    return section("Rows", "in + expanded = out + filtered + failed, for every step.", table(headers, listed))


def cost_section(run: RunRecord) -> str:
    records = [record for record in records_in_order(run) if record.calls.calls or record.calls.hits]
    rows = [_cost_row(inline(record.name), record.calls, record.seconds) for record in records]
    if not rows:
        return ""
    total = run.totals
    rows.append(_cost_row("**total**", total.calls, total.seconds))
    partial = not total.cost_complete and total.calls.cost_usd is not None
    note = "The total leaves out the steps whose price is unknown." if partial else ""
    headers = ("step", "calls", "from the ledger", "tokens in (cached)", "tokens out (reasoning)", "cost", "time")
    return section("Cost", table(headers, rows), note)


def _cost_row(name: str, calls: Any, seconds: float | None) -> tuple[str, ...]:
    return (
        name,
        number(calls.calls),
        number(calls.hits),
        f"{number(calls.input_tokens)} ({number(calls.cached_tokens)})",
        f"{number(calls.output_tokens)} ({number(calls.reasoning_tokens)})",
        dollars(calls.cost_usd) + (f" ({number(calls.unpriced)} calls unpriced)" if calls.unpriced else ""),
        duration(seconds),
    )


def determinism_section(run: RunRecord, name: str) -> str:
    whole = determinism(run, name)
    sentence = f"**{whole.level}** ({LEVELS[whole.level]}): {inline(whole.why)}".rstrip(".: ") + "."
    rows = [
        (inline(record.name), record.determinism.level, inline(record.determinism.why))
        for record in records_in_order(run)
    ]
    return section("Determinism", sentence, table(("step", "level", "why"), rows))


def licenses_section(run: RunRecord) -> str:
    listed = license_table(run)
    return section("Licences and terms", listed, NOTE if listed else "")


def citations_section(run: RunRecord) -> str:
    found = citations(run)
    reasons = [f"* {code(citation.key)}: {inline('; '.join(citation.reasons))}" for citation in found]
    return section("Citations", "\n".join(reasons), block("\n\n".join(c.bibtex for c in found), "bibtex"))


def notes_section(run: RunRecord) -> str:
    """What steps put on their data cards themselves, other than citations."""
    from .data_card_types import DataCardType, sort_data_card

    rows = [
        (inline(record.name), inline(kind), inline(value if isinstance(value, str) else json.dumps(value, default=str)))
        for record in records_in_order(run)
        for kind, values in sort_data_card(record.data_card).items()
        if kind != DataCardType.CITATION
        for value in values
    ]
    return section("Notes", table(("step", "kind", "note"), rows))


def contamination_section(run: RunRecord) -> str:
    checks = [step for step in run.steps if short_kind(step) == "Decontaminate"]
    if not checks:
        return section("Contamination", "No check for overlap with evaluation sets is recorded in this workflow.")
    lines = [
        f"* no overlap detected by {code(step.name)} in the {number(step.rows.output)} rows it kept; it removed "
        f"{number(step.rows.filtered)}. {settings_text(step.settings)}"
        for step in checks
    ]
    return section(
        "Contamination", "\n".join(lines), "Other evaluation sets, and other ways to overlap, were not checked."
    )


def reproduce_section(run: RunRecord, record: StepRecord | TrainerRecord) -> str:
    """Versions, identities and what to do to make it again."""
    result = record.digest if isinstance(record, StepRecord) else record.model.digest
    version = record.library_version or run.library_version
    rows = [("made with", code(f"datadreamer=={version}"))]
    if run.session is not None:
        commit = f" at commit {code(run.session.git_commit)}" if run.session.git_commit else ""
        dirty = " with uncommitted changes" if run.session.git_dirty else ""
        rows.append(("script", f"{code(run.session.script or UNKNOWN)}{commit}{dirty}"))
    rows += [
        ("made on", when(record.ended)),
        ("workflow fingerprint", code(record.fingerprint) or UNKNOWN),
        ("content digest", code(result or "") or UNKNOWN),
        ("environment", _environment(run, record)),
    ]
    how = (
        f"Install {code(f'datadreamer=={version}')}, run the script again and compare the content digest. "
        "The file `datadreamer.json` beside this card is the whole record that the card is made from."
    )
    return section("How to make it again", table(("", ""), rows), how)


def _environment(run: RunRecord, record: Record) -> str:
    here = run.environment if run.environment and run.environment.digest == record.environment else None
    info = run.environments.get(record.environment or "") or here
    if info is None:
        return code(record.environment or "") or UNKNOWN
    gpus = ", ".join(dict.fromkeys(gpu.name for gpu in info.gpus)) or "no GPU"
    shown = inline(f"{info.implementation} {info.python}, {info.os}, {info.machine}, {gpus}")
    return f"{shown}; {code(info.digest or '')}"


def hub_ids(run: RunRecord) -> list[str]:
    """Ids of the Hugging Face datasets that a run read."""
    found = (source.uri for _, source in sources_of(run) if source.kind == "huggingface" and is_hub_id(source.uri))
    return list(dict.fromkeys(uri for uri in found if uri))


def is_hub_id(name: str | None) -> bool:
    """Whether `name` can be the id of a repository on the Hub: `owner/name` or `name`, and not a path."""
    import re

    return bool(name and re.fullmatch(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*", name))


def version_tags(run: RunRecord) -> list[str]:
    """`datadreamer` and `datadreamer-<version>`."""
    return ["datadreamer", f"datadreamer-{run.library_version}"]
