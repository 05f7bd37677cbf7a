"""Hugging Face features in the schema's metadata (class labels, images): kept through views, made for images.

The metadata is JSON, so keeping it needs no import of `datasets`; making or decoding features does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

KEY = b"huggingface"
_DECODED = ("Image", "Audio", "Video", "Pdf")


def features_json(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """Column to feature, as JSON, from a schema's metadata; empty without any."""
    if not metadata or KEY not in metadata:
        return {}
    return json.loads(metadata[KEY]).get("info", {}).get("features") or {}


def project(metadata: Mapping[bytes, bytes] | None, names: Mapping[str, str]) -> dict[bytes, bytes] | None:
    """The metadata of a view: `names` maps old column names to new ones, and what is not in it goes."""
    if not metadata:
        return None
    kept = dict(metadata)
    kept.pop(b"pandas", None)  # it describes an index and columns that a view may not have
    features = features_json(metadata)
    if features:
        kept[KEY] = _dump({new: features[old] for old, new in names.items() if old in features})
    return kept or None


def merge(schemas: Iterable[tuple[Mapping[bytes, bytes] | None, list[str]]]) -> dict[bytes, bytes] | None:
    """The metadata of columns side by side."""
    features: dict[str, Any] = {}
    for metadata, names in schemas:
        known = features_json(metadata)
        features.update({name: known[name] for name in names if name in known})
    return {KEY: _dump(features)} if features else None


def _dump(features: dict[str, Any]) -> bytes:
    return json.dumps({"info": {"features": features}}).encode()


def with_images(schema: pa.Schema, images: set[str]) -> pa.Schema:
    """`schema` with metadata by which Hugging Face, and our own readers, know which columns are images."""
    known = features_json(schema.metadata) | {name: {"_type": "Image"} for name in images}
    metadata = dict(schema.metadata or {})
    metadata[KEY] = _dump(known)
    return schema.with_metadata(metadata)


def hf_features(schema: pa.Schema) -> Any:
    """`datasets.Features` of a schema: those in its metadata, the rest from the Arrow types."""
    import datasets

    plain = datasets.Features.from_arrow_schema(schema.remove_metadata())
    known = features_json(schema.metadata)
    if not known:
        return plain
    return datasets.Features({**plain, **datasets.Features.from_dict(known)})


def decoders(schema: pa.Schema) -> dict[str, Callable[[Any], Any]]:
    """Column to a function from the stored cell to what a reader sees; only for images, audio and the like."""
    known = features_json(schema.metadata)
    wanted = [name for name, feature in known.items() if feature.get("_type") in _DECODED and name in schema.names]
    if not wanted:
        return {}
    features = hf_features(schema)
    return {name: _decoder(features[name]) for name in wanted}


def _decoder(feature: Any) -> Callable[[Any], Any]:
    return lambda cell: None if cell is None else feature.decode_example(cell)
