"""The JSON Schema of `datadreamer.json`, shipped beside this file so that other tools can check a record without us."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

FILE = "datadreamer.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@functools.cache
def shipped() -> dict[str, Any]:
    """The schema as shipped."""
    return json.loads(resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


def generated() -> dict[str, Any]:
    """The schema as the structs of `record` have it now; a test checks that it is what is shipped."""
    import msgspec

    from ..record import RECORD_VERSION, RunRecord

    schema = msgspec.json.schema(RunRecord)
    return {
        "$schema": DIALECT,
        "$id": f"urn:datadreamer:record:{RECORD_VERSION}",
        "title": "datadreamer.json",
        **schema,
    }


@functools.cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(shipped())


def first_error(document: Any) -> str | None:
    """What is wrong with `document`, and where, as a sentence; None when it is a valid record."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator().iter_errors(document))
    return None if error is None else f"{error.json_path}: {error.message[:300]}"
