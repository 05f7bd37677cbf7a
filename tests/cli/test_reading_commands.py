"""`status`, `show`, `losses` and `why`, as they print."""

from __future__ import annotations

import json

import workflows
from workflows import ROWS

from datadreamer import DataDreamer
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataFromPrompt, DataSource


def test_status_prints_a_line_for_each_result_and_how_to_go_on(command, tmp_path):
    workflows.run(tmp_path / "out")
    said = command("status", "out")
    assert said.returncode == 0
    lines = said.stdout.splitlines()
    drawn = next(line.split() for line in lines if line.startswith("Draw texts"))
    assert drawn[2:6] == ["DataFromPrompt", "finished", str(ROWS), str(ROWS)]
    assert lines[-1].startswith("Everything is finished.")


def test_status_fits_a_narrow_terminal(command, tmp_path):
    workflows.run(tmp_path / "out")
    wide, narrow = command("status", "out", COLUMNS="200").stdout, command("status", "out", COLUMNS="60").stdout
    table = next(part for part in narrow.split("\n\n") if part.startswith("name"))
    assert max(map(len, table.splitlines())) <= 60
    assert "DataFromPrompt" in wide and "DataFromPrompt" not in narrow
    assert all(word in table for word in ("Draw texts", "finished", str(ROWS)))


def test_status_of_a_killed_run_says_what_is_kept(command, tmp_path):
    with workflows.running(tmp_path / "out") as process:
        running = command("status", "out")
        process.kill()
        process.wait()
    killed = command("status", "out")
    assert f"process {process.pid} works in it" in running.stdout and "running" in running.stdout
    assert "interrupted" in killed.stdout and "works in it" not in killed.stdout
    assert "no answer that was received is asked for again" in killed.stdout


def test_status_json_is_for_programs(command, tmp_path):
    workflows.run(tmp_path / "out", failing="text 1")
    status = json.loads(command("status", "out", "--json").stdout)
    assert [(one["name"], one["state"]) for one in status["results"]][:2] == [
        ("Draw texts", "finished"),
        ("Label texts", "finished"),
    ]
    assert sum(status["results"][1]["lost"].values()) == 3


def test_status_of_a_damaged_record_names_it(command, tmp_path):
    workflows.run(tmp_path / "out")
    (tmp_path / "out" / "kept" / "step.json").write_text("not json")
    said = command("status", "out")
    assert said.returncode == 0 and "damaged" in said.stdout and "step.json" in said.stdout


def test_show_prints_rows_a_column_a_line(command, tmp_path):
    workflows.run(tmp_path / "out")
    said = command("show", "out", "draw texts", "-n", 2, "--from", 3)
    assert said.stdout.splitlines() == [
        f"Draw texts: {ROWS} rows, columns prompts, generations",
        "",
        "row 3",
        "  prompts      Write.",
        "  generations  text 3",
        "",
        "row 4",
        "  prompts      Write.",
        "  generations  text 4",
    ]


def test_show_json_is_one_row_a_line(command, tmp_path):
    workflows.run(tmp_path / "out")
    rows = [json.loads(line) for line in command("show", "out", "kept", "--json", "-n", 100).stdout.splitlines()]
    assert len(rows) == ROWS // 2 and rows[0]["size"] == len("text 0")


def test_show_card_prints_the_card(command, tmp_path):
    workflows.run(tmp_path / "out")
    card = (tmp_path / "out" / "kept" / "README.md").read_text(encoding="utf-8")
    assert command("show", "out", "kept", "--card").stdout.strip() == card.strip()


def test_generated_text_cannot_control_the_terminal(command, tmp_path):
    with DataDreamer(tmp_path / "out", verbose=False):
        DataSource("Texts", data={"text": ["\x1b[31mred\x1b[0m\r\x07"]})
    said = command("show", "out", "texts").stdout
    assert "\x1b" not in said and "\x07" not in said and "red" in said


def test_long_values_are_cut_unless_they_are_wanted(command, tmp_path):
    with DataDreamer(tmp_path / "out", verbose=False):
        DataSource("Texts", data={"text": ["x" * 5000]})
    assert "(5,000 characters)" in command("show", "out", "texts").stdout
    assert "x" * 5000 in command("show", "out", "texts", "--full").stdout


def test_losses_are_a_table_with_a_sum(command, tmp_path):
    workflows.run(tmp_path / "out", failing="text 1")
    said = command("losses", "out").stdout
    assert said.splitlines()[0].split() == ["step", "row", "reason", "what", "happened"]
    assert said.count("not today") == 3 and "3 rows lost" in said
    assert "1 row lost" not in said
    rows = [json.loads(line) for line in command("losses", "out", "Label texts", "--json").stdout.splitlines()]
    assert [row["row"] for row in rows] == [1, 10, 11]
    assert command("losses", "out", "Draw texts").stdout == "Step 'Draw texts' has not lost a row.\n"


def test_why_names_the_setting_and_both_values(command, tmp_path):
    workflows.run(tmp_path / "out")
    workflows.run(tmp_path / "out", instruction="Write more.")
    said = command("why", "out", "Draw texts").stdout
    assert "settings[\"instruction\"] changed from 'Write.' to 'Write more.'" in said
    assert json.loads(command("why", "out", "Draw texts", "--json").stdout)["kind"] == "setting"


def test_why_follows_an_input_to_its_cause(command, tmp_path):
    for word in ("old", "new"):
        with DataDreamer(tmp_path / "out", verbose=False):
            texts = DataFromPrompt("Draw", llm=FakeLLM(word), n=3, instruction="Write.")
            texts.map(lambda row: {"size": len(row["generations"])}, name="Measured", lazy=False)
    said = command("why", "out", "Measured").stdout
    assert "That input comes from:" in said and "from 'old' to 'new'" in said
