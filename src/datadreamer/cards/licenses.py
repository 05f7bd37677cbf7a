"""Licences and terms as they were stated, with the way each came in. Nothing is chosen for the user or guessed."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from .lineage import Lineage, models_of, sources_of
from .markdown import UNKNOWN, inline, link, sections, table
from .record import LicenseFact, RunRecord, TrainerRecord

# What a licence asks of those who pass its subject on: facts about texts. What binds a result is for its author to say.
OBLIGATIONS: dict[str, tuple[str, ...]] = {
    "mit": ("attribution",),
    "apache-2.0": ("attribution", "state changes"),
    "bsd-2-clause": ("attribution",),
    "bsd-3-clause": ("attribution",),
    "cc0-1.0": ("none",),
    "unlicense": ("none",),
    "pddl-1.0": ("none",),
    "odc-by-1.0": ("attribution",),
    "odbl-1.0": ("attribution", "share-alike"),
    "cc-by-3.0": ("attribution",),
    "cc-by-4.0": ("attribution",),
    "cc-by-sa-3.0": ("attribution", "share-alike"),
    "cc-by-sa-4.0": ("attribution", "share-alike"),
    "cc-by-nc-4.0": ("attribution", "non-commercial"),
    "cc-by-nc-sa-4.0": ("attribution", "non-commercial", "share-alike"),
    "cc-by-nd-4.0": ("attribution", "no derivatives"),
    "gpl-3.0-only": ("attribution", "share-alike"),
    "agpl-3.0-only": ("attribution", "share-alike"),
}

NOTE = (
    "These are the licences and terms as the named places state them; *unknown* means that nothing was found, not that "
    "nothing applies. Which of them bind this result is for its author to decide; no licence was chosen automatically."
)


class LicenseEntry(Struct):
    """One licence, or the lack of one, and how it came in."""

    subject: str  # "source", "model" or "service terms"
    name: str
    role: str
    fact: LicenseFact | None
    path: list[str]  # names from the step that brought it to the result

    @property
    def obligations(self) -> tuple[str, ...]:
        known = self.fact.id if self.fact else None
        return OBLIGATIONS.get((known or "").lower(), (UNKNOWN,))


def license_entries(run: RunRecord) -> list[LicenseEntry]:
    """Every source, model and service of a run with its licence or terms. Equal ones once, with the shortest way."""
    found: dict[tuple[str, ...], LicenseEntry] = {}
    for entry in _all_entries(run):
        key = (entry.subject, entry.name, entry.role, _stated(entry.fact))
        if key not in found or len(entry.path) < len(found[key].path):
            found[key] = entry
    return list(found.values())


def license_table(run: RunRecord) -> str:
    """The entries as a Markdown table; empty when nothing from outside went in."""
    rows = [
        (
            entry.subject,
            inline(entry.name),
            entry.role,
            link(_stated(entry.fact), entry.fact.url if entry.fact else None),
            inline(entry.fact.stated_by if entry.fact and entry.fact.stated_by else UNKNOWN),
            ", ".join(entry.obligations),
            " → ".join(inline(name) for name in entry.path),
        )
        for entry in license_entries(run)
    ]
    return table(("what", "name", "role", "licence or terms", "stated by", "asks for", "came in through"), rows)


def licenses_page(run: RunRecord) -> str:
    """The text of `LICENSES.md`."""
    listed = license_table(run) or "No source, model or service from outside was used."
    return sections("# Licences and terms", listed, NOTE) + "\n"


def _all_entries(run: RunRecord) -> Iterator[LicenseEntry]:
    lineage = Lineage(run)
    for step, source in sources_of(run):
        yield LicenseEntry("source", source.name, _source_role(lineage), source.license, _way(lineage, step.name))
    for record, model in models_of(run):
        way = _way(lineage, record.name)
        if model.trainer is None:  # a model trained here has the licences of what it was trained from and on
            yield LicenseEntry("model", model.name, model.role, model.license, way)
        if model.terms is not None or model.endpoint is not None:
            yield LicenseEntry("service terms", model.endpoint or model.name, model.role, model.terms, way)


def _way(lineage: Lineage, name: str) -> list[str]:
    return lineage.path(name, lineage.run.about) if lineage.run.about in lineage.records else [name]


def _source_role(lineage: Lineage) -> str:
    """How sources stand to the result: in it word for word, shown to the models that wrote it, or trained on."""
    record = lineage.records.get(lineage.run.about or "")
    if record is None:
        return "read"
    if isinstance(record, TrainerRecord):
        return "trained-on"
    shares = [column.share for column in record.synthetic.values()]
    return "conditioned-on" if shares and set(shares) == {"full"} else "copied"


def _stated(fact: LicenseFact | None) -> str:
    return UNKNOWN if fact is None else fact.id or fact.text or UNKNOWN
