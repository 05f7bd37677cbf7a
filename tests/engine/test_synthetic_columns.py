"""What a record says of columns that operations bring together: each is what it was in the step it came from."""

import json

from datadreamer import DataDreamer
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, Prompt, concat, zipped

REAL, WRITTEN = ("none", 0), ("full", 1)


def synthetic(folder):
    steps = json.loads((folder / "datadreamer.json").read_text())["steps"]
    return {
        step["name"]: {name: (found["share"], found["depth"]) for name, found in step["synthetic"].items()}
        for step in steps
    }


def exclaim(prompt):
    return prompt + "!"


def source_and_answers():
    real = DataSource("real", {"text": ["a", "b"]})
    return real, Prompt("written", prompts=real["text"], llm=FakeLLM(exclaim))


def test_columns_side_by_side_keep_what_each_of_them_was(tmp_path):
    with DataDreamer(tmp_path):
        real, written = source_and_answers()
        zipped(real, written.select_columns(["generations"]), lazy=False, name="both")
        zipped(real, written).map(lambda row: {"more": row["text"] + "?"}, lazy=False, name="mapped")
    assert synthetic(tmp_path)["both"] == {"text": REAL, "generations": WRITTEN}
    mapped = synthetic(tmp_path)["mapped"]
    assert (mapped["text"], mapped["generations"]) == (REAL, WRITTEN)
    assert mapped["more"] == WRITTEN  # which columns a function read is not known


def test_a_lazy_result_whose_columns_were_never_seen_does_not_pass_for_real(tmp_path):
    with DataDreamer(tmp_path):
        real, written = source_and_answers()
        lazy = zipped(real.map(lambda row: {"upper": row["text"].upper()}), written.map(lambda row: {"one": 1}))
        lazy.save("both")
    assert synthetic(tmp_path)["both"]["generations"] == WRITTEN


def test_rows_of_a_source_and_of_a_model_below_each_other_are_partly_synthetic(tmp_path):
    with DataDreamer(tmp_path):
        real, written = source_and_answers()
        renamed = written.select_columns(["generations"]).rename_column("generations", "text")
        concat(real, renamed, lazy=False, name="all")
    assert synthetic(tmp_path)["all"] == {"text": ("partial", 1)}


def test_a_renamed_column_is_what_it_was_under_its_old_name(tmp_path):
    with DataDreamer(tmp_path):
        _, written = source_and_answers()
        written.rename_column("prompts", "question").shuffle(seed=1, lazy=False, name="all")
    assert synthetic(tmp_path)["all"] == {"question": REAL, "generations": WRITTEN}
