"""What `folder_status` says of finished, running, stopped, failed and damaged runs, without changing them."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
from pathlib import Path

import msgspec
import pytest
import workflows
from workflows import ROWS, result

from datadreamer import DataDreamer
from datadreamer.errors import InvalidArgumentError, SourceError, TooManyFailuresError
from datadreamer.llms import FakeLLM
from datadreamer.runs import folder_status
from datadreamer.steps import DataFromPrompt


def states(status):
    return {one.name: one.state for one in status.results}


def contents(folder: Path) -> dict[str, str]:
    """Digest of every file but those that SQLite keeps while a ledger is open."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


# --- finished ---------------------------------------------------------------------------------------------------------


def test_finished_folder_has_every_result_in_the_order_of_the_script(tmp_path):
    workflows.run(tmp_path)
    status = folder_status(tmp_path)
    assert list(states(status).items()) == [
        ("Draw texts", "finished"),
        ("Label texts", "finished"),
        ("kept", "finished"),
    ]
    drawn, kept = status.results[0], status.results[2]
    assert (drawn.kind, drawn.type, drawn.folder) == ("step", "DataFromPrompt", "draw-texts")
    assert (drawn.rows, drawn.calls.calls, drawn.calls.hits) == (ROWS, ROWS, 0)
    assert kept.rows == ROWS // 2 and kept.seconds > 0
    assert status.views == 1
    assert status.owner is None and status.problems == []
    assert status.session.status == "finished"
    assert status.going_on.startswith("Everything is finished")


def test_sums_agree_with_the_results_and_with_the_disk(tmp_path):
    workflows.run(tmp_path)
    workflows.run(tmp_path, instruction="Write more.")
    status = folder_status(tmp_path)
    assert status.totals.calls == sum(one.calls.calls for one in status.results)
    assert status.calls == 3 * ROWS  # both instructions, and labels of equal texts once
    on_disk = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert status.sizes.total == on_disk
    assert status.sizes.backups > 0 and status.sizes.results == sum(one.bytes for one in status.results)
    assert status.sizes.results + status.sizes.ledger + status.sizes.backups + status.sizes.work <= on_disk


def test_lost_rows_are_counted_by_reason(tmp_path):
    workflows.run(tmp_path, failing="text 1")  # text 1, text 10, text 11
    labels = result(folder_status(tmp_path), "Label texts")
    assert (labels.rows_in, labels.rows) == (ROWS, ROWS - 3)
    assert sum(labels.lost.values()) == 3 and len(labels.lost) == 1


def test_results_that_the_last_run_did_not_use_are_marked(tmp_path):
    workflows.run(tmp_path, keep="kept before")
    workflows.run(tmp_path, keep="kept now")
    status = folder_status(tmp_path)
    assert result(status, "kept now").note is None
    assert status.results[-1].name == "kept before"


def test_looking_changes_nothing(tmp_path):
    workflows.run(tmp_path)
    before = contents(tmp_path)
    folder_status(tmp_path)
    assert contents(tmp_path) == before


def test_status_is_plain_json(tmp_path):
    workflows.run(tmp_path)
    decoded = msgspec.json.decode(msgspec.json.encode(folder_status(tmp_path)))
    assert [one["rows"] for one in decoded["results"]] == [ROWS, ROWS, ROWS // 2]


# --- running, stopped, failed -----------------------------------------------------------------------------------------


def test_running_step_is_seen_from_outside_and_its_process_named(tmp_path):
    with workflows.running(tmp_path) as process:
        status = folder_status(tmp_path)
        assert states(status) == {"Draw texts": "finished", "Label texts": "running"}
        assert (status.owner.pid, status.owner.host) == (process.pid, socket.gethostname())
        assert f"process {process.pid}" in status.going_on
        assert process.poll() is None


def test_killed_run_is_interrupted_and_its_answers_are_kept(tmp_path):
    with workflows.running(tmp_path) as process:
        process.kill()
        process.wait()
        status = folder_status(tmp_path)
    assert (tmp_path / ".datadreamer.lock").exists()  # nobody could remove it
    assert status.owner is None
    labels = result(status, "Label texts")
    assert labels.state == "interrupted" and labels.folder is None
    assert labels.answers >= 2
    assert status.calls == 400 + labels.answers
    assert "go on where they stopped" in status.going_on


def test_ctrl_c_is_an_interruption_and_no_failure(tmp_path):
    with workflows.running(tmp_path) as process:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    labels = result(folder_status(tmp_path), "Label texts")
    assert (labels.state, labels.note) == ("interrupted", None)


def test_failed_step_says_why_and_the_finished_one_before_it_stays(tmp_path):
    with pytest.raises(TooManyFailuresError):
        workflows.run(tmp_path, failing="text")
    status = folder_status(tmp_path)
    labels = result(status, "Label texts")
    assert states(status) == {"Draw texts": "finished", "Label texts": "failed"}
    assert "TooManyFailuresError" in labels.note
    assert sum(labels.lost.values()) == ROWS
    assert status.session.status == "failed" and "TooManyFailuresError" in status.session.error


def test_earlier_result_is_mentioned_while_a_changed_step_is_unfinished(tmp_path):
    workflows.run(tmp_path)
    with pytest.raises(TooManyFailuresError), DataDreamer(tmp_path, verbose=False):
        DataFromPrompt("Draw texts", llm=FakeLLM("no number"), n=3, instruction="Other.", post_process=int)
    drawn = result(folder_status(tmp_path), "Draw texts")
    assert drawn.state == "failed"
    assert "earlier result is kept" in drawn.note


def test_lock_of_a_live_process_that_does_not_hold_it_is_nobodys(tmp_path):
    workflows.run(tmp_path)
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": "2026-01-01T00:00:00+00:00"}
    (tmp_path / ".datadreamer.lock").write_bytes(msgspec.json.encode(owner))  # as if the number had been given anew
    assert folder_status(tmp_path).owner is None


# --- damaged, half made, empty ----------------------------------------------------------------------------------------


def test_damaged_record_is_named_and_the_rest_is_still_there(tmp_path):
    workflows.run(tmp_path)
    (tmp_path / "label-texts" / "step.json").write_text('{"name": "Label te')
    status = folder_status(tmp_path)
    assert states(status) == {"Draw texts": "finished", "Label texts": "damaged", "kept": "finished"}
    assert "step.json" in result(status, "Label texts").note
    assert status.unfinished == [result(status, "Label texts")]


def test_missing_rows_are_damage(tmp_path):
    workflows.run(tmp_path)
    next((tmp_path / "draw-texts" / "_dataset").glob("part-*.arrow")).unlink()
    drawn = result(folder_status(tmp_path), "Draw texts")
    assert drawn.state == "damaged" and "is missing" in drawn.note


def test_damaged_ledger_is_a_problem_and_hides_no_result(tmp_path):
    workflows.run(tmp_path)
    (tmp_path / "ledger.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)
    status = folder_status(tmp_path)
    assert set(states(status).values()) == {"finished"}
    assert len(status.problems) == 1 and "ledger.sqlite" in status.problems[0]


def test_folder_without_record_of_a_session_is_read_from_its_steps(tmp_path):
    workflows.run(tmp_path)
    (tmp_path / "datadreamer.json").unlink()
    status = folder_status(tmp_path)
    assert set(states(status)) == {"Draw texts", "Label texts", "kept"}
    assert status.session is None


def test_folder_with_only_a_work_folder_has_no_results(tmp_path):
    (tmp_path / "_work").mkdir()
    assert folder_status(tmp_path).results == []


def test_empty_folder_is_one_in_which_nothing_ran(tmp_path):
    status = folder_status(tmp_path)
    assert status.results == [] and status.going_on.startswith("Nothing has run here yet")


def test_what_is_no_output_folder_is_refused_with_the_cure(tmp_path):
    with pytest.raises(SourceError, match="There is no folder"):
        folder_status(tmp_path / "nowhere")
    file = tmp_path / "file"
    file.write_text("text")
    with pytest.raises(InvalidArgumentError, match="is a file"):
        folder_status(file)
    with pytest.raises(SourceError, match="not an output folder"):
        folder_status(tmp_path)


def test_folder_of_a_step_points_to_the_output_folder(tmp_path):
    workflows.run(tmp_path)
    with pytest.raises(SourceError, match="lies inside the output folder"):
        folder_status(tmp_path / "draw-texts")
