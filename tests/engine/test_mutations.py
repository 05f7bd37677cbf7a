"""One test for each way in which results were once stale, lost or made again for nothing (M1 to M15).

Everything goes through the public API: a workflow runs, one thing changes, it runs again, and calls are counted.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chat_server import Server, error
from hub_server import DatasetHub
from programs import load

from datadreamer import DataDreamer
from datadreamer.errors import AuthenticationError, CannotIdentifyError
from datadreamer.llms import LLM, FakeLLM, Generation, OpenAI
from datadreamer.steps import Column, CSVDataSource, DataFromPrompt, DataSource, ProcessWithPrompt, Prompt, Step, output

Run = Callable[..., Any]


def times_run(run: Run, tmp_path: Path, workflow: Callable[[], Any], label: str) -> Any:
    """Run the workflow; gives what tells whether the result at `label` was made again."""
    run(workflow)
    return (tmp_path / "output" / label / "step.json").stat().st_ino


# --- M1: the model ----------------------------------------------------------------------------------------------------


def ask(llm: LLM, **settings: Any) -> Any:
    texts = DataSource("Texts", {"text": ["a", "b", "c"]})
    return ProcessWithPrompt(
        "Ask", inputs={"inputs": texts.output["text"]}, args={"llm": llm, "instruction": "Say.", **settings}
    )


def test_m1_system_prompt_and_address_of_a_model_count(run: Run) -> None:
    with Server() as one, Server() as two:
        run(lambda: ask(OpenAI("m", base_url=one.url, system_prompt="Be brief.")))
        run(lambda: ask(OpenAI("m", base_url=one.url, system_prompt="Be brief.")))
        assert len(one.requests) == 3
        run(lambda: ask(OpenAI("m", base_url=one.url, system_prompt="Be long.")))
        assert len(one.requests) == 6
        run(lambda: ask(OpenAI("m", base_url=two.url, system_prompt="Be long.")))
        assert (len(one.requests), len(two.requests)) == (6, 3)


class Mine(LLM):
    """A model of the user's own, which does not say what counts of it."""

    def __init__(self, sign: str, api_key: str = "") -> None:
        super().__init__()
        self.sign = sign
        self.asked = 0  # its own business: does not count

    def _answer_batch(self, requests: list[Any]) -> list[Any]:
        self.asked += len(requests)
        return [Generation(text=self.sign + request.prompt) for request in requests]


def test_m1_what_a_model_of_the_users_own_was_made_with_counts(run: Run) -> None:
    asked = []
    for model in (Mine("<"), Mine("<", api_key="another"), Mine(">")):
        run(lambda model=model: (ask(model), ask(model, instruction="More.")))
        asked.append(model.asked)
    assert asked == [6, 0, 6]


# --- M2, M12: functions -----------------------------------------------------------------------------------------------

HEAD = "from datadreamer.steps import DataSource\nimport functools\n"
FUNCTIONS = {
    "closure": "def make(by):\n    return lambda row: {'n': row['n'] + by}\nfunction = make(VALUE)",
    "global": "BY = VALUE\ndef function(row):\n    return {'n': row['n'] + BY}",
    "default": "def function(row, by=VALUE):\n    return {'n': row['n'] + by}",
    "helper": "def add(n):\n    return n + VALUE\ndef function(row):\n    return {'n': add(row['n'])}",
    "other module": "import numbers_of_ours\ndef function(row):\n    return {'n': row['n'] + numbers_of_ours.add(0)}",
    "partial": "def add(row, by):\n    return {'n': row['n'] + by}\nfunction = functools.partial(add, by=VALUE)",
    "method": (
        "class Adder:\n    def __init__(self, by):\n        self.by = by\n"
        "    def add(self, row):\n        return {'n': row['n'] + self.by}\nfunction = Adder(VALUE).add"
    ),
    "callable object": (
        "class Adder:\n    def __call__(self, row):\n        return {'n': row['n'] + VALUE}\nfunction = Adder()"
    ),
    "decorated": (
        "def twice(by):\n    def wrap(f):\n        @functools.wraps(f)\n        def inner(row):\n"
        "            return {'n': f(row)['n'] + by}\n        return inner\n    return wrap\n"
        "@twice(VALUE)\ndef function(row):\n    return {'n': row['n']}"
    ),
    "class attribute": (
        "class Adder:\n    by = VALUE\n    @classmethod\n    def add(cls, row):\n"
        "        return {'n': row['n'] + cls.by}\nfunction = Adder.add"
    ),
}


@pytest.mark.parametrize("text", FUNCTIONS.values(), ids=FUNCTIONS)
def test_m2_what_a_function_uses_counts_and_how_it_is_written_does_not(tmp_path: Path, run: Run, text: str) -> None:
    made = []
    for number, value in enumerate(["1", "(1)", "2"]):
        changed = HEAD + "# a comment\n" * number + text.replace("VALUE", value)
        module = load(
            tmp_path / f"code{number}",
            numbers_of_ours=f"def add(n):\n    return n + {value}\n",
            functions_of_ours=changed,
        )
        rows = run(lambda module=module: list(numbers().map(module.function, lazy=False, name="Map").output["n"]))
        made.append((rows, (tmp_path / "output" / "map" / "step.json").stat().st_ino))
    assert made[0] == made[1]
    assert made[2][0] == [n + 1 for n in made[0][0]]


def numbers() -> Any:
    return DataSource("Numbers", {"n": [1, 2, 3]})


@pytest.mark.parametrize(
    "use",
    [
        lambda function: numbers().filter(function, lazy=False, name="Use"),
        lambda function: DataSource("Use", lambda: iter([function({"n": 1})]), save=True),
        lambda function: ask(FakeLLM("x"), post_process=lambda text: str(function(text))),
        lambda function: ask(FakeLLM(lambda prompt: str(function(prompt)))),
    ],
    ids=["filter", "generator of a data source", "post_process", "model"],
)
def test_m2_holds_wherever_a_function_is_given(run: Run, tmp_path: Path, use: Callable[[Any], Any]) -> None:
    def made_with(by: int) -> Any:
        return lambda value: {"n": by} if by else {"n": 0}

    prints = [run(lambda by=by: use(made_with(by)).fingerprint) for by in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]


def test_m2_a_function_from_a_text_is_refused_with_ways_out(run: Run) -> None:
    names: dict[str, Any] = {}
    exec("def function(row):\n    return {'n': row['n'] + 1}", names)
    with pytest.raises(CannotIdentifyError, match=r"Step 'Map' cannot be cached.*function") as caught:
        run(lambda: numbers().map(names["function"], lazy=False, name="Map"))
    assert "version" in str(caught.value)


def test_m12_comments_docstrings_and_formatting_do_not_count(tmp_path: Path, run: Run) -> None:
    texts = [
        "def function(row):\n    return {'n': row['n'] + 1}\n",
        "def function(row: dict):\n    '''Add one.'''\n\n    # one\n    return {\n        'n': (row['n'] + 1)}\n",
    ]
    inodes = []
    for number, text in enumerate(texts):
        module = load(tmp_path / f"code{number}", functions_of_ours=text)
        workflow = functools.partial(lambda module: numbers().map(module.function, lazy=False, name="Map"), module)
        inodes.append(times_run(run, tmp_path, workflow, "map"))
    assert inodes[0] == inodes[1]


# --- M3: data files ---------------------------------------------------------------------------------------------------


def test_m3_content_and_separator_of_a_file_count(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"

    def rows(**options: Any) -> list[Any]:
        return run(lambda: list(CSVDataSource("Rows", data_files=str(file), **options).output))

    file.write_text("a;b,c\n1;2,3\n")
    assert rows() == [{"a;b": "1;2", "c": 3}]
    assert rows(sep=";") == [{"a": 1, "b,c": "2,3"}]
    stat = file.stat()
    file.write_text("a;b,c\n1;2,4\n")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size, same time
    assert rows(sep=";") == [{"a": 1, "b,c": "2,4"}]


def test_m3_clocks_that_jump_hide_no_change(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    for number, moment in enumerate([time.time() + 86_400, time.time() - 86_400, time.time() + 86_400]):
        file.write_text(f"a\n{number}\n")
        os.utime(file, (moment, moment))
        assert run(lambda: list(CSVDataSource("Rows", data_files=str(file)).output["a"])) == [number]


# --- M4: datasets of the Hub ------------------------------------------------------------------------------------------

ON_THE_HUB = """
import json, sys
from datadreamer import DataDreamer, runs
from datadreamer.llms import FakeLLM
from datadreamer.steps import HFHubDataSource, Prompt

llm = FakeLLM(str.upper)
with DataDreamer(sys.argv[1], verbose=False):
    rows = HFHubDataSource("Rows", "me/texts", split="train", **json.loads(sys.argv[2]))
    asked = Prompt("Ask", inputs={"prompts": rows.output["text"]}, args={"llm": llm})
    answers = list(asked.output["generations"])
why = runs.why(sys.argv[1], "Rows")
print(json.dumps([answers, llm.calls, [why.kind, why.path, why.old, why.new]]))
"""


def test_m4_a_branch_of_the_hub_that_moved_is_read_again(tmp_path: Path) -> None:
    first, second, third = "a" * 40, "b" * 40, "c" * 40
    lines, more = b'{"text": "one"}\n{"text": "two"}\n', b'{"text": "one"}\n{"text": "three"}\n'
    commits = {
        first: {"train.jsonl": lines},
        second: {"train.jsonl": more},
        third: {"train.jsonl": more, "README.md": b"Only this is new."},
    }

    with DatasetHub("me/texts", commits, first) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}

        def run_it(**options: Any) -> Any:
            command = [sys.executable, "-c", ON_THE_HUB, str(tmp_path / "output"), json.dumps(options)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout.splitlines()[-1])

        assert run_it()[:2] == [["ONE", "TWO"], 2]
        assert run_it()[:2] == [["ONE", "TWO"], 0]
        hub.main = second
        assert run_it() == [["ONE", "THREE"], 1, ["input", 'data["commit"]', first, second]]
        hub.main = third
        assert run_it() == [["ONE", "THREE"], 0, ["input", 'data["commit"]', second, third]]
        assert run_it(revision=first)[:2] == [["ONE", "TWO"], 0]


# --- M5, M9: hash seeds, files, folders -------------------------------------------------------------------------------

PROGRAM = """
import sys
from datadreamer import DataDreamer
from datadreamer.steps import DataSource

WORDS = {"alpha", "beta", "gamma", "delta"}

with DataDreamer(sys.argv[1], verbose=False):
    kept = DataSource("Words", {"w": ["alpha", "omega"]}).filter(lambda row: row["w"] in WORDS, lazy=False, name="Kept")
    print(kept.fingerprint)
"""


def test_m5_m9_hash_seed_and_place_of_the_program_do_not_count(tmp_path: Path) -> None:
    prints, inodes = set(), set()
    for number, seed in enumerate(["0", "1", "12345"]):
        script = tmp_path / f"place{number}" / f"program{number}.py"
        script.parent.mkdir()
        script.write_text(PROGRAM)
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path / "output")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=script.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        prints.add(done.stdout)
        inodes.add((tmp_path / "output" / "kept" / "step.json").stat().st_ino)
    assert len(prints) == len(inodes) == 1


# --- M6: what the answer must look like -------------------------------------------------------------------------------


def test_m6_response_format_and_tools_count(run: Run) -> None:
    import msgspec

    class Short(msgspec.Struct):
        word: str

    class Long(msgspec.Struct):
        word: str
        reason: str

    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    settings = [{}, {"response_format": Short}, {"response_format": Long}, {"tools": [tool]}]
    llm = FakeLLM("{}")
    counts = []
    for given in [*settings, *settings]:
        run(lambda given=given: ask(llm, **given))
        counts.append(llm.calls)
    assert counts == [3, 6, 9, 12, 12, 12, 12, 12]


# --- M7: what does not count ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Another"},
        {"save_num_shards": 3},
        {"save_num_proc": 2},
        {"progress_interval": 1},
        {"verbose": False},
        {"background": True},
        {"batch_size": 2},
        {"max_failures": 5},
        {"retry_failed": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_m7_name_shards_batch_size_and_the_like_do_not_count(run: Run, change: dict[str, Any]) -> None:
    llm, below = FakeLLM(str.upper), FakeLLM("below")

    def workflow(**given: Any) -> None:
        texts = DataSource("Texts", {"text": ["a", "b", "c"]})
        args = {"llm": llm, **{key: given.pop(key) for key in ("batch_size",) if key in given}}
        step = Prompt(**{"name": "Ask", **given}, inputs={"prompts": texts.output["text"]}, args=args)
        if step.background:
            from datadreamer.steps import wait

            wait(step)
        Prompt("Below", inputs={"prompts": step.output["generations"]}, args={"llm": below})

    run(workflow)
    run(lambda: workflow(**change))
    assert (llm.calls, below.calls) == (3, 3)


def test_m7_key_and_time_outs_do_not_count(run: Run) -> None:
    with Server() as server:
        run(lambda: ask(OpenAI("m", base_url=server.url, api_key="key-number-1")))
        run(lambda: ask(OpenAI("m", base_url=server.url, api_key="key-number-2", timeout=7, max_in_flight=1)))
        assert len(server.requests) == 3


# --- M8: the body of run() --------------------------------------------------------------------------------------------

STEP = """
from datadreamer.steps import Column, Step, output

class Sum(Step):
    n: Column[int]
    total: int = output()

    def run(self):
        yield {"total": BODY}
"""


def test_m8_the_body_of_run_counts(tmp_path: Path, run: Run) -> None:
    found = []
    for number, body in enumerate(["sum(self.n)", "(sum(self.n))", "sum(self.n) + 1"]):
        module = load(tmp_path / f"code{number}", steps_of_ours=STEP.replace("BODY", body))
        total = run(lambda module=module: list(module.Sum("Sum", n=numbers()["n"])["total"]))
        found.append((total, (tmp_path / "output" / "sum" / "step.json").stat().st_ino))
    assert found[0] == found[1] and found[2][0] == [7]


# --- M10: bytes stay bytes --------------------------------------------------------------------------------------------


def test_m10_a_cell_that_looks_like_a_pickle_stays_bytes(run: Run, tmp_path: Path) -> None:
    trap = b"cos\nsystem\n(S'touch " + os.fsencode(tmp_path / "trapped") + b"'\ntR."
    pq.write_table(pa.table({"cell": [trap]}), tmp_path / "rows.parquet")

    def workflow() -> Any:
        rows = DataSource("Rows", pq.read_table(tmp_path / "rows.parquet"))
        return [row["cell"] for row in rows.map(lambda row: {"cell": row["cell"]}, lazy=False).output]

    assert run(workflow) == run(workflow) == [trap]
    assert not (tmp_path / "trapped").exists()


# --- M11: draws -------------------------------------------------------------------------------------------------------


def test_m11_draws_differ_and_are_the_same_draws_again_in_any_order(run: Run) -> None:
    llm = FakeLLM([f"draw {number}" for number in range(9)])

    def draws(name: str, **given: Any) -> list[str]:
        return list(DataFromPrompt(name, llm=llm, n=4, instruction="Anything", **given).output["generations"])

    first = run(lambda: draws("Draw"))
    assert first == ["draw 0", "draw 1", "draw 2", "draw 3"]
    assert run(lambda: draws("Draw", force=True, args={"batch_size": 1})) == first
    assert llm.calls == 4


# --- M13: a wrong key -------------------------------------------------------------------------------------------------


def test_m13_a_wrong_key_stops_at_once_and_is_named(run: Run) -> None:
    async def refuse(server: Server, number: int, body: dict[str, Any]) -> Any:
        return error(401, "Incorrect API key provided: sk-wrong1234567890abcdef")

    with Server(refuse) as server:
        started = time.monotonic()
        with pytest.raises(AuthenticationError, match="api_key argument") as caught:
            run(lambda: ask(OpenAI("m", base_url=server.url, api_key="sk-wrong1234567890abcdef")))
        assert time.monotonic() - started < 10 and len(server.requests) <= 3
    assert "sk-wrong1234567890abcdef" not in str(caught.value)


# --- M14, M15 ---------------------------------------------------------------------------------------------------------


class Half(Step):
    """Half of every number."""

    n: Column[int]
    exact: bool = True
    half: int = output()

    def process(self, n: int) -> dict[str, int]:
        return {"half": n // 2 if self.exact else int(n / 2)}


def test_m14_a_rerun_with_equal_rows_is_cut_off(run: Run, tmp_path: Path) -> None:
    llm = FakeLLM(str.upper)

    def workflow(exact: bool) -> Any:
        half = Half("Half", n=numbers()["n"], exact=exact)
        texts = half.map(lambda row: {"text": str(row["half"])}, lazy=False, name="Texts")
        return Prompt("Ask", inputs={"prompts": texts.output["text"]}, args={"llm": llm}).fingerprint

    one, two = run(lambda: workflow(True)), run(lambda: workflow(False))
    assert llm.calls == 3
    assert one != two  # another experiment, with the same rows


def test_m15_a_parser_changes_without_a_call(run: Run) -> None:
    llm = FakeLLM("7 apples")
    assert list(run(lambda: ask(llm, post_process=lambda text: text.split()[0])).output["generations"]) == ["7"] * 3
    assert (
        list(run(lambda: ask(llm, post_process=lambda text: text.split()[1])).output["generations"]) == ["apples"] * 3
    )
    assert llm.calls == 3


# --- what ran, and why, in the log ------------------------------------------------------------------------------------


def test_every_rerun_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = {"text": ["a", "b"]}

    def workflow(step: Callable[[Any], Any], rows: dict[str, Any] | None = None) -> str:
        caplog.clear()
        with caplog.at_level("INFO", "datadreamer"), DataDreamer(tmp_path / "output"):
            step(DataSource("Texts", texts if rows is None else rows))
        return " ".join(record.getMessage() for record in caplog.records if "runs again" in record.getMessage())

    def prompt(**given: Any) -> Callable[[Any], Any]:
        args = {"llm": FakeLLM("x"), **given.pop("args", {})}
        return lambda rows: Prompt("Ask", inputs={"prompts": rows.output["text"]}, args=args, **given)

    y, rows = {"llm": FakeLLM("y")}, {"text": ["c", "d"]}
    of_data = "Step 'Texts' runs again: input: data[\"digest\"] changed from 'ddc1:"
    again = "Step 'Ask' runs again: "
    changes = [
        (prompt(), None, ""),
        (prompt(args={"temperature": 0.5}), None, f'{again}setting: settings["sampling"]["temperature"] changed from '),
        (prompt(args={"post_process": len}), None, f'{again}setting: settings["post_process"] changed from None'),
        (prompt(), None, ""),  # as at first: its backup is brought back
        (prompt(args=y), None, f'{again}model: models["llm"]'),
        (prompt(args=y), rows, f'{again}input: inputs["prompts"]'),
        (prompt(args=y), {"text": ["c", "e"]}, of_data),
        (prompt(args=y), rows, ""),
        (prompt(args=y, force=True), rows, f"{again}it is forced to (force=True)."),
    ]
    for step, given, expected in changes:
        said = workflow(step, given)
        assert expected in said and bool(expected) == bool(said)


def test_json_of_events_says_why_as_well(tmp_path: Path) -> None:
    from datadreamer.ledger import Ledger

    for force in (False, True):
        with DataDreamer(tmp_path / "output"):
            DataSource("Texts", {"text": ["a"]}, force=force)
    with Ledger.open(tmp_path / "output" / "ledger.sqlite", readonly=True) as ledger:
        assert [event.data["why"] for event in ledger.steps(kind="started")] == ["first", "forced"]
    assert json.loads((tmp_path / "output" / "texts" / "step.json").read_text())["status"] == "finished"
