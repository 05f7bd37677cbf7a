"""Rows, lost rows and reasons, read from a folder."""

from __future__ import annotations

import pytest
import workflows
from workflows import ROWS

from datadreamer import DataDreamer
from datadreamer.errors import DamagedFileError, InvalidArgumentError
from datadreamer.llms import FakeLLM
from datadreamer.runs import find, lost_rows, rows_of, why
from datadreamer.steps import DataFromPrompt, DataSource, ProcessWithPrompt


def test_rows_of_a_step_by_its_name_or_folder_whatever_the_case(tmp_path):
    workflows.run(tmp_path)
    for name in ("Draw texts", "draw-texts", "DRAW TEXTS"):
        assert list(rows_of(tmp_path, name).values("generations")) == [f"text {n}" for n in range(ROWS)]


def test_unknown_step_gets_the_nearest_and_a_view_its_source(tmp_path):
    workflows.run(tmp_path)
    with pytest.raises(InvalidArgumentError, match="Did you mean 'Draw texts'"):
        rows_of(tmp_path, "Draw text")
    with pytest.raises(InvalidArgumentError, match=r"is a view.*'Label texts'"):
        rows_of(tmp_path, "Label texts (take)")
    with pytest.raises(InvalidArgumentError, match="nothing in it is finished yet"):
        find(tmp_path / "draw-texts" / "_dataset", "x")


def test_damaged_record_is_an_error_and_no_traceback_of_ours(tmp_path):
    workflows.run(tmp_path)
    (tmp_path / "kept" / "step.json").write_text("{}")
    with pytest.raises(DamagedFileError, match=r"step\.json"):
        rows_of(tmp_path, "kept")


# --- losses -----------------------------------------------------------------------------------------------------------


def test_lost_rows_have_position_reason_and_message(tmp_path):
    workflows.run(tmp_path, failing="text 1")
    lost = lost_rows(tmp_path)
    assert [(row.step, row.row) for row in lost] == [("Label texts", 1), ("Label texts", 10), ("Label texts", 11)]
    assert all("not today" in row.message for row in lost)
    assert lost_rows(tmp_path, "label texts") == lost
    assert lost_rows(tmp_path, "Draw texts") == []


def test_losses_of_replaced_results_are_not_shown(tmp_path):
    workflows.run(tmp_path, failing="text 1")
    workflows.run(tmp_path, instruction="Write.", failing=None)
    before = lost_rows(tmp_path)
    with DataDreamer(tmp_path, verbose=False):
        texts = DataSource("Texts", data={"text": ["a", "b"]})
        ProcessWithPrompt("Label texts", inputs=texts.output["text"], llm=FakeLLM("good"), instruction="Label.")
    assert before != [] and lost_rows(tmp_path, "Label texts") == []


def test_losses_of_an_unknown_step_are_an_error(tmp_path):
    workflows.run(tmp_path)
    with pytest.raises(InvalidArgumentError, match="Did you mean 'Label texts'"):
        lost_rows(tmp_path, "Label text")


# --- why --------------------------------------------------------------------------------------------------------------


def test_first_run_and_hits_are_told(tmp_path):
    workflows.run(tmp_path)
    workflows.run(tmp_path)
    answer = why(tmp_path, "Draw texts")
    assert (answer.kind, answer.found_finished) == ("first", 1)


def test_changed_setting_is_named_with_both_values(tmp_path):
    workflows.run(tmp_path)
    workflows.run(tmp_path, instruction="Write more.")
    answer = why(tmp_path, "draw texts")
    assert (answer.kind, answer.path) == ("setting", 'settings["instruction"]')
    assert (answer.old, answer.new) == ("Write.", "Write more.")
    assert answer.before < answer.at


def test_changed_input_leads_to_the_step_that_changed(tmp_path):
    def workflow(words):
        with DataDreamer(tmp_path, verbose=False):
            texts = DataFromPrompt("Draw texts", llm=FakeLLM(words), n=3, instruction="Write.")
            few = texts.select_columns(["generations"]).take(2)
            ProcessWithPrompt("Label texts", inputs=few.output["generations"], llm=FakeLLM(), instruction="Label.")

    workflow("old")
    workflow("new")
    answer = why(tmp_path, "Label texts")
    assert answer.kind == "input"
    (upstream,) = answer.upstream
    assert (upstream.step, upstream.kind, upstream.old, upstream.new) == ("Draw texts", "model", "old", "new")


def test_forced_run_of_the_same_thing_is_no_change(tmp_path):
    for force in (False, True):
        with DataDreamer(tmp_path, verbose=False):
            DataFromPrompt("Draw texts", llm=FakeLLM(), n=3, instruction="Write.", force=force)
    answer = why(tmp_path, "Draw texts")
    assert answer.kind == "again" and "force=True" in answer.verdict


def test_renamed_step_never_ran_under_its_new_name(tmp_path):
    for name in ("Old name", "New name"):
        with DataDreamer(tmp_path, verbose=False):
            DataFromPrompt(name, llm=FakeLLM(), n=3, instruction="Write.")
    assert "under another one" in why(tmp_path, "New name").verdict


def test_what_never_ran_is_an_error_with_the_nearest_name(tmp_path):
    workflows.run(tmp_path)
    with pytest.raises(InvalidArgumentError, match="Did you mean 'Draw texts'"):
        why(tmp_path, "Draw txts")
    with pytest.raises(InvalidArgumentError, match="is a view"):
        why(tmp_path, "Label texts (take)")
