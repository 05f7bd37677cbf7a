"""`croissant.json`: the dataset for machines, in Croissant 1.1 with the vocabularies of RAI 1.0 and PROV-O.

The context is written out in the file, so that nothing has to be fetched to read it. Facts that nobody stated, the
licence first of all, are left out: a validator then warns, which is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from msgspec import Struct

from .arrow_types import croissant_field
from .bibliography import citations
from .card_sections import records_in_order, short_kind
from .data_cards import is_synthetic
from .lineage import Lineage, Record, closure, models_of, sources_of
from .record import ModelUse, RunRecord, SourceUse, StepRecord, Synthetic, TrainerRecord

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{
        term: f"cr:{term}"
        for term in (
            *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject"),
            *("fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
            *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
            *("separator", "source", "subField", "transform"),
        )
    },
}
_PARQUET = "application/x-parquet"
_WRITERS = ("generated-by", "judged-by")
CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]


class PublishedFile(Struct, kw_only=True):
    """A Parquet file of the published dataset, `path` relative to `croissant.json`."""

    path: str
    size_bytes: int
    sha256: str


def croissant_json(
    run: RunRecord,
    step: str,
    files: Sequence[PublishedFile],
    *,
    title: str | None = None,
    url: str | None = None,
    license: str | None = None,
    creator: str | None = None,
) -> dict[str, Any]:
    """The Croissant description of one step's result, as a JSON-able dict.

    Args:
        run: the record of the output folder, or a closure.
        step: the step's name.
        files: the Parquet files that hold its rows.
        title: the dataset's name; the step's name when None.
        url: the web page of the dataset.
        license: what the user states: an SPDX id or a URL. Left out when None.
        creator: name of the person or organisation that publishes it. Left out when None.
    """
    run = closure(run, step)
    record = next(found for found in run.steps if found.name == step)
    known = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": title or record.name,
        "description": _description(record),
        "conformsTo": CONFORMS_TO,
        "url": url,
        "license": license,
        "creator": {"@type": "sc:Organization", "name": creator} if creator else None,
        "datePublished": _iso(record.ended),
        "version": "1.0.0",
        "keywords": ["datadreamer", *(["synthetic"] if is_synthetic(record) else [])],
        "citeAs": "\n\n".join(citation.bibtex for citation in citations(run)),
        "isLiveDataset": False,
        **_responsible_ai(run, record),
        "prov:wasDerivedFrom": [_source(source) for _, source in sources_of(run)],
        "prov:wasGeneratedBy": list(_activities(run)),
        "distribution": list(_distribution(files, url)),
        "recordSet": [_record_set(record, files)],
    }
    return {key: value for key, value in known.items() if value not in (None, [], "")}


def _description(record: StepRecord) -> str:
    doc = f" {record.doc}" if record.doc else ""
    return f"{record.rows.output} rows, made by {short_kind(record)} with DataDreamer.{doc}"


def _responsible_ai(run: RunRecord, record: StepRecord) -> dict[str, Any]:
    steps = [f"{other.name} ({short_kind(other)}): {other.doc or 'no description'}" for other in run.steps]
    shares = "; ".join(
        f"column '{name}' {found.share}" + (f", depth {found.depth}" if found.depth is not None else "")
        for name, found in record.synthetic.items()
    )
    ended = [other.ended for other in run.steps if other.ended is not None]
    started = [other.started for other in run.steps if other.started is not None]
    tools = dict.fromkeys(model.asked or model.name for _, model in models_of(run) if model.role in _WRITERS)
    return {
        "rai:hasSyntheticData": is_synthetic(record),
        "rai:dataCollection": f"A recorded workflow (steps: {len(run.steps)}). Synthetic, by lineage: {shares}.",
        "rai:dataCollectionTimeFrame": [_iso(min(started)), _iso(max(ended))] if started and ended else None,
        "rai:dataPreprocessingProtocol": steps,
        "rai:machineAnnotationTools": list(tools),
        "rai:dataLimitations": [f"{other.name}: {_lost(other)}" for other in run.steps if _lost(other)],
    }


def _lost(step: StepRecord) -> str:
    parts = [f"{step.rows.filtered} rows filtered out"] if step.rows.filtered else []
    parts += [f"{count} rows failed ({reason})" for reason, count in step.rows.failed.items()]
    return ", ".join(parts)


def _source(source: SourceUse) -> dict[str, Any]:
    on_hub = f"https://huggingface.co/datasets/{source.uri}" if source.kind == "huggingface" else ""
    address = source.homepage or on_hub
    stated = source.license
    known = {
        "@id": address if address.startswith(("https://", "http://")) else None,
        "@type": "prov:Entity",
        "prov:label": source.name,
        "sc:version": source.revision or source.digest,
        "sc:license": (stated.url or stated.id or stated.text) if stated else None,
    }
    return {key: value for key, value in known.items() if value is not None}


def _activities(run: RunRecord) -> Iterator[dict[str, Any]]:
    lineage = Lineage(run)
    records = records_in_order(run)
    ids = {record.name: f"urn:datadreamer:activity:{number}" for number, record in enumerate(records, 1)}
    for record in records:
        known = {
            "@id": ids[record.name],
            "@type": "prov:Activity",
            "prov:label": record.name,
            "description": f"{short_kind(record)}, fingerprint {record.fingerprint}",
            "prov:startedAtTime": _iso(record.started),
            "prov:endedAtTime": _iso(record.ended),
            "prov:wasInformedBy": [{"@id": ids[need]} for need in lineage.needs(record.name)],
            "prov:wasAssociatedWith": [_agent(model) for model in _models(record)],
        }
        yield {key: value for key, value in known.items() if value not in (None, [])}


def _models(record: Record) -> list[ModelUse]:
    base = [record.base_model] if isinstance(record, TrainerRecord) and record.base_model is not None else []
    return [*record.models, *base]


def _agent(model: ModelUse) -> dict[str, Any]:
    version = ", ".join(model.served) or model.revision or model.digest
    known = {
        "@type": "prov:SoftwareAgent",
        "prov:label": model.asked or model.name,
        "sc:version": version,
        "description": model.role,
    }
    return {key: value for key, value in known.items() if value}


def _distribution(files: Sequence[PublishedFile], url: str | None) -> Iterator[dict[str, Any]]:
    for file in files:
        yield {
            "@type": "cr:FileObject",
            "@id": file.path,
            "name": file.path,
            "contentUrl": file.path,
            "contentSize": f"{file.size_bytes} B",
            "encodingFormat": _PARQUET,
            "sha256": file.sha256,
        }
    if len(files) > 1:  # a set of files must be contained in something: the folder that this file is in
        listing = "".join(f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path))
        yield {
            "@type": "cr:FileObject",
            "@id": "folder",
            "name": "folder",
            "description": "The folder of the dataset. Its digest is that of one line '<sha256>  <path>' a file.",
            "contentUrl": url if url and url.startswith("https://huggingface.co/datasets/") else ".",
            "encodingFormat": "git+https",
            "sha256": sha256(listing.encode()).hexdigest(),
        }
        yield {
            "@type": "cr:FileSet",
            "@id": "parts",
            "name": "parts",
            "containedIn": {"@id": "folder"},
            "encodingFormat": _PARQUET,
            "includes": [file.path for file in files],
        }


def _record_set(record: StepRecord, files: Sequence[PublishedFile]) -> dict[str, Any]:
    holder = (
        {"fileSet": {"@id": "parts"}} if len(files) > 1 else {"fileObject": {"@id": files[0].path}} if files else {}
    )
    fields = [croissant_field(column.name, column.type, "rows", holder) for column in record.outputs]
    for field, column in zip(fields, record.outputs, strict=True):
        found = record.synthetic.get(column.name)
        if found is not None:
            field["description"] = _authorship(found)
    return {"@type": "cr:RecordSet", "@id": "rows", "name": "rows", "field": fields}


def _authorship(found: Synthetic) -> str:
    if found.share == "none":
        return "Not written by a model, as far as its sources say."
    depth = f", {found.depth} generations deep" if found.depth is not None else ""
    return f"Written by a model: {found.share}{depth}."


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
