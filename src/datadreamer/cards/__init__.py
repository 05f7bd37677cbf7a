"""The record of a run, and what is derived from it: cards, citations, licences, pages."""

from .._lazy import exports

_RECORD = (
    "RECORD_VERSION",
    "StepRecord",
    "TrainerRecord",
    "RunRecord",
    "LicenseFact",
    "PromptText",
    "InputUse",
    "OutputColumn",
    "Synthetic",
    "Rows",
    "Calls",
    "Determinism",
    "ModelUse",
    "SourceUse",
    "ModelInfo",
    "GpuInfo",
    "EnvironmentInfo",
    "SessionInfo",
    "LossSummary",
    "Totals",
)

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        **dict.fromkeys(_RECORD, "record"),
        "DataCardType": "data_card_types",
        "sort_data_card": "data_card_types",
        "add_entry": "data_card_types",
    },
)
