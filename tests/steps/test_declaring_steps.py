"""What a step class declares, and what binding says about what a caller gives: in all three spellings."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Optional

import pytest

import datadreamer.steps as dd
from datadreamer import DataDreamer
from datadreamer.datasets import OutputDatasetColumn
from datadreamer.errors import InvalidArgumentError, InvalidTypeError
from datadreamer.steps import Column, DataSource, Rows, Step, output, runtime, setting

Steps = Callable[..., Any]


class Typed(Step):
    """Repeat every text.

    A second paragraph.
    """

    text: Column[str]
    times: int = 2
    mark: str = setting(default="", help="what is put behind")
    tags: list[str] = []  # noqa: RUF012 - what is tested
    concurrency: int = runtime(default=4)
    repeated: str = output(help="the text, several times")

    def process(self, text: str) -> dict[str, str]:
        return {"repeated": text * self.times + self.mark}


class Registered(Step):
    """Repeat every text."""

    def setup(self) -> None:
        self.register_input("text", help="what is repeated")
        self.register_arg("times", required=False, default=2)
        self.register_arg("mark", required=False, default="", help="what is put behind")
        self.register_output("repeated", help="the text, several times")

    def run(self) -> Any:
        return [text * self.args["times"] + self.args["mark"] for text in self.inputs["text"]]


@pytest.fixture
def texts(session: DataDreamer) -> DataSource:
    return DataSource("Texts", {"text": ["a", "b"], "other": ["c", "d"]})


def spellings(texts: DataSource) -> list[Step]:
    column = texts.output["text"]
    return [
        Typed("Typed by keyword", text=column, times=3, mark="!"),
        Typed("Typed by dictionary", inputs={"text": column}, args={"times": 3, "mark": "!"}),
        Typed("Typed by position", {"text": column}, {"times": 3, "mark": "!"}),
        Registered("Registered by dictionary", inputs={"text": column}, args={"times": 3, "mark": "!"}),
        Registered("Registered by keyword", text=column, times=3, mark="!"),  # type: ignore[call-arg]
    ]


def test_all_spellings_give_the_same_rows(texts: DataSource) -> None:
    for step in spellings(texts):
        assert list(step.output["repeated"]) == ["aaa!", "bbb!"]
        assert step.inputs["text"].column_names == ["text"]
        assert step.args["times"] == 3 and step.args["mark"] == "!"


def test_all_spellings_of_one_class_are_the_same_step(texts: DataSource) -> None:
    made = spellings(texts)
    assert len({step.fingerprint for step in made[:3]}) == 1
    assert len({step.fingerprint for step in made[3:]}) == 1


@pytest.mark.parametrize("cls", [Typed, Registered])
def test_unknown_names_are_refused_with_the_nearest_known_one(texts: DataSource, cls: Any) -> None:
    column = texts.output["text"]
    with pytest.raises(InvalidArgumentError, match=r"Step 'S' has no argument 'tines'\. Did you mean 'times'\?"):
        cls("S", inputs={"text": column}, args={"tines": 3})
    with pytest.raises(InvalidArgumentError, match=r"has no input 'txt'\. Did you mean 'text'\?"):
        cls("S", inputs={"text": column, "txt": column})
    with pytest.raises(InvalidArgumentError, match=r"has no argument 'tines'\. Did you mean 'times'\?"):
        cls("S", text=column, tines=3)
    with pytest.raises(InvalidArgumentError, match=r"has no output 'repeted'\. Did you mean 'repeated'\?"):
        cls("S", text=column, outputs={"repeted": "x"})


@pytest.mark.parametrize("cls", [Typed, Registered])
def test_a_mistake_leaves_nothing_behind(texts: DataSource, session: DataDreamer, cls: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        cls("S", text=texts.output["text"], tines=3)
    assert cls("S", text=texts.output["text"]).name == "S"
    assert session.folder is not None and not (session.folder / "s-2").exists()


@pytest.mark.parametrize("cls", [Typed, Registered])
def test_a_missing_input_is_named_with_how_to_give_it(session: DataDreamer, cls: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"needs the input 'text'\. .*text=step\[\"column\"\]"):
        cls("S")


def test_a_missing_setting_is_named(session: DataDreamer) -> None:
    class Needs(Step):
        size: int = setting(help="how many rows")
        out: int = output()

    with pytest.raises(InvalidArgumentError, match=r"Step 'S' needs the argument 'size' \(how many rows\)"):
        Needs("S")  # type: ignore[call-arg]


@pytest.mark.parametrize("wrong", ["text", ["a", "b"], 3, {"a": [1]}])
@pytest.mark.parametrize("cls", [Typed, Registered])
def test_an_input_must_be_a_column(session: DataDreamer, cls: Any, wrong: Any) -> None:
    with pytest.raises(InvalidTypeError, match=f"the input 'text' must be a column, not {type(wrong).__name__}"):
        cls("S", inputs={"text": wrong})


def test_a_step_or_a_whole_result_is_not_a_column(texts: DataSource) -> None:
    for wrong in (texts, texts.output):
        with pytest.raises(InvalidTypeError, match="must be a column"):
            Typed("S", text=wrong)  # type: ignore[arg-type]


def test_an_output_cannot_be_passed_in(texts: DataSource) -> None:
    with pytest.raises(InvalidArgumentError, match="has no argument 'repeated'"):
        Typed("S", text=texts["text"], repeated="x")  # type: ignore[call-arg]


@pytest.mark.parametrize(("name", "value"), [("times", "3"), ("times", 2.5), ("times", True), ("mark", 3)])
def test_a_setting_of_the_wrong_type_is_refused(texts: DataSource, name: str, value: Any) -> None:
    with pytest.raises(InvalidTypeError, match=f"the argument '{name}' must be .*, not {type(value).__name__}"):
        Typed("S", text=texts["text"], **{name: value})


def test_a_name_given_twice_is_refused(texts: DataSource) -> None:
    column = texts["text"]
    with pytest.raises(InvalidArgumentError, match="'times' twice"):
        Typed("S", text=column, times=3, args={"times": 3})
    with pytest.raises(InvalidArgumentError, match="'text' twice"):
        Typed("S", text=column, inputs={"text": column})
    with pytest.raises(InvalidArgumentError, match="'inputs' twice"):
        Typed("S", {"text": column}, inputs={"text": column})  # type: ignore[misc]


def test_dictionaries_must_be_dictionaries(texts: DataSource) -> None:
    for key in ("inputs", "args", "outputs"):
        with pytest.raises(InvalidTypeError, match=f"{key} must be a dictionary, not list"):
            Typed("S", **{key: ["x"]})  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="input names are strings"):
        Typed("S", inputs={1: texts["text"]}, text=texts["text"])


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a\\b", "a\nb"])
def test_a_name_that_cannot_name_a_folder_is_refused(session: DataDreamer, name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        DataSource(name, {"a": [1]})


def test_a_step_needs_a_name_that_is_a_string(session: DataDreamer) -> None:
    with pytest.raises(InvalidArgumentError, match="needs a name"):
        Typed()  # type: ignore[call-arg]
    with pytest.raises(InvalidTypeError, match="name is a string"):
        Typed(3)  # type: ignore[arg-type, call-arg]


# --- outputs ----------------------------------------------------------------------------------------------------------


class Two(Step):
    """Two columns."""

    first: int = output()
    second: int = output()

    def run(self) -> Any:
        return {"first": [1], "second": [2]}


def test_outputs_are_renamed(session: DataDreamer) -> None:
    step = Two("S", outputs={"second": "other"})
    assert step.output.column_names == ["first", "other"]
    assert step.output_names == ("first", "other")
    assert step.output_name_mapping == {"first": "first", "second": "other"}
    assert list(step.second) == [2]  # type: ignore[call-overload]
    assert list(step["other"]) == [2]


def test_outputs_may_swap_names(session: DataDreamer) -> None:
    step = Two("S", outputs={"first": "second", "second": "first"})
    assert step.output.to_list() == [{"second": 1, "first": 2}]  # type: ignore[union-attr]


def test_two_outputs_may_not_get_one_name(session: DataDreamer) -> None:
    with pytest.raises(InvalidArgumentError, match="two outputs would both be called 'first'"):
        Two("S", outputs={"second": "first"})


@pytest.mark.parametrize("wrong", ["", 3, None])
def test_an_output_is_renamed_to_a_string(session: DataDreamer, wrong: Any) -> None:
    with pytest.raises(InvalidTypeError, match="'second' must be renamed to a non-empty string"):
        Two("S", outputs={"second": wrong})


def test_a_step_without_outputs_is_refused(session: DataDreamer) -> None:
    class Nothing(Step):
        """Nothing."""

    with pytest.raises(InvalidArgumentError, match="declares no output"):
        Nothing("S")


# --- classes that cannot work -----------------------------------------------------------------------------------------


def test_overriding_init_is_refused() -> None:
    with pytest.raises(AttributeError, match="overrides __init__"):

        class Wrong(Step):
            def __init__(self, name: str) -> None:
                pass


def test_an_init_of_a_second_base_is_refused_too() -> None:
    class Mixin:
        def __init__(self) -> None:
            pass

    with pytest.raises(AttributeError, match="overrides __init__"):

        class Wrong(Mixin, Step):
            pass


def test_a_data_source_may_have_an_init_of_its_own(session: DataDreamer) -> None:
    class Numbers(DataSource):
        def __init__(self, name: str, size: int) -> None:
            super().__init__(name, {"n": list(range(size))})

    assert list(Numbers("N", 3).output["n"]) == [0, 1, 2]


@pytest.mark.parametrize("name", ["map", "run", "output", "progress", "logger", "fingerprint", "name", "force", "help"])
def test_a_field_that_hides_what_every_step_has_is_refused(name: str) -> None:
    with pytest.raises(AttributeError, match=f"a field '{name}', which would hide"):
        type("Wrong", (Step,), {"__annotations__": {name: int}, name: 1, "__module__": __name__})


def test_registered_names_may_be_any_and_hide_nothing(texts: DataSource) -> None:
    class Odd(Step):
        def setup(self) -> None:
            for name in ("inputs", "name", "map"):
                self.register_input(name)
            for name in ("args", "sort", "force", "output"):
                self.register_arg(name, required=False, default=1)
            self.register_output("output")

        def run(self) -> Any:
            assert callable(self.map) and callable(self.sort) and self.force is False
            return [f"{a}{b}{c}{self.args['args']}" for a, b, c in zip(*map(self.inputs.get, self.inputs), strict=True)]  # type: ignore[arg-type]

    column = texts.output["text"]
    step = Odd("S", inputs={"inputs": column, "name": column, "map": texts.output["other"]}, args={"args": 5})
    assert step.name == "S"
    assert list(step.inputs) == ["inputs", "name", "map"] and step.args["output"] == 1
    assert list(step.output["output"]) == ["aac5", "bbd5"]


# --- defaults and optional inputs -------------------------------------------------------------------------------------


def test_mutable_defaults_are_not_shared(texts: DataSource) -> None:
    class Nested(Step):
        table: dict[str, list[int]] = {"a": []}  # noqa: RUF012 - what is tested
        made: list[int] = setting(default_factory=list)
        out: int = output()

        def run(self) -> Any:
            self.table["a"].append(1)
            self.made.append(1)
            return [len(self.table["a"]) + len(self.made)]

    assert list(Nested("One")["out"]) == list(Nested("Two", force=True)["out"]) == [2]
    first, second = Typed("A", text=texts["text"]), Typed("B", text=texts["text"])
    first.tags.append("x")
    assert second.tags == []


def test_optional_inputs_are_none_when_absent(texts: DataSource) -> None:
    class Optionals(Step):
        text: Column[str]
        other: Column[str] | None = None
        out: str = output()

        def process(self, text: str, other: str | None) -> dict[str, str]:
            return {"out": f"{text}{other}"}

    class RegisteredOptionals(Step):
        def setup(self) -> None:
            self.register_input("text")
            self.register_input("other", required=False)
            self.register_output("out")

        def run(self) -> Any:
            given = self.inputs.get("other")
            return [f"{text}{given}" for text in self.inputs["text"]]

    column = texts.output["text"]
    assert list(Optionals("A", text=column)["out"]) == ["aNone", "bNone"]
    assert list(Optionals("B", text=column, other=texts["other"])["out"]) == ["ac", "bd"]
    assert list(RegisteredOptionals("C", {"text": column})["out"]) == ["aNone", "bNone"]
    assert list(RegisteredOptionals("D", {"text": column, "other": None})["out"]) == ["aNone", "bNone"]


def test_an_absent_optional_input_is_a_key_of_inputs(texts: DataSource) -> None:
    class Looks(Step):
        def setup(self) -> None:
            self.register_input("text", required=False)
            self.register_output("out")

        def run(self) -> Any:
            return [self.inputs["text"] is None]

    assert list(Looks("S")["out"]) == [True]


def test_whole_results_are_inputs_too(texts: DataSource) -> None:
    class Count(Step):
        rows: Rows
        count: int = output()

        def run(self) -> Any:
            return [sum(1 for _ in self.rows)]  # type: ignore[misc, attr-defined]

    assert list(Count("A", rows=texts)["count"]) == [2]  # type: ignore[arg-type]
    assert list(Count("B", rows=texts.output)["count"]) == [2]
    with pytest.raises(InvalidTypeError, match="Pass the result of another step"):
        Count("C", rows=[1])  # type: ignore[arg-type]


def test_further_arguments_are_let_in_when_registered(session: DataDreamer) -> None:
    class Free(Step):
        def setup(self) -> None:
            self.register_arg("size", required=False, default=1)
            self.register_arg("**kwargs")
            self.register_output("out")

        def run(self) -> Any:
            return [repr(self.args)]

    assert list(Free("S", args={"color": "red"})["out"]) == ["{'size': 1, 'color': 'red'}"]


# --- annotations ------------------------------------------------------------------------------------------------------


def test_classes_in_functions_with_names_only_seen_there(texts: DataSource) -> None:
    class Local:
        pass

    class Inside(Step):
        text: Column[Local]  # a string here, which cannot be resolved
        also: dd.Column[str] | None = None
        perhaps: Optional[Column[Local]] = None  # noqa: UP045
        local: Local | None = None
        kind: Literal["a", "b"] = "a"
        COUNT: ClassVar[int] = 3
        _private: int = 4
        out: str = output()

        def run(self) -> Any:
            return [self.kind]

    step = Inside("S", text=texts["text"], also=texts["text"], perhaps=texts["other"], local=Local())
    assert list(step.inputs) == ["text", "also", "perhaps"]
    assert list(step.args) == ["local", "kind"]
    with pytest.raises(InvalidTypeError, match="'kind' must be"):
        Inside("S", text=texts["text"], kind="c")  # type: ignore[arg-type]


class Later(Step):
    """Uses a name that is defined further down."""

    what: "Defined"  # noqa: UP037 - what is tested
    out: str = output()

    def run(self) -> Any:
        return [self.what.name]


class Defined:
    name = "later"

    def __datadreamer_fingerprint__(self) -> str:
        return self.name


def test_forward_references_are_resolved_when_bound(session: DataDreamer) -> None:
    assert list(Later("S", what=Defined())["out"]) == ["later"]
    with pytest.raises(InvalidTypeError, match="'what' must be Defined, not str"):
        Later("S", what="x")  # type: ignore[arg-type]


# --- inheritance ------------------------------------------------------------------------------------------------------


def test_a_subclass_adds_to_and_changes_what_it_inherits(texts: DataSource) -> None:
    class Louder(Typed):
        """Louder."""

        times = 4
        loud: bool = True
        length: int = output()

        def process(self, text: str) -> dict[str, Any]:  # type: ignore[override]
            repeated = super().process(text)["repeated"]
            return {"repeated": repeated.upper() if self.loud else repeated, "length": len(repeated)}

    step = Louder("S", text=texts["text"])
    assert step.output.to_list() == [{"repeated": "AAAA", "length": 4}, {"repeated": "BBBB", "length": 4}]  # type: ignore[union-attr]
    assert list(Typed("T", text=texts["text"])["repeated"]) == ["aa", "bb"]


def test_a_registered_subclass_calls_setup_of_its_base(texts: DataSource) -> None:
    class Child(Registered):
        def setup(self) -> None:
            super().setup()
            self.register_output("length")

        def run(self) -> Any:
            return [(text, len(text)) for text in super().run()]

    assert Child("S", text=texts["text"]).output.column_names == ["repeated", "length"]  # type: ignore[call-arg]


# --- setup() ----------------------------------------------------------------------------------------------------------


def test_registering_outside_setup_is_refused(texts: DataSource) -> None:
    step = Typed("S", text=texts["text"])
    for register in (step.register_input, step.register_arg, step.register_output):
        with pytest.raises(RuntimeError, match=r"may be called in setup\(\) only"):
            register("x")
    step.register_data_card("Note", "allowed everywhere")


def test_registered_names_are_strings(session: DataDreamer) -> None:
    class Wrong(Step):
        def setup(self) -> None:
            self.register_output(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="takes a name as a string, not int 3"):
        Wrong("S")
    with pytest.raises(TypeError, match="data card type is a string"):
        Two("S").register_data_card(3, "x")  # type: ignore[arg-type]


def test_a_name_registered_twice_is_refused(session: DataDreamer) -> None:
    class Twice(Step):
        def setup(self) -> None:
            self.register_arg("x", required=False)
            self.register_input("x", required=False)
            self.register_output("out")

    with pytest.raises(InvalidArgumentError, match="'x' is declared twice"):
        Twice("S")


# --- help -------------------------------------------------------------------------------------------------------------


def test_help_of_a_class_and_of_a_step_lists_the_declaration(texts: DataSource) -> None:
    wanted = """Typed — Repeat every text.

inputs:
  text: Column[str] (required)

args:
  times: int = 2
  mark: str = '' — what is put behind
  tags: list[str] = []
  concurrency: int = 4 [does not count in the fingerprint]

outputs:
  repeated: str — the text, several times"""
    assert Typed.help == wanted
    assert Typed("S", text=texts["text"]).help == wanted
    assert "  mark = '' — what is put behind" in Registered.help
    assert "  text (required) — what is repeated" in Registered.help


def test_help_of_a_class_makes_no_step() -> None:
    made = []

    class Watched(Step):
        def setup(self) -> None:
            made.append(self.register_output("out"))

    assert Watched.help.startswith("Watched\n\noutputs:\n  out")
    assert Step.help.startswith("Step — ")


def test_help_names_no_type_it_cannot_see(session: DataDreamer) -> None:
    class Local:
        pass

    class Hidden(Step):
        what: Local | None = None
        column: typing.Any = None
        out: int = output()

    assert "what: Local | None = None" in Hidden.help


# --- the surface of a finished step -----------------------------------------------------------------------------------


def test_the_surface_of_a_finished_step(texts: DataSource, session: DataDreamer, capsys: pytest.CaptureFixture) -> None:
    class Graded(Typed):
        version = 2.5

        def setup(self) -> None:
            self.register_data_card("Note", "by hand")

    step = Graded("My step", text=texts["text"], outputs={"repeated": "more"})
    assert step.name == "My step"
    assert isinstance(step.output["more"], OutputDatasetColumn) and step["more"][1] == "bb"
    assert step.head(1).to_dict("list") == {"more": ["aa"]}
    assert step.head(5, shuffle=True, seed=1).shape == (2, 1)
    assert step.progress == 1.0
    assert step.dataset_path == str(session.folder / "my-step" / "_dataset")  # type: ignore[operator]
    assert step.fingerprint.startswith("ddw1:") and len(step.fingerprint) == 69
    assert step.version == 2.5 and Typed.version == 1.0
    assert step.output_names == ("more",) and step.output_name_mapping == {"repeated": "more"}
    assert step.background is False
    assert repr(step) == "<Graded 'My step' (finished): more>"
    step.data_card()
    printed = capsys.readouterr().out
    assert '"My step"' in printed and '"by hand"' in printed


def test_a_step_outside_a_session_is_only_a_declaration(texts: DataSource, session: DataDreamer) -> None:
    column = texts.output["text"]
    session.stop()
    step = Typed("S", text=column)
    assert step.progress is None and repr(step) == "<Typed 'S' (not run): repeated>"
    for use in (lambda: step.output, lambda: step["repeated"], lambda: step.repeated, lambda: step.head()):
        with pytest.raises(dd_errors().StepOutputError, match="has not run"):
            use()
    with pytest.raises(RuntimeError):
        _ = step.dataset_path
    with pytest.raises(RuntimeError):
        step.data_card()


def dd_errors() -> Any:
    import datadreamer.errors

    return datadreamer.errors


def test_progress_is_clamped_and_never_goes_back(session: DataDreamer) -> None:
    seen = []

    class Reports(Step):
        out: int = output()

        def run(self) -> Any:
            for value in (0.5, 0.2, 7, -1):
                self.progress = value
                seen.append(self.progress)
            return [1]

    Reports("S")
    assert seen == [0.5, 0.5, 1.0, 1.0]


def test_nothing_is_pickled(session: DataDreamer) -> None:
    step = Two("S")
    for use in (step.pickle, step.unpickle):
        with pytest.raises(InvalidArgumentError, match="Nothing is pickled"):
            use(b"x")


def test_a_run_keeps_files_beside_its_result(session: DataDreamer) -> None:
    from pathlib import Path

    class Keeps(Step):
        out: int = output()

        def run(self) -> Any:
            (Path(self.get_run_output_folder_path()) / "note.txt").write_text("kept")
            return [1]

    step = Keeps("S")
    assert (session.folder / "s" / "run_output" / "note.txt").read_text() == "kept"  # type: ignore[operator]
    assert Path(step.get_run_output_folder_path()) == session.folder / "s" / "run_output"  # type: ignore[operator]
