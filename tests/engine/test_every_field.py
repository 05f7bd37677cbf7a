"""For every public step and model: changing what counts changes the fingerprint, changing what does not, does not.

A new step or model is tested by being exported. Where its fields have names and types that are not known here yet, the
test asks for a value.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any, TypedDict

import pytest

import datadreamer.llms
import datadreamer.steps
from datadreamer.datasets import OutputDataset
from datadreamer.embedders import Embedder
from datadreamer.engine.result import Result
from datadreamer.errors import DataDreamerError
from datadreamer.llms import LLM, FakeLLM
from datadreamer.retrievers import BM25Retriever
from datadreamer.steps import DataSource, Step
from datadreamer.steps.declaration import declaration_of
from datadreamer.steps.fingerprint import fingerprints
from datadreamer.steps.operations import TABLE
from datadreamer.steps.sources.data_source import Source
from datadreamer.steps.step import _own_names
from datadreamer.task_models import TaskModel


def rows(first: str) -> OutputDataset:
    columns = {
        "text": [first, "b", "c", "d"],
        "other": ["p", "q", "r", "s"],
        "n": [1, 2, 3, 4],
        "many": [["x"], ["y", "z"], [], ["w"]],
        "deep": [{"one": 1}, {"one": 2}, {"one": 3}, {"one": 4}],
    }
    return finished(DataSource(f"Rows {first}", columns)).output


def finished(step: DataSource) -> DataSource:
    """The step with its rows, as a session leaves it."""
    dataset = OutputDataset(step, step._rows)
    step._result = Result(lambda: dataset)
    return step


HERE, ELSEWHERE = rows("a"), rows("another")


class Marks(TaskModel):
    """A task model that marks texts."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.mark = mark


class Pair(TypedDict):
    """An answer with two fields."""

    first: int
    second: str


class Numbers(Embedder):
    """An embedder that gives numbers."""


def one(row: Any) -> Any:
    return row


def two(row: Any) -> Any:
    return [row]


# field name to a value to start from, and another one
VALUES: dict[str, tuple[Any, Any]] = {
    "llm": (FakeLLM("x"), FakeLLM("y")),
    "model": (Marks("1"), Marks("2")),
    "embedder": (Numbers("1"), Numbers("2")),
    "retriever": (BM25Retriever(["a", "b"]), BM25Retriever(["a", "b"], k1=2.0)),
    "device": (None, "cpu"),
    "instruction": ("Do {it}.", "Do not {it}."),
    "attributes": ({"it": ["this", "that"]}, {"it": ["this"]}),
    "post_process": (None, one),
    "filter_func": (one, two),
    "judgement_func": (one, two),
    "function": (one, two),
    "n": (2, 3),
    "max_new_tokens": (None, 5),
    "temperature": (0.5, 0.7),
    "top_p": (0.5, 0.7),
    "stop": (None, "."),
    "repetition_penalty": (None, 1.5),
    "logit_bias": (None, {1: 2.0}),
    "seed": (None, 3),
    "score_threshold": (None, 0.5),
    "unparsed": ("fail", "keep"),
    "min_in_context_examples": (None, 1),
    "max_in_context_examples": (None, 1),
    "indices": ([0, 1], [1, 0]),
    "column_names": (["text"], ["other"]),
    "column_mapping": ({"text": "t"}, {"text": "u"}),
    "item": ({"text": "e"}, {"text": "f"}),
    "num_shards": (2, 3),
    "index": (0, 1),
    "by": (["text"], ["n"]),
    "descending": (False, True),
    "null_placement": ("at_end", "at_start"),
    "input_columns": (None, ["text"]),
    "without": ([], ["text"]),
    "batch_size": (2, 3),
    "total_num_rows": (None, 9),
    "buffer_size": (10, 20),
    "split": ("train", "test"),
    "sizes": ({"train": 2, "test": 2}, {"train": 1, "test": 3}),
    "stratify_by_column": (None, "text"),
    "fraction": (None, 0.5),
    "column_name": ("many", "n"),
    "aggregations": ({"sum": ("n", "sum")}, {"sum": ("n", "max")}),
    "on": ({"text": "t"}, {"n": "m"}),
    "how": ("inner", "left"),
    "others": ([], [finished(DataSource("More", {"text": ["z"]}))]),
    "writer_batch_size": (10, 20),
    "template": ("{inputs}", "{inputs}!"),
    "template_format": ("braces", "jinja"),
    "overlong": ("fail", "cut"),
    "accept": (one, two),
    "distinct": (False, 0.5),
    "method": ("exact", "minhash"),
    "unit": ("word", "character"),
    "normalize": (["nfkc"], ["digits"]),
    "languages": (["en"], ["de"]),
    "rules": (["gopher"], ["gopher", "c4"]),
    "limits": (None, {"too_few_words": 5}),
    "measures": (["tokens"], ["vocabulary"]),
    "at_most": (None, {"self_bleu": 0.5}),
    "at_least": (None, {"distinct_1": 0.5}),
    "on_limit": ("report", "fail"),
    "bleu_texts": (500, 100),
    "rubric": (["clear", "true"], ["clear"]),
    "scale": ([1, 5], [1, 10]),
    "weights": (None, {"clear": 2}),
    "output_type": (None, int),
    "more_judges": ([FakeLLM("x")], [FakeLLM("y")]),
}
BY_TYPE: dict[Any, tuple[Any, Any]] = {bool: (False, True), int: (1, 2), float: (0.5, 0.25), str: ("one", "two")}

# Fields of which one value makes another impossible, or that mean something only beside others: what else to give.
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("DataFromPrompt", "max_candidates"): {"accept": one, "n": 1},
    ("DataFromAttributedPrompt", "max_candidates"): {"accept": one, "n": 1},
    ("MapStep", "batch_size"): {"batched": True},
    ("FilterStep", "batch_size"): {"batched": True},
    ("*", "max_reasks"): {"output_type": int},
    ("*", "unpack"): {"output_type": Pair},
}
WHOLE_ROWS = (
    "FilterWithPrompt",
    "RankWithPrompt",
    "ScoreWithRubric",
    "JudgePairsWithPrompt",
    "JudgeGenerationPairsWithPrompt",
)
OTHERWISE: dict[tuple[str, str], tuple[Any, Any]] = {
    ("UniqueStep", "column_names"): (None, ["text"]),
    ("FlattenStep", "column_names"): (None, ["deep"]),
    ("ExplodeStep", "column_name"): ("many", "many"),
    ("DataSource", "data"): ({"a": [1]}, {"a": [2]}),
    ("SampleStep", "fraction"): (None, None),
    ("FewShotPrompt", "overlong"): ("drop_examples", "cut"),
    ("FewShotPromptWithRetrieval", "overlong"): ("drop_examples", "cut"),
    ("Prompt", "template"): ("{prompts}", "{prompts}!"),
    ("CSVDataSource", "sep"): (",", ";"),
    **{(kind, "unpack"): (False, False) for kind in WHOLE_ROWS},  # their answers are no column of their own
    ("ZippedStep", "others"): ([], [finished(DataSource("More", {"more": ["z"] * 4}))]),
}
# Inputs that stand in place of another that is given.
INSTEAD = {("SemanticDeduplicate", "embeddings")}
RIGHT = [finished(DataSource("Right", {"t": ["a"], "m": [number]})).output for number in (1, 2)]
# Settings that are accepted and then stand for nothing, or are counted by the content that they lead to.
BY_CONTENT = {"data", "data_files", "data_folder"}
REMOTE = {
    "HFHubDataSource",
    "HFDatasetDataSource",
    "SQLDataSource",
    "DuckDBDataSource",
}  # tested where there is something


def public_steps() -> list[type[Step]]:
    homes = [(datadreamer.steps, name) for name in datadreamer.steps.__all__]
    homes += [(importlib.import_module(f"datadreamer.steps.operations.{file}"), name) for name, file in TABLE.items()]
    found = [getattr(home, name) for home, name in homes]
    kinds = [kind for kind in found if isinstance(kind, type) and issubclass(kind, Step)]
    return [kind for kind in dict.fromkeys(kinds) if kind.__name__ not in {"Step", "SuperStep", *REMOTE}]


def fields_of(kind: type[Step]) -> Any:
    declared = declaration_of(kind, Step)
    return declared.without(_own_names(declared))


def values(kind: type[Step], field: Any) -> tuple[Any, Any]:
    known = OTHERWISE.get((kind.__name__, field.name)) or VALUES.get(field.name)
    if known is not None:
        return known
    for choice in (field.annotation, *getattr(field.annotation, "__args__", ())):
        if choice in BY_TYPE:
            start, other = BY_TYPE[choice]
            return (start, other) if field.default != other else (other, start)
    raise AssertionError(f"{kind.__name__}.{field.name}: {field.annotation} needs two values in VALUES of this file")


def base_of(kind: type[Step], tmp_path: Path) -> dict[str, Any]:
    """The least that the step can be made with."""
    given: dict[str, Any] = {}
    for field in fields_of(kind).fields.values():
        if (kind.__name__, field.name) in INSTEAD:
            continue
        if field.role == "input":
            given[field.name] = HERE["text"]
        elif field.role == "rows":
            given[field.name] = RIGHT[0] if kind.__name__ == "JoinStep" and field.name == "other" else HERE
        elif field.required and field.role == "setting":
            given[field.name] = values(kind, field)[0]
    if issubclass(kind, Source) and kind is not DataSource:
        file = tmp_path / f"rows.{kind.kind}"  # type: ignore[attr-defined]
        write(kind.kind, file)  # type: ignore[attr-defined]
        given["data_files"] = str(file)
    if kind.__name__ in ("CosineSimilarity", "SemanticDeduplicate"):  # of texts
        given["embedder"] = VALUES["embedder"][0]
    if kind.__name__ == "SampleStep":
        given["n"] = 2
    if kind.__name__ == "FilterByLength":
        given["llm"], given["max_words"] = VALUES["llm"][0], 100
    return given


def write(kind: str, file: Path) -> None:
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"a": [1]}), file)
    else:
        file.write_text({"csv": "a;b,c\n1;2,3\n", "json": '{"a": 1}\n', "text": "a\n"}[kind])


def prints(kind: type[Step], given: dict[str, Any]) -> tuple[str, str]:
    step = kind("A name", **given)
    found = fingerprints(step)
    return found.key, found.workflow


@pytest.mark.parametrize("kind", public_steps(), ids=lambda kind: kind.__name__)
def test_a_step_is_identified_by_every_setting_and_by_no_runtime_field(kind: type[Step], tmp_path: Path) -> None:
    base = base_of(kind, tmp_path)
    declared = fields_of(kind)
    assert prints(kind, base) == prints(kind, base)
    for name, field in declared.fields.items():
        if (name in BY_CONTENT and kind is not DataSource) or (kind.__name__, name) in INSTEAD:
            continue
        beside = {**base, **(BESIDE.get((kind.__name__, name)) or BESIDE.get(("*", name), {}))}
        if field.role in ("input", "rows"):
            start = base[name]
            other = ELSEWHERE["text"] if field.role == "input" else RIGHT[1] if start is RIGHT[0] else ELSEWHERE
        else:
            start, other = values(kind, field)
        if start is other:
            continue
        before, after = (prints(kind, {**beside, name: value}) for value in (start, other))
        if field.role == "runtime":
            assert before == after, f"{name} must not count"
        else:
            assert before[0] != after[0] and before[1] != after[1], f"{name} must count"


@pytest.mark.parametrize("kind", public_steps(), ids=lambda kind: kind.__name__)
def test_a_step_is_not_identified_by_how_it_is_run(kind: type[Step], tmp_path: Path) -> None:
    base = base_of(kind, tmp_path)
    same = prints(kind, base)
    declared = declaration_of(kind, Step)
    for name in _own_names(declared) - {"name", "inputs", "args", "outputs", "background"}:
        default = declared.fields[name].default
        other = {True: False, False: True}.get(default, 7) if isinstance(default, bool) else 7
        other = False if name == "verbose" else other
        assert prints(kind, {**base, name: other}) == same, name
    step = kind("Another name", **base)
    assert fingerprints(step).key == same[0]


@pytest.mark.parametrize("kind", public_steps(), ids=lambda kind: kind.__name__)
def test_names_of_output_columns_count(kind: type[Step], tmp_path: Path) -> None:
    base = base_of(kind, tmp_path)
    for name in fields_of(kind).outputs:
        assert prints(kind, {**base, "outputs": {name: "renamed"}}) != prints(kind, base)


# --- models -----------------------------------------------------------------------------------------------------------

COUNT = {
    "model_name": ("one", "two"),
    "system_prompt": ("Be brief.", "Be long."),
    "base_url": ("http://localhost:1/v1", "http://localhost:2/v1"),
    "endpoint": ("http://localhost:1", "http://localhost:2"),
    "answers": ("x", "y"),
    "api": ("chat", "completions"),
    "vertex_location": ("us-central1", "europe-west1"),
}
DO_NOT_COUNT = {
    "api_key": ("key-number-one-1", "key-number-two-2"),
    "token": ("hf_" + "a" * 30, "hf_" + "b" * 30),
    "organization": ("o1", "o2"),
    "vertex_project": ("p1", "p2"),  # an account
    "credentials": (None, object()),
    "azure_ad_token_provider": (None, str),
    "retry_on_fail": (True, False),
    "cache_folder_path": (None, "cache"),
    "latency": (0.0, 0.1),
    "fail": (None, {}),
    "max_context_length": (1000, 2000),  # counts in the steps that make prompts to fit it
    "tokenizer_model_name": (None, "gpt2"),
    "tokenizer_revision": (None, "main"),
    "tokenizer_trust_remote_code": (False, True),
}
# Depend on what else is given, or need files or a server to be told: tested with those.
ELSEWHERE_TESTED = {
    "api_version", "revision", "trust_remote_code", "device", "device_map", "dtype", "quantization_config",
    "adapter_name", "adapter_kwargs", "kwargs", "model_kwargs", "chat_prompt_template",
}  # fmt: skip


# Identified by files, by other models or by a recording.
TESTED_ELSEWHERE = {
    "HFTransformers": "tests/llms/local",
    "VLLM": "tests/llms/local_server",
    "LlamaCpp": "tests/llms/local_server",
    "CTransformers": "tests/llms/local_server",
    "ParallelLLM": "tests/llms/test_parallel_llm.py",
    "RecordedLLM": "tests/llms/test_recorded_llm.py",
}


def public_models() -> list[type[LLM]]:
    found = [getattr(datadreamer.llms, name) for name in datadreamer.llms.__all__]
    kinds = [kind for kind in found if isinstance(kind, type) and issubclass(kind, LLM) and kind is not LLM]
    return [kind for kind in kinds if "named" not in inspect.signature(kind).parameters]  # those are gone


@pytest.mark.parametrize("kind", public_models(), ids=lambda kind: kind.__name__)
def test_a_model_is_identified_by_what_is_asked_of_whom(kind: type[LLM], tmp_path: Path) -> None:
    parameters = inspect.signature(kind).parameters
    base = {name: COUNT[name][0] for name in ("model_name", "base_url", "endpoint") if name in parameters}
    if kind.__name__ in TESTED_ELSEWHERE:
        pytest.skip(f"tested in {TESTED_ELSEWHERE[kind.__name__]}")
    for name in parameters:
        if name in ELSEWHERE_TESTED or name.startswith("aws_"):
            continue
        assert name in COUNT or name in DO_NOT_COUNT, f"say in this file whether {kind.__name__}({name}=…) counts"
        start, other = COUNT.get(name) or DO_NOT_COUNT[name]
        if other == "cache":
            other = str(tmp_path / "cache")
        try:
            before, after = (kind(**{**base, name: value}).spec() for value in (start, other))
        except DataDreamerError as error:  # this service does not take it
            assert name in str(error)
            continue
        assert (before != after) == (name in COUNT), name


def test_room_for_a_prompt_counts_in_the_steps_that_make_prompts_to_fit_it() -> None:
    from datadreamer.steps import ProcessWithPrompt

    made = [
        prints(ProcessWithPrompt, {"inputs": HERE["text"], "instruction": "Go.", "llm": FakeLLM("x", **room)})
        for room in ({}, {"max_context_length": 100}, {"max_context_length": 200})
    ]
    assert len(set(made)) == 3
