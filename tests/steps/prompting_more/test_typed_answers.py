"""`output_type` of prompt steps: typed columns, the text beside them, losses with reasons, and what counts."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pyarrow as pa
import pydantic
import pytest

from datadreamer import DataDreamer
from datadreamer.cards import read_step
from datadreamer.errors import InvalidArgumentError, InvalidTypeError
from datadreamer.llms import LLM, FakeLLM, Generation, Regex, Request
from datadreamer.steps import (
    DataFromPrompt,
    DataSource,
    FilterWithPrompt,
    JudgePairsWithPrompt,
    ProcessWithPrompt,
    Prompt,
    RankWithPrompt,
)
from datadreamer.steps.fingerprint import fingerprints

Run = Callable[..., Any]


class Person(pydantic.BaseModel):
    name: str
    born: datetime.date | None = None


class Film(pydantic.BaseModel):
    """A film."""

    title: str
    year: int = 1999
    score: float | None = None
    cast: list[Person] = []


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


FILM = {"title": "M", "year": 1931, "score": 8, "cast": [{"name": "Lorre", "born": "1904-06-26"}]}


def schema_of(step: Any, column: str = "generations") -> pa.DataType:
    return step.output.rows.table().schema.field(column).type


def asked(answers: Any = None, prompts: tuple[str, ...] = ("p",), **options: Any) -> Prompt:
    llm = FakeLLM() if answers is None else FakeLLM(answers)
    return Prompt("Ask", prompts=DataSource("Prompts", {"p": list(prompts)})["p"], llm=llm, **options)


def test_a_model_comes_as_a_struct_with_the_text_beside_it(session: DataDreamer) -> None:
    step = asked({"p": json.dumps(FILM), "q": '{"title": "Ran"}'}, ("p", "q"), output_type=Film)
    assert step.output.column_names == ["prompts", "generations", "raw_generations"]
    person = pa.struct([("name", pa.string()), ("born", pa.string())])
    assert schema_of(step) == pa.struct(
        [("title", pa.string()), ("year", pa.int64()), ("score", pa.float64()), ("cast", pa.list_(person))]
    )
    first, second = step.export_to_list()
    assert first == {"prompts": "p", "generations": FILM, "raw_generations": json.dumps(FILM)}
    assert second["generations"] == {"title": "Ran", "year": 1999, "score": None, "cast": []}


class Note(TypedDict):
    text: str
    stars: int


class Sum(msgspec.Struct):
    amount: decimal.Decimal


@pytest.mark.parametrize(
    ("kind", "answer", "arrow", "value"),
    [
        (int, "It is 7.", pa.int64(), 7),
        (float, "7", pa.float64(), 7.0),
        (bool, "yes", pa.bool_(), True),
        (str, " a \n", pa.string(), "a"),
        (list[str], '["a"]', pa.list_(pa.string()), ["a"]),
        (int | None, "null", pa.int64(), None),
        (int | float, "2", pa.float64(), 2.0),
        (Literal[1, 2], "2", pa.int64(), 2),
        (["a", "b"], "B", pa.string(), "b"),
        (Mood, "good", pa.string(), "good"),
        (list[Mood], '["bad"]', pa.list_(pa.string()), ["bad"]),
        (Regex(r"\d+"), "12", pa.string(), "12"),
        (Note, '{"text": "t", "stars": 3, "more": 1}', pa.struct([("text", pa.string()), ("stars", pa.int64())]),
         {"text": "t", "stars": 3}),
        (Sum, '{"amount": "1.50"}', pa.struct([("amount", pa.string())]), {"amount": "1.50"}),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, '{"a": 1, "b": 2}',
         pa.struct([("a", pa.int64())]), {"a": 1}),
        (dict[str, int], '{"x": 1}', pa.struct([("x", pa.int64())]), {"x": 1}),
    ],
    ids=str,
)  # fmt: skip
def test_the_type_of_a_column_follows_from_the_schema(
    memory: DataDreamer, kind: Any, answer: str, arrow: pa.DataType, value: Any
) -> None:
    step = asked(answer, output_type=kind)
    assert schema_of(step) == arrow
    assert step.export_to_list() == [{"prompts": "p", "generations": value, "raw_generations": answer}]


def test_types_are_declared_also_where_every_value_is_null(memory: DataDreamer) -> None:
    assert schema_of(asked("null", output_type=int | None)) == pa.int64()
    assert schema_of(asked('{"title": "x"}', output_type=Film)).field("score").type == pa.float64()


def test_several_answers_of_a_prompt_are_lists(memory: DataDreamer) -> None:
    step = asked(["1", "2", "3"], output_type=int, n=3)
    assert schema_of(step) == pa.list_(pa.int64())
    assert step.export_to_list() == [{"prompts": "p", "generations": [1, 2, 3], "raw_generations": ["1", "2", "3"]}]


def test_fields_become_columns_when_unpacked(memory: DataDreamer) -> None:
    films = DataFromPrompt(
        "Films",
        args={"llm": FakeLLM(json.dumps(FILM)), "instruction": "A film", "n": 2, "output_type": Film, "unpack": True},
        outputs={"title": "headline"},
    )
    assert films.output.column_names == ["prompts", "headline", "year", "score", "cast", "raw_generations"]
    assert schema_of(films, "year") == pa.int64()
    assert list(films["headline"]) == ["M", "M"]
    several = asked(json.dumps(FILM), output_type=Film, unpack=True, n=2)
    assert several.export_to_list()[0]["title"] == ["M", "M"]


def test_unpacked_fields_may_be_drawn_until_they_are_distinct(memory: DataDreamer) -> None:
    drawn = {"n": 3, "accept": lambda row: row["year"] % 2 == 0, "distinct": True}
    typed = {"output_type": Film, "unpack": True}
    films = DataFromPrompt("Films", args={"llm": FakeLLM(), "instruction": "A film", **drawn, **typed})
    assert all(year % 2 == 0 for year in films["year"])


def test_post_process_gets_the_value_and_decides_what_is_stored(memory: DataDreamer) -> None:
    step = asked(json.dumps(FILM), output_type=Film, post_process=lambda film: film.cast[0].born)
    assert step.export_to_list()[0]["generations"] == datetime.date(1904, 6, 26)
    step = asked(json.dumps(FILM), output_type=Film, post_process=lambda film: film.cast)
    assert step.export_to_list()[0]["generations"] == FILM["cast"]


def test_filters_ranks_and_judges_take_values(memory: DataDreamer) -> None:
    source = DataSource("Texts", {"text": ["a", "b", "c"], "other": ["x", "y", "z"]})
    yes = {"Input: a\n\nInstruction: Keep it?": "true", "Input: b\n\nInstruction: Keep it?": "No."}
    llm = FakeLLM(lambda prompt: yes.get(prompt, "yes"))
    kept = FilterWithPrompt("Keep", inputs=source["text"], llm=llm, instruction="Keep it?", output_type=bool)
    assert list(kept["text"]) == ["a", "c"]
    by_film = FilterWithPrompt("New", inputs=source["text"], llm=FakeLLM(json.dumps(FILM)), instruction="?",
                               output_type=Film, filter_func=lambda film: film.year > 1950)  # fmt: skip
    assert by_film.output.num_rows == 0
    ranked = RankWithPrompt("Rank", inputs=source["text"], llm=FakeLLM(lambda p: str(ord(p[7]))), instruction="?",
                            output_type=int)  # fmt: skip
    assert list(ranked["text"]) == ["c", "b", "a"]
    judged = JudgePairsWithPrompt("Judge", a=source["text"], b=source["other"], llm=FakeLLM("Input B"),
                                  output_type=["Input A", "Input B"], randomize_order=False)  # fmt: skip
    assert judged.export_to_list()[0] == {
        "a": "a", "b": "x", "judge_prompts": judged.export_to_list()[0]["judge_prompts"],
        "judge_generations": "Input B", "judgements": "Input B", "raw_judge_generations": "Input B",
    }  # fmt: skip
    twice = JudgePairsWithPrompt("Judge twice", a=source["text"], b=source["other"], llm=FakeLLM("Input B"),
                                 output_type=["Input A", "Input B"], both_orders=True)  # fmt: skip
    assert twice.export_to_list()[0]["raw_judge_generations"] == ["Input B", "Input B"]


class Mixed(LLM):
    """Good, cut off, refused, and never right."""

    async def _answer(self, request: Request) -> Generation:
        first = str(request.messages[0]["content"])
        if first.startswith("cut"):
            return Generation(text='{"title": "M', finish_reason="length")
        if first.startswith("refuse"):
            return Generation(text="I will not.", finish_reason="refusal")
        text = "no film" if first.startswith("never") else '{"title": "M"}'
        return Generation(text=text, finish_reason="stop")


def test_what_is_no_value_is_a_loss_with_its_reason(run: Run, tmp_path: Path) -> None:
    def workflow() -> list[dict[str, Any]]:
        prompts = DataSource("Prompts", {"p": ["good", "cut", "refuse", "never", "good too"]})
        return Prompt("Ask", prompts=prompts["p"], llm=Mixed(), output_type=Film).export_to_list()

    rows = run(workflow)
    assert [row["prompts"] for row in rows] == ["good", "good too"]
    record = read_step(tmp_path / "output" / "ask" / "step.json")
    assert record.rows.failed == {"truncated": 1, "refused": 1, "unparsed": 1}
    assert run(workflow) == rows


def test_lineage_has_every_call_of_a_row(session: DataDreamer) -> None:
    def answers(prompt: str, request: Request) -> str:
        return "hm" if len(request.messages) == 1 else "7"

    step = asked(answers, output_type=int)
    assert [len(calls.as_py()) for calls in step.output.rows.lineage()["calls"]] == [2]


def test_the_card_says_that_fields_and_texts_are_generated(run: Run, tmp_path: Path) -> None:
    run(lambda: asked(json.dumps(FILM), output_type=Film, unpack=True))
    record = read_step(tmp_path / "output" / "ask" / "step.json")
    origins = {column.name: column.origin for column in record.outputs}
    assert {origins[name] for name in ("title", "year", "score", "cast", "raw_generations")} == {"generated"}
    [shape] = [prompt.text for prompt in record.prompts if prompt.role == "output type"]
    assert json.loads(shape)["schema"]["description"] == "A film."


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"output_type": int | str}, InvalidTypeError, "may be int or str, and a column has one type"),
        ({"output_type": {"properties": {"a": {"type": ["integer", "string"]}}}}, InvalidTypeError, "a may be int or"),
        ({"output_type": object}, InvalidTypeError, "Step 'Ask': output_type takes"),
        ({"output_type": int, "unpack": True}, InvalidArgumentError, "unpack=True makes columns"),
        ({"output_type": Film, "unpack": True, "post_process": str}, InvalidArgumentError, "unpack=True"),
        ({"unpack": True}, InvalidArgumentError, "together with output_type"),
        ({"max_reasks": 3}, InvalidArgumentError, "together with output_type"),
        ({"output_type": int, "max_reasks": -1}, InvalidArgumentError, "at least 0"),
    ],
)
def test_mistakes_are_named_before_anything_is_asked(
    memory: DataDreamer, options: dict[str, Any], error: Any, said: str
) -> None:
    with pytest.raises(error) as caught:
        asked(**options)
    assert said in str(caught.value)


def test_a_field_that_is_called_as_a_column_is_refused(memory: DataDreamer) -> None:
    class Prompts(pydantic.BaseModel):
        prompts: str

    with pytest.raises(InvalidArgumentError, match="a column of that name"):
        asked(output_type=Prompts, unpack=True)


def test_two_kinds_are_welcome_where_post_process_makes_one_of_them(memory: DataDreamer) -> None:
    assert asked('"a"', output_type=int | str, post_process=str).export_to_list()[0]["generations"] == "a"


# --- identity ---------------------------------------------------------------------------------------------------------


def key(**options: Any) -> str:
    return fingerprints(asked(**options)).key


def test_without_a_type_the_settings_do_not_count(memory: DataDreamer) -> None:
    assert key() == key(output_type=None) == key(max_reasks=None, unpack=False)
    assert set(asked("1").identity()) & {"output_type", "max_reasks", "unpack"} == set()


def test_a_type_counts_by_its_schema_and_by_what_it_accepts(memory: DataDreamer) -> None:
    def made(**fields: Any) -> type[pydantic.BaseModel]:
        return pydantic.create_model("Made", **fields)

    base = key(output_type=made(x=(int, ...)))
    assert base == key(output_type=made(x=(int, ...)))
    different = [
        made(x=(str, ...)),
        made(x=(int, 3)),
        made(x=(Annotated[int, pydantic.Field(ge=0)], ...)),
        made(x=(Annotated[int, pydantic.Field(description="An x.")], ...)),
        made(x=(Annotated[int, pydantic.AfterValidator(lambda x: x + 1)], ...)),
        made(x=(int, ...), y=(int, ...)),
        pydantic.create_model("Made", __doc__="Docs are sent.", x=(int, ...)),
    ]
    keys = [key(output_type=one) for one in different]
    assert len({base, *keys}) == len(keys) + 1
    assert key(output_type=int) != key(output_type=int, max_reasks=5)
    assert key(output_type=int, max_reasks=2) == key(output_type=int)
    assert key(output_type=Film) != key(output_type=Film, unpack=True)


def test_a_validator_counts_and_asks_nothing_again(run: Run) -> None:
    def film(least: int) -> Any:
        class Checked(pydantic.BaseModel):
            year: int

            @pydantic.field_validator("year")
            @classmethod
            def late_enough(cls, year: int) -> int:
                assert year >= least, "too early"
                return year

        return Checked

    llm = FakeLLM('{"year": 1931}')

    def workflow(least: int) -> Any:
        source = DataSource("Prompts", {"p": ["p"]})
        return Prompt("Ask", prompts=source["p"], llm=llm, output_type=film(least)).export_to_list()

    first = run(lambda: workflow(1900))
    assert (first[0]["generations"], llm.calls) == ({"year": 1931}, 1)
    assert run(lambda: workflow(1910)) == first
    assert llm.calls == 1


def test_a_class_of_another_file_with_the_same_schema_is_the_same(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        from shapes import Shape
        from datadreamer import DataDreamer
        from datadreamer.llms import FakeLLM
        from datadreamer.steps import DataFromPrompt
        from datadreamer.steps.fingerprint import fingerprints
        with DataDreamer(":memory:", verbose=False):
            llm = FakeLLM()
            print(fingerprints(DataFromPrompt("d", llm=llm, instruction="x", n=1, output_type=Shape)).key)
        """
    )
    (tmp_path / "run.py").write_text(script)
    shapes = {
        "pydantic": "import pydantic\nclass Shape(pydantic.BaseModel):\n    x: int\n",
        "moved": "# moved\nimport pydantic as p\n\nunused = 1\nclass Shape(p.BaseModel):\n    x: int\n",
        "changed": "import pydantic\nclass Shape(pydantic.BaseModel):\n    x: float\n",
    }
    keys = {}
    for name, text in shapes.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "shapes.py").write_text(text)
        done = subprocess.run(
            [sys.executable, str(tmp_path / "run.py"), str(tmp_path / name)], capture_output=True, text=True, check=True
        )
        keys[name] = done.stdout.strip().splitlines()[-1]
    assert keys["pydantic"] == keys["moved"] != keys["changed"]


def test_a_step_in_words_is_remembered_and_resumed(run: Run) -> None:
    llm = FakeLLM(lambda prompt: f"Sure: {len(prompt)}")
    llm.output_dialect = None

    def workflow() -> Any:
        source = DataSource("Texts", {"t": ["a", "bb"]})
        step = ProcessWithPrompt("Count", inputs=source["t"], llm=llm, instruction="?", output_type=int)
        return list(step["generations"])

    values = run(workflow)
    assert run(workflow) == values and llm.calls == 2
