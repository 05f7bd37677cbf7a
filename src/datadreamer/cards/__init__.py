"""The record of a run, and what is derived from it: cards, citations, licences, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from .bibliography import citations as citations
    from .bibliography import citations_bib as citations_bib
    from .columns import output_columns as output_columns
    from .croissant import PublishedFile as PublishedFile
    from .croissant import croissant_json as croissant_json
    from .data_card_types import DataCardType as DataCardType
    from .data_card_types import add_entry as add_entry
    from .data_card_types import sort_data_card as sort_data_card
    from .data_cards import data_card as data_card
    from .data_cards import published_data_card as published_data_card
    from .environment import capture_environment as capture_environment
    from .environment import environment_digest as environment_digest
    from .files import decode_record as decode_record
    from .files import encode_record as encode_record
    from .files import read_run as read_run
    from .files import read_step as read_step
    from .files import read_trainer as read_trainer
    from .files import write_record as write_record
    from .hub import publish as publish
    from .licenses import license_entries as license_entries
    from .licenses import licenses_page as licenses_page
    from .lineage import Lineage as Lineage
    from .lineage import closure as closure
    from .lineage import determinism as determinism
    from .lineage import totals as totals
    from .model_cards import model_card as model_card
    from .readme import Card as Card
    from .readme import render_readme as render_readme
    from .readme import write_readme as write_readme
    from .record import RECORD_VERSION as RECORD_VERSION
    from .record import Calls as Calls
    from .record import Determinism as Determinism
    from .record import EnvironmentInfo as EnvironmentInfo
    from .record import GpuInfo as GpuInfo
    from .record import InputUse as InputUse
    from .record import LicenseFact as LicenseFact
    from .record import LossSummary as LossSummary
    from .record import ModelInfo as ModelInfo
    from .record import ModelUse as ModelUse
    from .record import OutputColumn as OutputColumn
    from .record import PromptText as PromptText
    from .record import Rows as Rows
    from .record import RunRecord as RunRecord
    from .record import SessionInfo as SessionInfo
    from .record import SourceUse as SourceUse
    from .record import StepRecord as StepRecord
    from .record import Synthetic as Synthetic
    from .record import Totals as Totals
    from .record import TrainerRecord as TrainerRecord
    from .summary import run_page as run_page
    from .summary import session_summary as session_summary
    from .synthetic import derive_synthetic as derive_synthetic

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Calls": "record",
        "Card": "readme",
        "DataCardType": "data_card_types",
        "Determinism": "record",
        "EnvironmentInfo": "record",
        "GpuInfo": "record",
        "InputUse": "record",
        "LicenseFact": "record",
        "Lineage": "lineage",
        "LossSummary": "record",
        "ModelInfo": "record",
        "ModelUse": "record",
        "OutputColumn": "record",
        "PublishedFile": "croissant",
        "croissant_json": "croissant",
        "PromptText": "record",
        "RECORD_VERSION": "record",
        "Rows": "record",
        "RunRecord": "record",
        "SessionInfo": "record",
        "SourceUse": "record",
        "StepRecord": "record",
        "Synthetic": "record",
        "Totals": "record",
        "TrainerRecord": "record",
        "add_entry": "data_card_types",
        "capture_environment": "environment",
        "citations": "bibliography",
        "citations_bib": "bibliography",
        "closure": "lineage",
        "data_card": "data_cards",
        "decode_record": "files",
        "derive_synthetic": "synthetic",
        "determinism": "lineage",
        "encode_record": "files",
        "environment_digest": "environment",
        "license_entries": "licenses",
        "licenses_page": "licenses",
        "model_card": "model_cards",
        "output_columns": "columns",
        "published_data_card": "data_cards",
        "read_run": "files",
        "read_step": "files",
        "read_trainer": "files",
        "render_readme": "readme",
        "publish": "hub",
        "run_page": "summary",
        "session_summary": "summary",
        "sort_data_card": "data_card_types",
        "totals": "lineage",
        "write_readme": "readme",
        "write_record": "files",
    },
)
