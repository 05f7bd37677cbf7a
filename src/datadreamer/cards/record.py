"""The record: plain structs, written as JSON, from which every card, page and citation file is derived.

`StepRecord` is `<step>/step.json`, `TrainerRecord` is `<trainer>/trainer.json`, `RunRecord` is `datadreamer.json`.
They hold facts that were observed while running, already redacted; a fact that nobody knows is None and is shown as
"unknown". Times are UTC seconds since 1970, durations are seconds, money is US dollars, tokens and rows are counts.
Steps and trainers refer to each other by name, which is unique within an output folder; fingerprints are not (two names
may ask the same).
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

RECORD_VERSION = 1

Status = Literal["finished", "partial", "failed"]
Level = Literal["D0", "D1", "D2", "D3", "D4"]
Share = Literal["full", "partial", "none", "unknown"]
# How a column came about: read from a source, the values of an input column, code over inputs, or a model's writing.
Origin = Literal["source", "copied", "computed", "generated", "judged"]
# How a model, a source or a step stands to what came out; obligations flow over some of these and not over others.
Role = Literal["generated-by", "judged-by", "conditioned-on", "copied", "trained-from", "trained-on", "scored-by"]


class LicenseFact(Struct, kw_only=True):
    """A licence or terms of use as somebody stated it: never chosen, never guessed."""

    id: str | None = None  # SPDX identifier or LicenseRef-…
    text: str | None = None  # as stated, when it is not an SPDX identifier
    url: str | None = None
    date: str | None = None  # ISO date on which it was read
    stated_by: str | None = None  # for example "model card", "dataset README", "provider table"


class PromptText(Struct, kw_only=True):
    """An instruction, template or system prompt in full. `role` says which one, for example `"instruction"`."""

    role: str
    text: str


class InputUse(Struct, kw_only=True):
    """A column that a step or trainer read."""

    name: str  # the input's name, for example "prompts" or "train_input"
    step: str | None = None  # the step it belongs to; None for values given in the script
    fingerprint: str | None = None  # of that step
    column: str | None = None
    digest: str | None = None  # content digest of the column
    rows: int | None = None


class OutputColumn(Struct, kw_only=True):
    """A column of a result."""

    name: str
    type: str  # Arrow type, for example "string" or "list<item: double>"
    declared: str | None = None  # the output's name in the step's declaration, where the user renamed it
    digest: str | None = None
    origin: Origin | None = None  # None: derived from the step's models and inputs
    derived_from: list[str] | None = None  # names of the inputs it is made of; None: all of them


class Synthetic(Struct, kw_only=True):
    """How much of a column was written by a model.

    `fraction` is the share of rows; `depth` counts the generations of synthetic data beneath it: 0 for data no model
    wrote, 1 for what a model wrote from such data, and so on. None: not known.
    """

    share: Share = "unknown"
    fraction: float | None = None
    depth: int | None = None


class Rows(Struct, kw_only=True):
    """Where the rows went. `input + expanded == output + filtered + failed + pending` always holds."""

    input: int = 0
    output: int = 0
    filtered: int = 0
    failed: dict[str, int] = field(default_factory=dict)  # by reason
    expanded: int = 0  # rows made beyond one for each input row
    pending: int = 0  # not reached yet, by a step that was stopped; 0 for a finished one

    @property
    def lost(self) -> int:
        """Rows that failed, for whatever reason."""
        return sum(self.failed.values())

    @property
    def balanced(self) -> bool:
        """Whether every row is accounted for."""
        return self.input + self.expanded == self.output + self.filtered + self.lost + self.pending


class Calls(Struct, kw_only=True):
    """What the models of one step did. A step that contains others counts only its own calls, not theirs."""

    calls: int = 0
    hits: int = 0  # answers taken from the ledger
    failures: int = 0
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None  # of the answers whose price is known; None: of none
    unpriced: int = 0  # answers whose price is not known


class Determinism(Struct, kw_only=True):
    """How exactly a result can be made again (D4 anywhere … D0 not at all), and why no better."""

    level: Level = "D0"
    why: str = ""


class ModelUse(Struct, kw_only=True):
    """A model that a step asked, or that a trainer started from."""

    name: str  # display name
    role: Role = "generated-by"
    provider: str | None = None  # for example "openai", "huggingface"
    endpoint: str | None = None  # host only
    asked: str | None = None  # the model name as given
    revision: str | None = None  # the resolved commit or snapshot
    digest: str | None = None  # of local weights
    served: dict[str, int] = field(default_factory=dict)  # what answered -> answers
    sampling: dict[str, Any] = field(default_factory=dict)
    quantization: Any = None
    adapter: Any = None
    trainer: str | None = None  # the trainer of this run that made it
    spec: dict[str, Any] = field(default_factory=dict)  # what counts in identities
    license: LicenseFact | None = None
    terms: LicenseFact | None = None  # the service's terms of use
    citations: list[str] = field(default_factory=list)  # BibTeX
    card_url: str | None = None


class SourceUse(Struct, kw_only=True):
    """Where rows came from: a Hub dataset, files, a table, or values in the script."""

    name: str
    kind: str  # for example "huggingface", "csv", "json", "memory"
    uri: str | None = None  # a URL, a Hub id, or a path relative to the script; never an absolute path
    config: str | None = None
    split: str | None = None
    revision: str | None = None  # resolved commit
    digest: str | None = None
    rows: int | None = None
    synthetic: bool | None = None  # what its own card says
    depth: int | None = None
    license: LicenseFact | None = None
    citations: list[str] = field(default_factory=list)
    homepage: str | None = None


class StepRecord(Struct, kw_only=True):
    """Everything known about one step's result."""

    name: str
    kind: str  # qualified type, for example "datadreamer.steps.prompts.process.ProcessWithPrompt"
    label: str = ""  # the folder, relative to the output folder
    record_version: int = RECORD_VERSION
    status: Status = "finished"
    doc: str | None = None  # one sentence: what this kind of step does
    fingerprint: str = ""  # ddw1:, over this step and all it reads
    key: str = ""  # ddk1:, the same with the content of the inputs: what the result is found by
    view: Any = None  # canonical view of what the key counts
    code: str | None = None  # digest of the code's view
    settings: dict[str, Any] = field(default_factory=dict)  # JSON-able, redacted
    prompts: list[PromptText] = field(default_factory=list)
    inputs: list[InputUse] = field(default_factory=list)
    outputs: list[OutputColumn] = field(default_factory=list)
    dataset: dict[str, Any] = field(default_factory=dict)  # DatasetInfo: rows, "ddc1:" digest, column digests, parts
    models: list[ModelUse] = field(default_factory=list)
    sources: list[SourceUse] = field(default_factory=list)
    rows: Rows = field(default_factory=Rows)
    calls: Calls = field(default_factory=Calls)
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    determinism: Determinism = field(default_factory=Determinism)  # its own, before propagation
    synthetic: dict[str, Synthetic] = field(default_factory=dict)  # by column, derived by `lineage`
    environment: str | None = None  # dde1:
    session: str | None = None
    library_version: str = ""
    data_card: dict[str, list[Any]] = field(default_factory=dict)  # the published DataCardType -> values
    parents: list[str] = field(default_factory=list)  # names of the steps it read
    inside: str | None = None  # name of the step that made it while running

    @property
    def digest(self) -> str | None:
        """Content digest of the result."""
        return self.dataset.get("digest")


class ModelInfo(Struct, kw_only=True):
    """The files of a trained model."""

    digest: str | None = None
    path: str | None = None  # relative to the trainer's folder
    format: str | None = None  # for example "safetensors"
    size_bytes: int | None = None
    adapter_only: bool = False
    parameters: int | None = None
    trainable_parameters: int | None = None


class TrainerRecord(Struct, kw_only=True):
    """Everything known about one trained model."""

    name: str
    kind: str
    label: str = ""
    record_version: int = RECORD_VERSION
    status: Status = "finished"
    doc: str | None = None
    fingerprint: str = ""
    key: str = ""  # ddk1:
    view: Any = None
    code: str | None = None
    base_model: ModelUse | None = None
    pipeline_tag: str | None = None  # for example "text-generation"
    library: str | None = None  # "transformers", "peft", "sentence-transformers", …
    settings: dict[str, Any] = field(default_factory=dict)
    chat_template: str | None = None
    columns: list[InputUse] = field(default_factory=list)  # training and validation columns, by argument name
    models: list[ModelUse] = field(default_factory=list)  # other models used: reward model, teacher
    metrics_before: dict[str, float | None] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)  # of the model that was kept; None: not a number
    history: list[dict[str, Any]] = field(default_factory=list)  # {"step": …, "loss": …, "eval_loss": …}
    model: ModelInfo = field(default_factory=ModelInfo)
    calls: Calls = field(default_factory=Calls)  # of a service that trains or judges for a fee
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    determinism: Determinism = field(default_factory=Determinism)
    environment: str | None = None
    session: str | None = None
    library_version: str = ""
    data_card: dict[str, list[Any]] = field(default_factory=dict)
    parents: list[str] = field(default_factory=list)  # names of the steps it was trained on


class GpuInfo(Struct, kw_only=True):
    """One accelerator."""

    name: str
    memory_bytes: int | None = None
    capability: str | None = None


class EnvironmentInfo(Struct, kw_only=True):
    """What a session ran on: no host or user names, no paths."""

    python: str
    implementation: str
    os: str
    machine: str
    distributions: dict[str, str] = field(default_factory=dict)  # imported distribution -> version
    gpus: list[GpuInfo] = field(default_factory=list)
    driver: str | None = None
    flags: dict[str, Any] = field(default_factory=dict)  # for example {"cuda": "12.8", "allow_tf32": False}
    digest: str | None = None  # dde1:


class SessionInfo(Struct, kw_only=True):
    """One run of a script."""

    id: str
    started: float
    ended: float | None = None
    status: Status | Literal["running"] = "running"
    script: str | None = None  # file name only, `python -m module` or `datadreamer demo`
    git_commit: str | None = None
    git_dirty: bool | None = None
    error: str | None = None


class LossSummary(Struct, kw_only=True):
    """Rows of one step that failed for one reason, with one example message."""

    step: str
    reason: str
    rows: int
    example: str | None = None


class Totals(Struct, kw_only=True):
    """Sums over the steps and trainers of a record."""

    steps: int = 0
    trainers: int = 0
    rows: int = 0  # rows written
    lost: int = 0
    calls: Calls = field(default_factory=Calls)
    cost_complete: bool = True  # False: at least one model that answered has no known price
    seconds: float = 0.0


class RunRecord(Struct, kw_only=True):
    """`datadreamer.json`: an output folder, or (with `about`) one step or trainer and all it came from."""

    library_version: str
    format_version: int = RECORD_VERSION
    about: str | None = None  # the step or trainer that this closure explains
    session: SessionInfo | None = None
    environment: EnvironmentInfo | None = None
    environments: dict[str, EnvironmentInfo] = field(default_factory=dict)  # of earlier sessions, by dde1: digest
    steps: list[StepRecord] = field(default_factory=list)
    trainers: list[TrainerRecord] = field(default_factory=list)
    losses: list[LossSummary] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
